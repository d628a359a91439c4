"""The inputs of a data set as they are kept: what is hashed, what is written, and what is known of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..records import Column
from .columns import TypedColumn

__all__ = ["Rows", "array_rows", "table_rows"]


@dataclass(frozen=True)
class Rows:
    """Inputs that are ready to be kept.

    Args:
        kind: `table`, `array` or `text`.
        columns: what is known of them, from the training part alone.
        feature_shape: shape of one row as the network sees it.
        blocks: arrays that stand for the values when they are hashed.
        write: writes them into a folder.
    """

    kind: Literal["table", "array", "text"]
    columns: tuple[Column, ...]
    feature_shape: tuple[int, ...]
    blocks: dict[str, NDArray[Any]]
    write: Callable[[Path], None]


def table_rows(inputs: Sequence[TypedColumn], train: NDArray[np.int64]) -> Rows:
    """The columns of a table: `table.parquet`.

    Args:
        inputs: number and category columns.
        train: row numbers of the training part.
    """
    columns: list[Column] = []
    blocks: dict[str, NDArray[Any]] = {}
    for column in inputs:
        if column.kind == "number":
            numbers = np.asarray(column.cells.to_numpy(zero_copy_only=False), dtype=np.float64)
            # One bit pattern for every missing number, so that the hash sees values only.
            blocks[f"number {column.name}"] = np.where(np.isnan(numbers), np.nan, numbers)
            columns.append(_number(column.name, numbers[train]))
        else:
            values, codes = _coded(column)
            blocks[f"category {column.name} {json.dumps(values)}"] = codes
            seen = np.unique(codes[train])
            columns.append(Column(column.name, "category", (), tuple(values[i] for i in seen if i >= 0)))
    width = sum(max(1, len(c.categories)) if c.kind == "category" else 1 for c in columns)

    def write(folder: Path) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        pq.write_table(pa.table({c.name: c.cells for c in inputs}), folder / "table.parquet")

    return Rows("table", tuple(columns), (width,), blocks, write)


def array_rows(array: NDArray[np.float32], train: NDArray[np.int64]) -> Rows:
    """One tensor per row: `inputs.npy`.

    Args:
        array: [N, *shape].
        train: row numbers of the training part.
    """
    shape = tuple(array.shape[1:])
    part = array[train]
    column = Column("input", "array", shape, (), float(part.min()), float(part.max()))

    def write(folder: Path) -> None:
        np.save(folder / "inputs.npy", array)

    return Rows("array", (column,), shape, {"inputs": np.ascontiguousarray(array, dtype="<f4")}, write)


def _number(name: str, values: NDArray[np.float64]) -> Column:
    known = values[~np.isnan(values)]
    return Column(
        name, "number", (), (), float(known.min()) if known.size else None, float(known.max()) if known.size else None
    )


def _coded(column: TypedColumn) -> tuple[list[str], NDArray[np.int32]]:
    """The sorted distinct texts, and each row as an index into them, -1 where it is missing."""
    import pyarrow as pa
    import pyarrow.compute as pc

    values = sorted(pc.unique(column.cells.drop_null()).to_pylist())
    codes = pc.fill_null(pc.index_in(column.cells, value_set=pa.array(values, pa.string())), -1)
    return values, np.asarray(codes.to_numpy(zero_copy_only=False), dtype="<i4")
