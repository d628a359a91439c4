"""What is known of each network of the zoo without importing torch: where it lies, and what it may be told."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from numbers import Integral, Real
from typing import Any

from .rl import AGENT_OPTIONS

__all__ = ["LEGAL", "ROWS", "TASKS", "ZOO", "Entry", "Usual", "listed"]


@dataclass(frozen=True)
class Usual:
    """Data of a usual size.

    Args:
        shape: of a row.
        classes: number of classes, targets or labels.
        task: what they are.
        told: what such data tells a network.
    """

    shape: tuple[int, ...]
    classes: int
    task: str = "classification"
    told: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Entry:
    """Where a network lies, and what can be said of it without importing torch.

    Args:
        module: its module, imported when it is built.
        attribute: its class.
        dimensions: of one row; None when any number will do. A network that reads tokens takes those of texts as well.
        options: its own arguments; a test holds them to the signature.
        told: those that the data tells, where the user does not.
        tasks: what it can do; empty for all tasks.
        needs: an option without which it cannot be built, and how the data comes to tell it.
        legal: what each may be, where that is not as for the others.
        lists: those of which one width alone stands for a list of it.
        fixed: those that are as the data has them, whatever is asked for.
        about: what it is, in a line.
        usual: what it is drawn for where there is no data.
    """

    module: str
    attribute: str
    dimensions: int | None
    options: tuple[str, ...]
    told: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()
    needs: tuple[str, str] = ("", "")
    legal: Mapping[str, tuple[Callable[[Any], bool], str]] = field(default_factory=dict)
    lists: tuple[str, ...] = ("channels", "hidden", "kernels")
    fixed: tuple[str, ...] = ()
    about: str = ""
    usual: Usual = field(default_factory=lambda: Usual((30,), 2))


_FITTING = ("lr", "weight_decay", "schedule", "label_smoothing", "loss", "class_weights")

_WIDEST = 65536

_A_LIST = f"a list of whole numbers from 1 to {_WIDEST}"

_COLUMNS = ("embedding", "categories", "size", "bins")

_RATE = ("lr", "weight_decay", "schedule")

_SCHEDULES = ("one_cycle", "cosine", "constant")

_LOSSES = ("mse", "huber", "mae")

_EMBEDDINGS = ("linear", "periodic", "piecewise")


def _is_number(value: object) -> bool:
    return not isinstance(value, bool) and isinstance(value, Real) and math.isfinite(value)


def _are_widths(value: object) -> bool:
    if isinstance(value, (str, bytes, Mapping)) or not isinstance(value, Iterable):
        return False
    return all(not isinstance(w, bool) and isinstance(w, Integral) and 1 <= int(w) <= _WIDEST for w in value)


def _are_weights(value: object) -> bool:
    if value is None or (isinstance(value, str) and value == "balanced"):
        return True
    if isinstance(value, (str, bytes, Mapping)) or not isinstance(value, Iterable):
        return False
    return all(_is_number(one) and one > 0 for one in value)


def _are_quantiles(value: object) -> bool:
    if isinstance(value, (str, bytes, Mapping)) or not isinstance(value, Iterable):
        return False
    levels: list[Any] = list(value)
    return bool(levels) and all(map(_is_number, levels)) and all(a < b for a, b in pairwise([0, *levels, 1]))


def _is_whole(value: object, most: int) -> bool:
    return not isinstance(value, bool) and isinstance(value, Integral) and 1 <= int(value) <= most


def _one_of(*legal: str) -> tuple[Callable[[Any], bool], str]:
    return (lambda value: isinstance(value, str) and value in legal), f"one of {', '.join(legal)}"


def listed(value: Any) -> Any:
    """A width alone as the list of one layer."""
    return [value] if not isinstance(value, bool) and isinstance(value, Integral) else value


ZOO = {
    "autoencoder": Entry(
        "autoencoder",
        "Autoencoder",
        None,
        ("normal", "hidden", "noise", "threshold", "dropout", *_RATE),
        tasks=("classification",),
        legal={"hidden": (lambda value: _are_widths(value) and len(value) > 0, f"{_A_LIST}, or one of them")},
        about="rebuilds what is normal, and tells what is not",
    ),
    "cnn": Entry(
        "cnn",
        "CNN",
        3,
        ("channels", "dropout", *_FITTING),
        about="a residual network over small images",
        usual=Usual((1, 28, 28), 10),
    ),
    "dqn": Entry(
        "rl.dqn",
        "DQN",
        None,
        tuple(AGENT_OPTIONS),
        legal=AGENT_OPTIONS,
        lists=("hidden",),
        about="learns to act by trying (deep Q learning)",
    ),
    "forecaster": Entry(
        "forecaster",
        "Forecaster",
        1,
        ("history", "series", "cell", "quantiles", "size", "dropout", *_RATE),
        ("history", "series"),
        ("regression",),
        ("history", "load the series with lepton data load SERIES --target NAME --time-column NAME --horizon STEPS"),
        {"cell": _one_of("gru", "lstm", "transformer")},
        fixed=("history", "series"),
        about="the next steps of a series, with quantiles",
        usual=Usual((32,), 7, "regression", {"history": 28, "series": 1}),
    ),
    "mlp": Entry(
        "mlp",
        "MLP",
        None,
        ("hidden", "dropout", *_COLUMNS, *_FITTING),
        ("categories",),
        about="fully connected layers, for tables",
    ),
    "ngrams": Entry(
        "ngrams",
        "NGrams",
        1,
        ("vocabulary", "longest", "buckets", "dropout", *_RATE, "label_smoothing", "class_weights"),
        ("vocabulary",),
        ("classification", "multilabel"),
        ("vocabulary", "load the texts with lepton data load FILE --target NAME --text COLUMN"),
        legal={"vocabulary": (lambda value: _is_whole(value, 2**20), "a whole number from 1 to 1048576")},
        about="runs of tokens, each with a weight, for texts",
        usual=Usual((256,), 2, told={"vocabulary": 300}),
    ),
    "rnn": Entry(
        "rnn",
        "RNN",
        2,
        ("vocabulary", "cell", "size", "width", "layers", "kernels", "dropout", "word_dropout", *_FITTING),
        ("vocabulary",),
        legal={
            "cell": _one_of("gru", "lstm"),
            "kernels": (
                lambda value: _are_widths(value) and all(one % 2 for one in value),
                f"a list of odd numbers from 1 to {_WIDEST}, or one of them",
            ),
        },
        about="GRU or LSTM, for texts and sequences",
        usual=Usual((256,), 2, told={"vocabulary": 4096}),
    ),
    "tab_transformer": Entry(
        "tab_transformer",
        "TabTransformer",
        None,
        (*_COLUMNS, "layers", "heads", "dropout", *_FITTING),
        ("categories",),
        legal={"embedding": _one_of(*_EMBEDDINGS)},
        about="attention over the columns of a table",
        usual=Usual((20,), 2, told={"categories": (6, 4)}),
    ),
    "transformer": Entry(
        "transformer",
        "Transformer",
        2,
        ("vocabulary", "width", "heads", "layers", "positions", "dropout", "word_dropout", *_FITTING),
        ("vocabulary",),
        about="attention over the steps of texts and sequences",
        usual=Usual((256,), 2, told={"vocabulary": 4096}),
    ),
    "two_tower": Entry(
        "two_tower",
        "TwoTower",
        None,
        ("hidden", "size", "dropout", *_RATE, "label_smoothing", "class_weights"),
        tasks=("classification",),
        about="what somebody takes next, out of all items",
        usual=Usual((200,), 50),
    ),
}

# What a network needs by the dimensions of its rows.
ROWS = {
    0: ("numbers", "of any dimensions"),
    1: ("texts", "(tokens,)"),
    2: ("texts or sequences", "(steps, features)"),
    3: ("images", "(channels, height, width)"),
}

# Options that only some tasks have a use for.
TASKS = {
    "label_smoothing": ("classification",),
    "loss": ("regression",),
    "class_weights": ("classification", "multilabel"),
}


# What each option may be, and how that is told: a network that cannot be built is refused before its run starts.
LEGAL: dict[str, tuple[Callable[[Any], bool], str]] = {
    **dict.fromkeys(("channels", "hidden"), (_are_widths, f"{_A_LIST}, or one of them")),
    "categories": (_are_widths, _A_LIST),
    **dict.fromkeys(
        ("dropout", "label_smoothing", "word_dropout"),
        (lambda value: _is_number(value) and 0 <= value <= 1, "a number from 0 to 1"),
    ),
    "lr": (lambda value: _is_number(value) and value > 0, "a number above 0"),
    "weight_decay": (lambda value: _is_number(value) and value >= 0, "a number from 0"),
    "schedule": _one_of(*_SCHEDULES),
    "loss": _one_of(*_LOSSES),
    "embedding": _one_of("none", *_EMBEDDINGS),
    "normal": (lambda value: value in (-1, 0, 1) and not isinstance(value, bool), "0, 1, or -1 for the larger class"),
    "history": (lambda value: _is_whole(value, 2000), "a whole number from 1 to 2000"),
    "series": (lambda value: value is None or _is_whole(value, 2000), "a whole number from 1 to 2000"),
    "quantiles": (_are_quantiles, "a list of numbers between 0 and 1 that grow, such as [0.1, 0.5, 0.9]"),
    **dict.fromkeys(("noise", "threshold"), (lambda value: _is_number(value) and value >= 0, "a number from 0")),
    "longest": (lambda value: _is_whole(value, 16), "a whole number from 1 to 16"),
    "buckets": (lambda value: _is_whole(value, 2**24), "a whole number from 1 to 16777216"),
    "positions": _one_of("learned", "sinusoidal"),
    "vocabulary": (lambda value: value == 0 or _is_whole(value, 2**20), "a whole number from 0 to 1048576"),
    "class_weights": (_are_weights, "balanced, or a list of numbers above 0, one for each class"),
    **dict.fromkeys(("size", "bins", "width"), (lambda value: _is_whole(value, 1024), "a whole number from 1 to 1024")),
    **dict.fromkeys(("layers", "heads"), (lambda value: _is_whole(value, 64), "a whole number from 1 to 64")),
}
