"""The networks that have a name."""

from __future__ import annotations

import importlib
import math
import reprlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from numbers import Integral, Real
from typing import Any

from ..errors import UsageError
from .rl import AGENT_OPTIONS

__all__ = ["build", "check", "is_agent", "names"]


@dataclass(frozen=True)
class _Entry:
    """Where a network lies, and what can be said of it without importing torch.

    Args:
        module: its module, imported when it is built.
        attribute: its class.
        dimensions: of one row; None when any number will do.
        options: its own arguments; a test holds them to the signature.
        legal: what each may be, where that is not as for the others.
    """

    module: str
    attribute: str
    dimensions: int | None
    options: tuple[str, ...]
    legal: Mapping[str, tuple[Callable[[Any], bool], str]] = field(default_factory=dict)


_FITTING = ("lr", "weight_decay", "schedule", "label_smoothing")
_ZOO = {
    "cnn": _Entry("cnn", "CNN", 3, ("channels", "dropout", *_FITTING)),
    "dqn": _Entry("rl.dqn", "DQN", None, tuple(AGENT_OPTIONS), AGENT_OPTIONS),
    "mlp": _Entry("mlp", "MLP", None, ("hidden", "dropout", *_FITTING)),
}

_WIDEST = 65536
_SCHEDULES = ("one_cycle", "cosine", "constant")


def _is_number(value: object) -> bool:
    return not isinstance(value, bool) and isinstance(value, Real) and math.isfinite(value)


def _are_widths(value: object) -> bool:
    if isinstance(value, (str, bytes, Mapping)) or not isinstance(value, Iterable):
        return False
    return all(not isinstance(w, bool) and isinstance(w, Integral) and 1 <= int(w) <= _WIDEST for w in value)


# What each option may be, and how that is told: a network that cannot be built is refused before its run starts.
_LEGAL: dict[str, tuple[Callable[[Any], bool], str]] = {
    **dict.fromkeys(("channels", "hidden"), (_are_widths, f"a list of whole numbers from 1 to {_WIDEST}")),
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
        ('cnn', 'dqn', 'mlp')
    """
    return tuple(sorted(_ZOO))


def is_agent(net: object) -> bool:
    """Whether it learns from an environment.

    Example:
        >>> is_agent("dqn"), is_agent("mlp")
        (True, False)
    """
    return isinstance(net, str) and net in _ZOO and "environment" in _ZOO[net].options


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
        is_legal, expected = entry.legal.get(option) or _LEGAL[option]
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
    try:
        return kind(tuple(data_shape), classes, **options)
    except (TypeError, ValueError, RuntimeError) as cause:
        raise UsageError(f"{name} cannot be built with {options}", got=str(cause)) from cause
