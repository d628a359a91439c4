"""What is right for each row: a class, numbers, or the labels that hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError, UsageError
from ..records import TASKS, Task
from .columns import TypedColumn, first_rows
from .labels import classes_of, is_continuous, refuse_missing, refuse_no_labels
from .multilabel import are_lists, is_truth, labels_in, labels_of

__all__ = ["Targets", "refuse_flat", "targets_of", "task_of"]

# What float32 can hold, which networks are trained in.
_LARGEST = float(np.finfo(np.float32).max)


@dataclass(frozen=True)
class Targets:
    """What is right for each row.

    Args:
        task: what the target asks for.
        name: of the target, for people.
        classes: names of the classes, or of the labels of a multilabel target.
        columns: names of the numbers of a regression.
        values: int64 [N], class indices; float64 [N, K], numbers; or uint8 [N, L], 1 where a label holds.
    """

    task: Task
    name: str
    classes: tuple[str, ...]
    columns: tuple[str, ...]
    values: NDArray[Any]

    def meta(self) -> dict[str, Any]:
        """What `meta.json` says of it."""
        told = {"task": self.task, "target": self.name, "classes": list(self.classes)}
        return told | ({"targets": list(self.columns)} if self.columns else {})


def targets_of(columns: Sequence[TypedColumn], task: str | None = None) -> Targets:
    """The targets of all rows.

    Args:
        columns: the target columns, in order.
        task: one of `TASKS`; None for what the columns hold, see `task_of`.

    Raises:
        UsageError: the task is unknown, or wants one column.
        DataError: a value is missing, or the columns do not hold what the task wants.
    """
    if task is not None and task not in TASKS:
        raise UsageError(f"task {task!r} is unknown", expected=f"one of {', '.join(TASKS)}")
    name = ",".join(column.name for column in columns)
    meant = task or task_of(columns)
    if meant == "regression":
        return Targets("regression", name, (), tuple(c.name for c in columns), _numbers(columns))
    if meant == "multilabel":
        labels, values = labels_in(columns[0]) if len(columns) == 1 else labels_of(columns)
        return Targets("multilabel", name, labels, (), values)
    if len(columns) > 1:
        raise UsageError(
            f"{len(columns)} target columns are no one class",
            expected="one column of classes",
            hint="--task multilabel or --task regression",
        )
    classes, indices = classes_of(columns[0])
    return Targets("classification", name, classes, (), indices)


def task_of(columns: Sequence[TypedColumn]) -> Task:
    """What target columns ask for, when nobody says.

    Returns:
        Of one column: `multilabel` for lists of texts; `regression` for numbers that are fractional, or too many
        different ones for classes; else `classification`. Of several: `multilabel` when all of them hold truth
        values or 0 and 1, else `regression`.
    """
    if len(columns) > 1:
        return "multilabel" if all(map(is_truth, columns)) else "regression"
    (column,) = columns
    if are_lists(column):
        return "multilabel"
    return "regression" if column.kind == "number" and is_continuous(column) else "classification"


def refuse_flat(targets: Targets, train: NDArray[np.int64]) -> None:
    """Raise when there is nothing to learn in the training part, because a target is the same in every row of it.

    Args:
        targets: numbers or labels.
        train: row numbers of the training part.

    Raises:
        DataError: names the target.
    """
    part = targets.values[train]
    flat = np.flatnonzero(part.min(axis=0) == part.max(axis=0))
    if flat.size:
        name = (targets.columns or targets.classes)[int(flat[0])]
        if targets.task == "multilabel":
            how = "no row" if not part[0, flat[0]] else "every row"
            raise DataError(
                f"{how} of the training part has label {name!r}",
                expected="some rows with it and some without",
                hint="load more rows, leave the label out, or split them otherwise with --seed",
            )
        raise DataError(
            f"target {name!r} is {part[0, flat[0]]:g} in every row of the training part",
            expected="numbers that differ",
            hint="load more rows, or choose another column with --target NAME",
        )


def _numbers(columns: Sequence[TypedColumn]) -> NDArray[np.float64]:
    return np.stack([_column(column) for column in columns], axis=1)


def _column(column: TypedColumn) -> NDArray[np.float64]:
    refuse_missing(column, "a number in every row", "remove these rows")
    if column.kind != "number":
        refuse_no_labels(column, "numbers")
        raise DataError(
            f"target {column.name!r} is text",
            expected="numbers, for a regression",
            got=f"values such as {str(column.cells[0].as_py())[:40]!r}",
            hint="--task classification, or choose another column with --target NAME",
        )
    values = np.asarray(column.cells.to_numpy(zero_copy_only=False), np.float64)
    beyond = ~(np.abs(values) <= _LARGEST)
    if beyond.any():
        raise DataError(
            f"target {column.name!r} has {int(beyond.sum())} infinite values ({first_rows(beyond)})",
            expected=f"numbers up to {_LARGEST:.2g}",
            hint="remove these rows",
        )
    if values.min() == values.max():
        raise DataError(
            f"target {column.name!r} is {values[0]:g} in every row",
            expected="numbers that differ",
            hint="choose another column with --target NAME",
        )
    return values
