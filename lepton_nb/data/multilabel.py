"""Labels of which several may hold for a row: columns of truth values, or one column that lists them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from .columns import TypedColumn, first_rows
from .labels import refuse_missing
from .roles import MOST_CATEGORIES

__all__ = ["are_lists", "as_lists", "is_truth", "labels_in", "labels_of"]

_SEPARATOR = ";"


def are_lists(column: TypedColumn) -> bool:
    """Whether each cell is a list of texts."""
    import pyarrow.types as kinds

    kind = column.cells.type
    return bool(
        (kinds.is_list(kind) or kinds.is_large_list(kind) or kinds.is_fixed_size_list(kind))
        and (kinds.is_string(kind.value_type) or kinds.is_large_string(kind.value_type))
    )


def is_truth(column: TypedColumn) -> bool:
    """Whether a column holds nothing but truth values, or 0 and 1; missing values do not count.

    Example:
        >>> import pyarrow as pa
        >>> [is_truth(TypedColumn("a", "number", pa.array(values))) for values in ([0.0, 1.0], [0.0, 2.0])]
        [True, False]
    """
    import pyarrow.compute as pc

    if column.kind not in {"number", "category"}:
        return False
    found = set(pc.unique(column.cells.drop_null()).to_pylist()) if len(column.cells) else set()
    return bool(found) and found <= ({0.0, 1.0} if column.kind == "number" else {"False", "True"})


def labels_of(columns: Sequence[TypedColumn]) -> tuple[tuple[str, ...], NDArray[np.uint8]]:
    """The labels of columns of truth values.

    Returns:
        Their names, and uint8 [N, L], 1 where a label holds.

    Raises:
        DataError: a value is missing or no truth value, or a label holds always or never.
    """
    for column in columns:
        refuse_missing(column, "0 or 1 in every row", "remove these rows")
        if not is_truth(column):
            raise DataError(
                f"target {column.name!r} holds more than truth values",
                expected="0 and 1, or true and false, in each column of labels",
                hint="--task regression predicts several numbers",
            )
    one: dict[str, Any] = {"number": 1.0, "category": "True"}
    values = np.stack(
        [np.asarray(column.cells.to_numpy(zero_copy_only=False) == one[column.kind], np.uint8) for column in columns],
        axis=1,
    )
    names = tuple(column.name for column in columns)
    _refuse_flat(names, values)
    return names, values


def labels_in(column: TypedColumn) -> tuple[tuple[str, ...], NDArray[np.uint8]]:
    """The labels of one column, each cell of which lists those that hold: a list of texts, or `one; another`.

    A text without any is a row for which no label holds.

    Returns:
        As `labels_of`; the names are in the order that the source gives them, or else sorted.

    Raises:
        DataError: the column lists nothing, a list is missing, or a label holds always or never.
    """
    if are_lists(column):
        refuse_missing(column, "a list of labels in every row", "put an empty list where no label holds")
        rows = [{text.strip() for text in cell if text and text.strip()} for cell in column.cells.to_pylist()]
    elif column.kind == "category":
        cells = column.cells.to_pylist()
        rows = [{text.strip() for text in (cell or "").split(_SEPARATOR) if text.strip()} for cell in cells]
    else:
        raise DataError(
            f"target {column.name!r} holds no labels",
            expected=f"lists of texts, texts such as 'red{_SEPARATOR} large', or several columns of truth values",
            hint="--target A,B names several columns",
        )
    names = column.order or tuple(sorted(set().union(*rows)))
    if not 1 <= len(names) <= MOST_CATEGORIES:
        raise DataError(
            f"target {column.name!r} has {len(names)} different labels",
            expected=f"1 to {MOST_CATEGORIES}",
            hint="leave rare labels out",
        )
    place = {name: number for number, name in enumerate(names)}
    values = np.zeros((len(rows), len(names)), np.uint8)
    for number, row in enumerate(rows):
        values[number, [place[name] for name in row]] = 1
    _refuse_flat(names, values)
    return names, values


def as_lists(name: str, labels: Sequence[str], values: NDArray[Any]) -> TypedColumn:
    """Labels as one column that lists them, in their order."""
    import pyarrow as pa

    known = np.array(labels, dtype=object)
    rows = [known[row].tolist() for row in values.astype(bool)]
    return TypedColumn(name, "other", pa.array(rows, pa.list_(pa.string())), order=tuple(labels))


def _refuse_flat(names: Sequence[str], values: NDArray[np.uint8]) -> None:
    for name, column in zip(names, values.T, strict=True):
        if column.min() == column.max():
            raise DataError(
                f"label {name!r} holds in {'every' if column[0] else 'no'} row",
                expected="rows with it and rows without it",
                got=first_rows(column == column[0]),
                hint="leave it out of the target",
            )
