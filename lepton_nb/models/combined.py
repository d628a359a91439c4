"""What the options of a network ask of each other, and of the rows, told without importing torch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import UsageError

__all__ = ["DEFAULTS", "check_together"]

# What an option is where nobody says, for those networks whose options ask something of each other; a test holds them
# to the signatures.
DEFAULTS: dict[str, dict[str, Any]] = {
    "forecaster": {"history": None, "series": None, "cell": "gru", "size": 32},
    "mlp": {"embedding": "none", "categories": ()},
    "rnn": {"size": 64, "kernels": (3, 5)},
    "tab_transformer": {"categories": (), "size": 32, "heads": 4},
    "transformer": {"width": 64, "heads": 4},
}

# Heads of the forecaster's attention.
_HEADS = 4


def check_together(name: str, options: Mapping[str, Any], shape: Sequence[int], width: int) -> None:
    """Nothing, when options that are legal by themselves go together.

    Args:
        name: of a network of the zoo.
        options: its own arguments.
        shape: of one row as the network sees it; empty when that is not known yet.
        width: number of classes, targets or labels; 0 when that is not known yet.

    Raises:
        UsageError: they do not.
    """
    all_of = {**DEFAULTS.get(name, {}), **options}
    if name in ("tab_transformer", "transformer"):
        wide = "size" if name == "tab_transformer" else "width"
        _check_heads(name, wide, all_of[wide], all_of["heads"])
    if name == "forecaster":
        if all_of["cell"] == "transformer":
            _check_heads(name, "size", all_of["size"], _HEADS)
        if shape and all_of["history"]:
            _check_history(all_of["history"], all_of["series"] or 1, math.prod(shape))
    if name == "rnn" and all_of["size"] < len(all_of["kernels"]):
        count = len(all_of["kernels"])
        raise UsageError(f"rnn: size {all_of['size']} for {count} kernels", expected=f"a size of {count} or more")
    if name == "autoencoder" and width not in (0, 2):
        raise UsageError(
            f"autoencoder: {width} classes, but anomalies are one of two: normal, and everything else",
            expected="data with two classes",
        )
    embeds = name == "tab_transformer" or (name == "mlp" and all_of["embedding"] != "none")
    if shape and embeds and sum(all_of["categories"]) > math.prod(shape):
        raise UsageError(
            f"{name}: categories of {sum(all_of['categories'])} values in rows of {math.prod(shape)}",
            expected="no more values than a row has",
        )


def _check_heads(name: str, option: str, wide: int, heads: int) -> None:
    if wide % heads:
        raise UsageError(f"{name}: {option} {wide} is no multiple of heads {heads}", expected=f"a multiple of {heads}")


def _check_history(history: int, series: int, columns: int) -> None:
    if history * series > columns:
        raise UsageError(
            f"forecaster: {series} series of history {history} in rows of {columns} columns",
            expected=f"{history * series} columns or more",
        )
