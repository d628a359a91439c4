"""The networks that have a name."""

from __future__ import annotations

import importlib
import reprlib
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from ..errors import LeptonError, UsageError, near
from ..records import TASKS as EVERY_TASK
from ..records import Network
from .catalog import LEGAL, ROWS, TASKS, ZOO, listed
from .combined import check_together

__all__ = ["build", "check", "is_agent", "names", "networks", "options_of", "refuse_texts", "smallest_row", "told"]


def names() -> tuple[str, ...]:
    """The names that `build` knows.

    Example:
        >>> names()[:4]
        ('autoencoder', 'cnn', 'dqn', 'forecaster')
    """
    return tuple(sorted(ZOO))


def networks() -> tuple[Network, ...]:
    """What is known of each network that `build` knows."""
    return tuple(_described(name) for name in names())


def _described(name: str) -> Network:
    entry = ZOO[name]
    tasks = ("acting",) if is_agent(name) else entry.tasks or EVERY_TASK
    needs, shape = ("observations", "of an environment") if is_agent(name) else ROWS[entry.dimensions or 0]
    inputs = "a series" if "history" in entry.told else f"{needs} {shape}"
    return Network(name, entry.about, tasks, inputs, entry.options)


def options_of(name: str) -> tuple[str, ...]:
    """The own arguments of a network of the zoo; none for a name that it does not know."""
    return ZOO[name].options if name in ZOO else ()


def is_agent(net: object) -> bool:
    """Whether it learns from an environment.

    Example:
        >>> is_agent("dqn"), is_agent("mlp")
        (True, False)
    """
    return isinstance(net, str) and net in ZOO and "environment" in ZOO[net].options


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
    if name not in ZOO:
        close = get_close_matches(name, ZOO, n=1)
        raise UsageError(
            f"no network is called {name!r}",
            expected=f"one of {', '.join(names())}, or a LightningModule",
            hint=f"did you mean {close[0]}?" if close else "",
        )
    entry = ZOO[name]
    given, options = options, _listed(name, options)
    for option, value in options.items():
        if option not in entry.options:
            raise UsageError(
                f"{name} has no option {option!r}",
                expected=f"one of {', '.join(entry.options)}",
                hint=near(option, entry.options),
            )
        is_legal, expected = entry.legal.get(option) or LEGAL[option]
        if not is_legal(value):
            raise UsageError(f"{name}: {option} {reprlib.repr(given[option])} is not allowed", expected=expected)
        if task and value is not None and task not in TASKS.get(option, (task,)):
            raise UsageError(f"{name}: {option} is not for {task}", expected=f"a task of {' or '.join(TASKS[option])}")
        if option == "class_weights" and width and value not in (None, "balanced") and len(value) != width:
            raise UsageError(f"{name}: {len(value)} class weights", expected=f"{width}, one for each class")
    if task and entry.tasks and task not in entry.tasks:
        raise UsageError(f"{name} cannot do {task}", expected=f"data for {' or '.join(entry.tasks)}")
    if task and entry.needs[0] and entry.needs[0] not in options:
        raise UsageError(f"{name} does not know its {entry.needs[0]}", hint=entry.needs[1])
    _check_rows(name, data_shape, reads_texts=bool(options.get("vocabulary")))
    check_together(name, options, tuple(data_shape) if width else (), width)


def _listed(name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    return {option: listed(value) if option in ZOO[name].lists else value for option, value in options.items()}


def _check_rows(name: str, data_shape: Sequence[int], *, reads_texts: bool) -> None:
    dimensions = 1 if reads_texts else ZOO[name].dimensions
    if dimensions not in (None, len(data_shape)):
        needs, shape = ROWS[dimensions]
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
    if name in ZOO and "vocabulary" not in ZOO[name].options:
        needs = ROWS[ZOO[name].dimensions or 0][0]
        readers = [other for other, entry in ZOO.items() if "vocabulary" in entry.options]
        hint = f"use {', '.join(readers[:-1])} or {readers[-1]} for texts"
        raise UsageError(f"{name} needs {needs}", got="texts", hint=hint)


def smallest_row(net: Any) -> tuple[int, ...]:
    """The shape of the smallest row that a network of that name takes, or one that is no name."""
    dimensions = ZOO[net].dimensions if isinstance(net, str) and net in ZOO else None
    return (1,) * (dimensions or 3)


def told(name: str) -> tuple[str, ...]:
    """The options of a network that the data tells."""
    return ZOO[name].told if name in ZOO else ()


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
    entry = ZOO[name]
    kind = getattr(importlib.import_module(f"{__package__}.{entry.module}"), entry.attribute)
    options = _listed(name, options)
    try:
        return kind(tuple(data_shape), classes, *(() if is_agent(name) else (task,)), **options)
    except LeptonError:
        raise
    except Exception as cause:  # torch asserts and fails in its own ways: whatever it is, it is these options
        got = f"{type(cause).__name__}: {cause}"
        raise UsageError(f"{name} cannot be built with {options}", got=got) from cause
