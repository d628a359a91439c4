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

__all__ = ["build", "check", "names", "refuse_texts", "smallest_row", "told"]


@dataclass(frozen=True)
class _Entry:
    """Where a network lies, and what can be said of it without importing torch.

    Args:
        module: its module, imported when it is built.
        attribute: its class.
        dimensions: of one row; None when any number will do. A network that reads tokens takes those of texts as well.
        options: its own arguments; a test holds them to the signature.
        told: those that the data tells, where the user does not.
    """

    module: str
    attribute: str
    dimensions: int | None
    options: tuple[str, ...]
    told: tuple[str, ...] = ()


_FITTING = ("lr", "weight_decay", "schedule", "label_smoothing", "loss", "class_weights")
_COLUMNS = ("embedding", "categories", "size", "bins")
_ZOO = {
    "cnn": _Entry("cnn", "CNN", 3, ("channels", "dropout", *_FITTING)),
    "mlp": _Entry("mlp", "MLP", None, ("hidden", "dropout", *_COLUMNS, *_FITTING), ("categories",)),
    "rnn": _Entry(
        "rnn",
        "RNN",
        2,
        ("vocabulary", "cell", "size", "width", "layers", "kernels", "dropout", "word_dropout", *_FITTING),
        ("vocabulary",),
    ),
    "tab_transformer": _Entry(
        "tab_transformer",
        "TabTransformer",
        None,
        (*_COLUMNS, "layers", "heads", "dropout", *_FITTING),
        ("categories",),
    ),
    "transformer": _Entry(
        "transformer",
        "Transformer",
        2,
        ("vocabulary", "width", "heads", "layers", "positions", "dropout", "word_dropout", *_FITTING),
        ("vocabulary",),
    ),
}

# What a network needs by the dimensions of its rows.
_ROWS = {
    0: ("numbers", "of any dimensions"),
    1: ("texts", "(tokens,)"),
    2: ("texts or sequences", "(steps, features)"),
    3: ("images", "(channels, height, width)"),
}
_WIDEST = 65536
_SCHEDULES = ("one_cycle", "cosine", "constant")
_LOSSES = ("mse", "huber", "mae")
_EMBEDDINGS = ("linear", "periodic", "piecewise")
# Options that only some tasks have a use for.
_TASKS = {
    "label_smoothing": ("classification",),
    "loss": ("regression",),
    "class_weights": ("classification", "multilabel"),
}


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


def _is_whole(value: object, most: int) -> bool:
    return not isinstance(value, bool) and isinstance(value, Integral) and 1 <= int(value) <= most


def _one_of(*legal: str) -> tuple[Callable[[Any], bool], str]:
    return (lambda value: isinstance(value, str) and value in legal), f"one of {', '.join(legal)}"


# What each option may be, and how that is told: a network that cannot be built is refused before its run starts.
_LEGAL: dict[str, tuple[Callable[[Any], bool], str]] = {
    **dict.fromkeys(
        ("channels", "hidden", "categories", "kernels"), (_are_widths, f"a list of whole numbers from 1 to {_WIDEST}")
    ),
    **dict.fromkeys(
        ("dropout", "label_smoothing", "word_dropout"),
        (lambda value: _is_number(value) and 0 <= value <= 1, "a number from 0 to 1"),
    ),
    "lr": (lambda value: _is_number(value) and value > 0, "a number above 0"),
    "weight_decay": (lambda value: _is_number(value) and value >= 0, "a number from 0"),
    "schedule": _one_of(*_SCHEDULES),
    "loss": _one_of(*_LOSSES),
    "embedding": _one_of("none", *_EMBEDDINGS),
    "cell": _one_of("gru", "lstm"),
    "positions": _one_of("learned", "sinusoidal"),
    "vocabulary": (lambda value: value == 0 or _is_whole(value, 2**20), "a whole number from 0 to 1048576"),
    "class_weights": (_are_weights, "balanced, or a list of numbers above 0, one for each class"),
    **dict.fromkeys(("size", "bins", "width"), (lambda value: _is_whole(value, 1024), "a whole number from 1 to 1024")),
    **dict.fromkeys(("layers", "heads"), (lambda value: _is_whole(value, 64), "a whole number from 1 to 64")),
}


def names() -> tuple[str, ...]:
    """The names that `build` knows.

    Example:
        >>> names()
        ('cnn', 'mlp', 'rnn', 'tab_transformer', 'transformer')
    """
    return tuple(sorted(_ZOO))


def check(name: str, data_shape: Sequence[int], options: Mapping[str, Any], task: str = "", width: int = 0) -> None:
    """Nothing, when `build` would take this; torch is not imported to tell.

    Args:
        name: one of `names()`.
        data_shape: shape of one row as the network sees it.
        options: the network's own arguments.
        task: what is asked of it; empty when that is not known yet.
        width: number of classes, targets or labels; 0 when that is not known yet.

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
        if task and value is not None and task not in _TASKS.get(option, (task,)):
            raise UsageError(f"{name}: {option} is not for {task}", expected=f"a task of {' or '.join(_TASKS[option])}")
        if option == "class_weights" and width and value not in (None, "balanced") and len(value) != width:
            raise UsageError(f"{name}: {len(value)} class weights", expected=f"{width}, one for each class")
    _check_rows(name, data_shape, reads_texts=bool(options.get("vocabulary")))


def _check_rows(name: str, data_shape: Sequence[int], *, reads_texts: bool) -> None:
    dimensions = 1 if reads_texts else _ZOO[name].dimensions
    if dimensions not in (None, len(data_shape)):
        needs, shape = _ROWS[dimensions]
        raise UsageError(
            f"{name} needs {needs}",
            expected=f"rows of shape {shape}",
            got=f"rows of shape {tuple(data_shape)}",
            hint="use mlp for tables and flat vectors",
        )


def refuse_texts(name: str) -> None:
    """Raise when a network of the zoo takes no texts.

    Raises:
        UsageError: it takes something else.
    """
    if name in _ZOO and "vocabulary" not in _ZOO[name].options:
        needs = _ROWS[_ZOO[name].dimensions or 0][0]
        readers = [other for other, entry in _ZOO.items() if "vocabulary" in entry.options]
        raise UsageError(f"{name} needs {needs}", got="texts", hint=f"use {' or '.join(readers)} for texts")


def smallest_row(net: Any) -> tuple[int, ...]:
    """The shape of the smallest row that a network of that name takes, or one that is no name."""
    dimensions = _ZOO[net].dimensions if isinstance(net, str) and net in _ZOO else None
    return (1,) * (dimensions or 3)


def told(name: str) -> tuple[str, ...]:
    """The options of a network that the data tells."""
    return _ZOO[name].told if name in _ZOO else ()


def build(name: str, data_shape: Sequence[int], classes: int, task: str = "classification", **options: Any) -> Any:
    """A new network of the zoo, with random weights from torch's global generator.

    Args:
        name: one of `names()`.
        data_shape: shape of one row as the network sees it.
        classes: number of classes, targets or labels.
        task: what they are: `classification`, `regression` or `multilabel`.
        options: the network's own arguments, such as `lr` or `hidden`.

    Returns:
        A LightningModule: float32 `[N, *data_shape]` to logits or numbers `[N, classes]`.

    Raises:
        UsageError: the name, an option or its value is wrong, or the network cannot take such rows.
    """
    check(name, data_shape, options, task, classes)
    entry = _ZOO[name]
    kind = getattr(importlib.import_module(f"{__package__}.{entry.module}"), entry.attribute)
    try:
        return kind(tuple(data_shape), classes, task, **options)
    except (TypeError, ValueError, RuntimeError) as cause:
        raise UsageError(f"{name} cannot be built with {options}", got=str(cause)) from cause
