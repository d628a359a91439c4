"""The networks that have a name."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from ..errors import UsageError

__all__ = ["build", "check", "names"]


@dataclass(frozen=True)
class _Entry:
    """Where a network lies, and what can be said of it without importing torch.

    Args:
        module: its module, imported when it is built.
        attribute: its class.
        dimensions: of one row; None when any number will do.
        options: its own arguments; a test holds them to the signature.
    """

    module: str
    attribute: str
    dimensions: int | None
    options: tuple[str, ...]


_FITTING = ("lr", "weight_decay", "schedule", "label_smoothing")
_ZOO = {
    "cnn": _Entry("cnn", "CNN", 3, ("channels", "dropout", *_FITTING)),
    "mlp": _Entry("mlp", "MLP", None, ("hidden", "dropout", *_FITTING)),
}


def names() -> tuple[str, ...]:
    """The names that `build` knows.

    Example:
        >>> names()
        ('cnn', 'mlp')
    """
    return tuple(sorted(_ZOO))


def check(name: str, data_shape: Sequence[int], options: Iterable[str]) -> None:
    """Nothing, when `build` would take this; torch is not imported to tell.

    Args:
        name: one of `names()`.
        data_shape: shape of one row as the network sees it.
        options: names of the options.

    Raises:
        UsageError: the name or an option is unknown, or the network cannot take such rows.
    """
    if name not in _ZOO:
        near = get_close_matches(name, _ZOO, n=1)
        raise UsageError(
            f"no network is called {name!r}",
            expected=f"one of {', '.join(names())}, or a LightningModule",
            hint=f"did you mean {near[0]}?" if near else "",
        )
    entry = _ZOO[name]
    for option in options:
        if option not in entry.options:
            raise UsageError(f"{name} has no option {option!r}", expected=f"one of {', '.join(entry.options)}")
    if entry.dimensions not in (None, len(data_shape)):
        raise UsageError(
            f"{name} needs images",
            expected="rows of shape (channels, height, width)",
            got=f"rows of shape {tuple(data_shape)}",
            hint="use mlp for tables and flat vectors",
        )


def build(name: str, data_shape: Sequence[int], classes: int, **options: Any) -> Any:
    """A new network of the zoo, with random weights from torch's global generator.

    Args:
        name: one of `names()`.
        data_shape: shape of one row as the network sees it.
        classes: number of classes.
        options: the network's own arguments, such as `lr` or `hidden`.

    Returns:
        A LightningModule: float32 `[N, *data_shape]` to logits `[N, classes]`.

    Raises:
        UsageError: the name, an option or its value is wrong, or the network cannot take such rows.
    """
    check(name, data_shape, options)
    entry = _ZOO[name]
    kind = getattr(importlib.import_module(f"{__package__}.{entry.module}"), entry.attribute)
    try:
        return kind(tuple(data_shape), classes, **options)
    except (TypeError, ValueError, RuntimeError) as cause:
        raise UsageError(f"{name} cannot be built with {options}", got=str(cause)) from cause
