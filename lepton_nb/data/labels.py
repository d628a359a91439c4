"""The target column as class names and class indices."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from .columns import TypedColumn, first_rows

__all__ = ["classes_among", "classes_of", "is_continuous", "refuse_missing", "refuse_no_labels"]

_FEW = 20


def classes_of(column: TypedColumn) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """Class names, and the class of each row as an index into them.

    The names are in the order of a Categorical, or else sorted: numbers by size, text by its characters.

    Args:
        column: the target.

    Returns:
        The names, and int64 [N].

    Raises:
        DataError: a label is missing, there is only one class, or the target is no class at all.
    """
    import pyarrow.compute as pc

    refuse_missing(column)
    refuse_no_labels(column)
    names, ordered = classes_among(column, pc.unique(column.cells), len(column.cells))
    return names, pc.index_in(column.cells, value_set=ordered).to_numpy(zero_copy_only=False).astype(np.int64)


def refuse_no_labels(column: TypedColumn, expected: str = "classes, such as text or whole numbers") -> None:
    """Raise when a target holds what is never a class: dates, lists."""
    if column.kind in {"date", "other"}:
        raise DataError(
            f"target {column.name!r} holds {'dates' if column.kind == 'date' else column.cells.type}",
            expected=expected,
            hint=_OTHER,
        )


def is_continuous(column: TypedColumn) -> bool:
    """Whether numbers are no classes: some are fractional, or there are too many different ones."""
    import pyarrow.compute as pc

    known = column.cells.drop_null()
    return bool(len(known)) and (not column.whole or pc.count_distinct(known).as_py() > max(_FEW, len(known) // 10))


def classes_among(column: TypedColumn, distinct: Any, rows: int) -> tuple[tuple[str, ...], Any]:
    """The names of the classes, and an Arrow array of their values, in order.

    Args:
        column: the target; its cells are not looked at.
        distinct: Arrow array of its distinct values, none of them missing.
        rows: how many there are.

    Raises:
        DataError: there is only one class, or so many that these are no classes.
    """
    _refuse_one(column, distinct)
    _refuse_continuous(column, len(distinct), rows)
    ordered = _ordered(distinct, column.order)
    return tuple(_name(value) for value in ordered.to_pylist()), ordered


_OTHER = "choose another column with --target NAME"


def _name(value: Any) -> str:
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _ordered(distinct: Any, order: tuple[str, ...]) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    if order:
        present = set(distinct.to_pylist())
        return pa.array([value for value in order if value in present], pa.string())
    return pc.take(distinct, pc.sort_indices(distinct))


def refuse_missing(
    column: TypedColumn,
    expected: str = "a class in every row",
    hint: str = "remove these rows or fill in their labels",
) -> None:
    """Raise when a target is missing in some rows."""
    if count := column.cells.null_count:
        mask = column.cells.is_null().to_numpy(zero_copy_only=False)
        raise DataError(
            f"target {column.name!r} is missing in {count} of {len(mask)} rows ({first_rows(mask)})",
            expected=expected,
            hint=hint,
        )


def _refuse_one(column: TypedColumn, distinct: Any) -> None:
    if len(distinct) < 2:
        shown = _name(distinct[0].as_py()) if len(distinct) else "none"
        raise DataError(
            f"target {column.name!r} has one class, {shown!r}",
            expected="at least two classes to tell apart",
            hint=_OTHER,
        )


def _refuse_continuous(column: TypedColumn, distinct: int, rows: int) -> None:
    if column.kind == "category":
        if distinct > max(_FEW, rows // 2):
            raise DataError(
                f"target {column.name!r} is text with {distinct} distinct values in {rows} rows",
                expected="classes that repeat",
                hint=_OTHER,
            )
        return
    if not column.whole or distinct > max(_FEW, rows // 10):
        raise DataError(
            f"target {column.name!r} looks continuous: {distinct} distinct numbers in {rows} rows",
            expected="classes",
            hint="--task regression; cut the numbers into classes; or make the codes text if they are classes",
        )
