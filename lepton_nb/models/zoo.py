"""The networks that have a name."""

from __future__ import annotations

import importlib
import math
import reprlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from numbers import Integral, Real
from typing import Any

from ..errors import UsageError

__all__ = ["build", "check", "names", "options_of"]


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

_LISTS = ("channels", "hidden")
_WIDEST = 65536
_SCHEDULES = ("one_cycle", "cosine", "constant")


def _is_number(value: object) -> bool:
    return not isinstance(value, bool) and isinstance(value, Real) and math.isfinite(value)


def _are_widths(value: object) -> bool:
    value = _listed(value)
    if isinstance(value, (str, bytes, Mapping)) or not isinstance(value, Iterable):
        return False
    return all(not isinstance(w, bool) and isinstance(w, Integral) and 1 <= int(w) <= _WIDEST for w in value)


def _listed(value: Any) -> Any:
    """A width alone as the list of one layer."""
    return [value] if not isinstance(value, bool) and isinstance(value, Integral) else value


# What each option may be, and how that is told: a network that cannot be built is refused before its run starts.
_LEGAL: dict[str, tuple[Callable[[Any], bool], str]] = {
    **dict.fromkeys(_LISTS, (_are_widths, f"a list of whole numbers from 1 to {_WIDEST}, or one of them")),
    **dict.fromkeys(
        ("dropout", "label_smoothing"), (lambda value: _is_number(value) and 0 <= value <= 1, "a number from 0 to 1")
    ),
    "lr": (lambda value: _is_number(value) and value > 0, "a number above 0"),
    "weight_decay": (lambda value: _is_number(value) and value >= 0, "a number from 0"),
    "schedule": (lambda value: isinstance(value, str) and value in _SCHEDULES, f"one of {', '.join(_SCHEDULES)}"),
}


def names() -> tuple[str, ...]:
    """The names that `build` knows.

    Example:
        >>> names()
        ('cnn', 'mlp')
    """
    return tuple(sorted(_ZOO))


def options_of(name: str) -> tuple[str, ...]:
    """The own arguments of a network of the zoo; none for a name that it does not know."""
    return _ZOO[name].options if name in _ZOO else ()


def check(name: str, data_shape: Sequence[int], options: Mapping[str, Any]) -> None:
    """Nothing, when `build` would take this; torch is not imported to tell.

    Args:
        name: one of `names()`.
        data_shape: shape of one row as the network sees it.
        options: the network's own arguments.

    Raises:
        UsageError: the name, an option or its value is wrong, or the network cannot take such rows.
    """
    if name not in _ZOO:
        near = get_close_matches(name, _ZOO, n=1)
        raise UsageError(
            f"no network is called {name!r}",
            expected=f"one of {', '.join(names())}, or a LightningModule",
            hint=f"did you mean {near[0]}?" if near else "",
        )
    entry = _ZOO[name]
    for option, value in options.items():
        if option not in entry.options:
            raise UsageError(f"{name} has no option {option!r}", expected=f"one of {', '.join(entry.options)}")
        is_legal, expected = _LEGAL[option]
        if not is_legal(value):
            raise UsageError(f"{name}: {option} {reprlib.repr(value)} is not allowed", expected=expected)
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
    options = {option: _listed(value) if option in _LISTS else value for option, value in options.items()}
    try:
        return kind(tuple(data_shape), classes, **options)
    except (TypeError, ValueError, RuntimeError) as cause:
        raise UsageError(f"{name} cannot be built with {options}", got=str(cause)) from cause
