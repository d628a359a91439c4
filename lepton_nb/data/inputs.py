"""Rows from outside, brought into the form that a model was trained on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from .arrays import finite, numbers_of
from .columns import TypedColumn, empty_texts, first_rows, refuse_infinite
from .folders import pictures_in
from .paths import pictures_at, places_of
from .pictures import PICTURES, read_pictures
from .sources import Choices, Source, array_column, open_source
from .texts import refuse_empty

__all__ = ["inputs_of"]


class Expected(Protocol):
    """What a model expects of one input; a `Column` and a signature's `Input` both are one."""

    @property
    def name(self) -> str:
        """Column name."""

    @property
    def kind(self) -> str:
        """`number`, `category`, `array` or `text`."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one row's value."""

    @property
    def picture(self) -> bool:
        """Whether an array is a picture of numbers from 0 to 255."""


def inputs_of(source: Any, columns: Sequence[Expected], root: Path | None = None) -> dict[str, NDArray[Any]]:
    """The inputs of a model from a file, a DataFrame, or an array.

    Columns that the model does not take, such as the target, are left aside.

    Args:
        source: what `load` takes; or one array: [N, *shape] for an array input, [N, F] for F columns in order; or
            a picture, or a folder of pictures with or without folders of classes, in the order of their paths; or a
            table with one column of paths of pictures.
        columns: the inputs, in order: `data.columns`, or those of a model's signature.
        root: the project, into whose folders paths may lead beside those of their table.

    Returns:
        As `read` gives them: number float64 [N], category object [N] of text, array float32 [N, *shape],
        text object [N] as it came.

    Raises:
        DataError: a column is missing, or holds something else than the model was trained on.
        NotFoundError: there is no such file.
    """
    if isinstance(source, np.ndarray):
        return _from_array(numbers_of(source), columns)
    if isinstance(source, (str, Path)) and columns[0].picture and (files := _pictures(Path(source))):
        # Brought to the size and the channels that the model was trained on.
        channels, height, width = columns[0].shape
        return {columns[0].name: read_pictures(files, (height, width), grey=channels == 1)}
    as_text = frozenset(column.name for column in columns if column.kind in {"category", "text"})
    rows = open_source(source, choices=Choices(as_text))
    if columns[0].kind == "array":
        if rows.array is None and columns[0].picture:
            channels, height, width = columns[0].shape
            found = pictures_at(rows, (height, width), grey=channels == 1, places=places_of(source, root))
            return {columns[0].name: found}
        if rows.array is None:
            raise DataError(f"{rows.name} is a table", expected=f"an array of rows {columns[0].shape}")
        return _from_array(rows.array, columns)
    if rows.array is not None:
        raise DataError(f"{rows.name} is an array", expected=f"columns {_names(columns)}")
    return _from_table(rows, columns)


def _pictures(path: Path) -> list[Path]:
    path = path.expanduser()
    if path.is_dir():
        return list(pictures_in(path, path))
    return [path] if path.suffix.lower() in PICTURES else []


def _from_array(array: NDArray[Any], columns: Sequence[Expected]) -> dict[str, NDArray[Any]]:
    first = columns[0]
    if first.kind == "array":
        if array.shape[1:] != tuple(first.shape):
            raise DataError(f"rows of shape {array.shape[1:]} do not fit", expected=f"rows of shape {first.shape}")
        return {first.name: finite(array)}
    if array.ndim != 2 or array.shape[1] != len(columns):
        raise DataError(f"an array {array.shape} does not fit", expected=f"{len(columns)} columns: {_names(columns)}")
    named = (array_column(column.name, array[:, i]) for i, column in enumerate(columns))
    return {column.name: _values(given, column) for given, column in zip(named, columns, strict=True)}


def _from_table(rows: Source, columns: Sequence[Expected]) -> dict[str, NDArray[Any]]:
    given = {column.name: column for column in rows.columns}
    if missing := [column for column in columns if column.name not in given]:
        raise DataError(
            f"{rows.name} has no column {_names(missing)}",
            expected=f"the columns {_names(columns)}",
            hint="add it; an empty column counts as missing values",
        )
    return {column.name: _values(given[column.name], column) for column in columns}


def _values(given: TypedColumn, column: Expected) -> NDArray[Any]:
    import pyarrow as pa
    import pyarrow.compute as pc

    if column.kind == "category":
        text = pc.fill_null(given.cells.cast(pa.string()), "")
        return np.asarray(text.to_numpy(zero_copy_only=False), dtype=object)
    if column.kind == "text":
        return _texts(given)
    if given.kind != "number":
        raise DataError(f"column {given.name!r} is not all numbers", expected="numbers", got=_not_a_number(given))
    refuse_infinite(given)
    return np.asarray(given.cells.to_numpy(zero_copy_only=False), dtype=np.float64)


def _texts(given: TypedColumn) -> NDArray[Any]:
    import pyarrow as pa

    # As it came: of a free text nothing is trimmed, and `None` is a word.
    if given.kind == "other":
        raise DataError(f"column {given.name!r} holds {given.cells.type}", expected="texts")
    cells = (given.cells if given.raw is None else given.raw).cast(pa.string())
    refuse_empty(given.name, empty_texts(cells), "text")
    return np.asarray(cells.to_numpy(zero_copy_only=False), dtype=object)


def _not_a_number(given: TypedColumn) -> str:
    """The first value that is no number, and where."""
    for index, value in enumerate(given.cells.to_pylist()):
        try:
            float(value if value is not None else "nan")
        except (TypeError, ValueError):
            return f"{str(value)[:40]!r} in {first_rows(np.arange(index + 1) == index)}"
    return given.kind


def _names(columns: Sequence[Expected]) -> str:
    shown = ", ".join(repr(column.name) for column in columns[:10])
    return shown + (f" and {len(columns) - 10} more" if len(columns) > 10 else "")
