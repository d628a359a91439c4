"""The raw rows of one part of a data set."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import UsageError
from ..records import Column, Data
from .kept import (
    kept_batches,
    kept_buckets,
    kept_inputs,
    kept_parts,
    kept_sides,
    kept_table,
    kept_targets,
    refuse_too_large,
)
from .splits import PARTS

__all__ = ["Part", "raw_inputs", "read", "sample", "sides"]

Part = Literal["train", "validation", "test"]


def read(data: Data, part: Part | str) -> tuple[dict[str, NDArray[Any]], NDArray[Any]]:
    """The raw inputs and the targets of one part, in the order of the source, or of its files when it was streamed.

    Args:
        data: a loaded data set.
        part: `train`, `validation` or `test`.

    Returns:
        Per input: number float64 [N], NaN where it is missing; category object [N] of text, `""` where it is
        missing; text object [N]; array float32 [N, *shape]. And the targets: classes int64 [N]; numbers of a regression
        float64 [N, K]; for labels uint8 [N, L], 1 where one holds.

    Raises:
        UsageError: there is no such part.
        FormatError: a file of the data set is missing or broken.
        DataError: the part of a streamed data set does not fit into the memory.
    """
    if part not in PARTS:
        raise UsageError(f"part {part!r} is unknown", expected=f"one of {', '.join(PARTS)}")
    if data.streamed:
        return _streamed(data, part, data.rows[part])
    rows = kept_parts(data)[part]
    targets = kept_targets(data)[rows]
    if data.kind == "array":
        return {"input": np.asarray(kept_inputs(data)[rows])}, targets
    return raw_inputs(kept_table(data).take(rows), data.columns), targets


def sample(data: Data, part: Part | str, most: int = 100_000) -> tuple[dict[str, NDArray[Any]], NDArray[Any]]:
    """A fair sample of one part, the same each time; the whole part where it is no larger.

    Args:
        data: a loaded data set.
        part: `train`, `validation` or `test`.
        most: rows at most.

    Returns:
        As `read`. Of a streamed data set only what is returned is read.
    """
    if data.streamed and part in PARTS:
        return _streamed(data, part, most)
    inputs, targets = read(data, part)
    if len(targets) <= most:
        return inputs, targets
    rows = np.sort(np.random.default_rng(0).choice(len(targets), most, replace=False))
    return {name: values[rows] for name, values in inputs.items()}, targets[rows]


def sides(data: Data, part: Part | str) -> NDArray[np.int32] | None:
    """Width and height that the pictures of one part had before they were scaled.

    Returns:
        int32 [N, 2]; None where they were never known, as of arrays.

    Raises:
        FormatError: a file of the data set is broken.
    """
    found = None if data.streamed else kept_sides(data)
    return None if found is None else found[kept_parts(data)[part]]


def _streamed(data: Data, part: str, most: int) -> tuple[dict[str, NDArray[Any]], NDArray[np.int64]]:
    """Rows of the first files of a part, evenly from all of each: within a file they keep the order of the source."""
    import pyarrow as pa

    refuse_too_large(data, min(most, data.rows[part]))
    files, total = [], 0
    for path, rows in kept_buckets(data, part):
        if total < most:
            files.append(path)
            total += rows
    generator, seen = np.random.default_rng(0), 0
    chosen = []
    for path in files:
        for table in kept_batches(path, [*(column.name for column in data.columns), data.target]):
            before, seen = seen, seen + table.num_rows
            share = table.num_rows if most >= total else seen * most // total - before * most // total
            picked = np.sort(generator.choice(table.num_rows, share, replace=False))
            chosen.append(table if share == table.num_rows else table.take(picked))
    whole = pa.concat_tables(chosen)
    return raw_inputs(whole, data.columns), whole.column(data.target).to_numpy().astype(np.int64)


def raw_inputs(table: Any, columns: Sequence[Column]) -> dict[str, NDArray[Any]]:
    """The columns of a kept table as `read` gives them."""
    import pyarrow.compute as pc

    inputs: dict[str, NDArray[Any]] = {}
    for column in columns:
        values = table.column(column.name)
        if column.kind in {"category", "text"}:
            inputs[column.name] = pc.fill_null(values, "").to_numpy().astype(object)
        else:
            inputs[column.name] = values.to_numpy().astype(np.float64)
    return inputs
