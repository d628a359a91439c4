"""The files of a kept data set, read with a look at whether they are whole."""

from __future__ import annotations

import contextlib
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError, FormatError
from ..records import Data
from .memory import available_memory

__all__ = [
    "LOAD_AGAIN",
    "SIDES",
    "kept_batches",
    "kept_buckets",
    "kept_inputs",
    "kept_parts",
    "kept_sides",
    "kept_table",
    "kept_targets",
    "refuse_broken",
    "refuse_too_large",
]

LOAD_AGAIN = "load the data again, which puts the file right: lepton data load SOURCE"
SIDES = "sides.npy"
# Rows that are handled at a time are about as many bytes; the preprocessing makes several copies of them.
_BATCH = 4 << 20
# What NumPy, zipfile and Arrow raise for a file that is missing, cut off, or something else altogether.
_FAULTS = (
    OSError,
    EOFError,
    ValueError,
    KeyError,
    IndexError,
    TypeError,
    NotImplementedError,
    zipfile.BadZipFile,
    zlib.error,
)


def kept_parts(data: Data) -> dict[str, NDArray[np.int64]]:
    """The row numbers of each part; streamed rows are numbered part by part, in the order of their files.

    Raises:
        FormatError: as every function here, when the file is missing or broken.
    """
    total = sum(data.rows.values())
    if data.streamed:
        ends = np.cumsum([0, *data.rows.values()])
        return {part: np.arange(ends[i], ends[i + 1], dtype=np.int64) for i, part in enumerate(data.rows)}
    # Opened here: NumPy leaves a file open that turns out to be no archive.
    with (
        _whole(data.path / "split.npz") as path,
        path.open("rb") as stream,
        np.load(stream, allow_pickle=False) as stored,
    ):
        parts = {part: np.asarray(stored[part]) for part in data.rows}
        for part, rows in data.rows.items():
            numbers = parts[part]
            _expect(numbers.dtype.kind == "i" and numbers.shape == (rows,), f"{part} {numbers.dtype} {numbers.shape}")
            _expect(not rows or (numbers.min() >= 0 and numbers.max() < total), f"{part} names rows beyond {total}")
        return parts


def kept_targets(data: Data) -> NDArray[Any]:
    """What is right for every row: int64 [N] for classes, float64 [N, K] for numbers, uint8 [N, L] for labels."""
    if data.streamed:
        chunks = _every_batch(data, [data.target])
        return np.concatenate([chunk.column(0).to_numpy().astype(np.int64) for chunk in chunks])
    with _whole(data.path / "targets.npy") as path:
        targets: NDArray[Any] = np.asarray(np.load(path, allow_pickle=False))
        kinds, highest = {"classification": ("i", data.width - 1), "multilabel": ("u", 1)}.get(data.task, ("f", np.inf))
        shape = (sum(data.rows.values()), *(() if data.task == "classification" else (data.width,)))
        _expect(targets.dtype.kind == kinds and targets.shape == shape, f"{targets.dtype} {targets.shape}")
        lowest = -np.inf if data.task == "regression" else 0
        _expect(not targets.size or (targets.min() >= lowest and targets.max() <= highest), "unknown classes")
        return targets


def kept_inputs(data: Data) -> NDArray[np.float32]:
    """The tensors of every row, float32 [N, *shape], mapped from the disk."""
    with _whole(data.path / "inputs.npy") as path:
        array: NDArray[np.float32] = np.load(path, mmap_mode="r", allow_pickle=False)
        shape = (sum(data.rows.values()), *data.columns[0].shape)
        _expect(array.dtype == np.float32 and array.shape == shape, f"{array.dtype} {array.shape}")
        return array


def kept_sides(data: Data) -> NDArray[np.int32] | None:
    """Width and height of every picture before it was scaled, int32 [N, 2]; None where they were never known."""
    if not (data.path / SIDES).exists():
        return None
    with _whole(data.path / SIDES) as path:
        sides: NDArray[np.int32] = np.asarray(np.load(path, allow_pickle=False))
        _expect(sides.dtype.kind == "i" and sides.shape == (sum(data.rows.values()), 2), f"{sides.dtype} {sides.shape}")
        return sides


def kept_table(data: Data) -> Any:
    """The Arrow table of every row: float64 for numbers, text for categories."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if data.streamed:
        refuse_too_large(data, sum(data.rows.values()))
        return pa.concat_tables(_every_batch(data, [column.name for column in data.columns]))
    with _whole(data.path / "table.parquet") as path:
        table = pq.ParquetFile(path).read()
        _expect(table.num_rows == sum(data.rows.values()), f"{table.num_rows} rows")
        for column in data.columns:
            kind = table.column(column.name).type
            _expect(kind == (pa.float64() if column.kind == "number" else pa.string()), f"{column.name!r} is {kind}")
        return table


def kept_buckets(data: Data, part: str) -> list[tuple[Path, int]]:
    """The files of a part of a streamed data set, in order, and how many rows each has."""
    import pyarrow.parquet as pq

    found = []
    for file in sorted(data.path.glob(f"{part}-[0-9]*.parquet")):
        with _whole(file) as path:
            found.append((path, int(pq.read_metadata(path).num_rows)))
    with _whole(data.path / f"{part}-00000.parquet"):
        _expect(sum(rows for _, rows in found) == data.rows[part], f"{sum(rows for _, rows in found)} rows")
    return found


def kept_batches(path: Path, names: list[str]) -> Iterator[Any]:
    """The rows of such a file as small Arrow tables, in order."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    with _whole(path), pq.ParquetFile(path, pre_buffer=False, buffer_size=1 << 20) as file:
        for batch in file.iter_batches(batch_rows(len(names)), columns=names):
            yield pa.Table.from_batches([batch])


def batch_rows(columns: int) -> int:
    """How many rows of so many columns are handled at a time.

    Example:
        >>> batch_rows(31)
        16912
    """
    return min(1 << 16, max(1024, _BATCH // (8 * columns)))


def _every_batch(data: Data, names: list[str]) -> Iterator[Any]:
    for part in data.rows:
        for path, _ in kept_buckets(data, part):
            yield from kept_batches(path, names)


def refuse_too_large(data: Data, rows: int, row_bytes: int | None = None) -> None:
    """Raise when rows of a streamed data set do not fit into half of the free memory.

    Args:
        data: a data set.
        rows: how many rows.
        row_bytes: of each; by default those of its raw values.
    """
    needed = rows * (row_bytes or 8 * (len(data.columns) + 1))
    if data.streamed and needed > available_memory() // 2:
        raise DataError(
            f"{rows} rows of data {data.name} need {needed / 2**30:.1f} GiB at once",
            expected=f"at most {available_memory() / 2**31:.1f} GiB, half of the free memory",
            hint="read another part, or a sample",
        )


def refuse_broken(data: Data) -> None:
    """Raise when a file of a kept data set cannot be read; of a streamed one, when its footer cannot."""
    if data.streamed:
        for part in data.rows:
            kept_buckets(data, part)
        return
    kept_parts(data)
    kept_targets(data)
    if data.kind == "array":
        kept_inputs(data)
    else:
        kept_table(data)


@contextlib.contextmanager
def _whole(path: Path) -> Iterator[Path]:
    try:
        yield path
    except _FAULTS as cause:
        if isinstance(cause, FileNotFoundError):
            raise FormatError(f"{path} is missing", hint=LOAD_AGAIN) from cause
        raise FormatError(
            f"{path} is broken", got=f"{type(cause).__name__} {str(cause)[:200]}".strip(), hint=LOAD_AGAIN
        ) from cause


def _expect(fits: Any, found: str) -> None:
    if not fits:
        raise ValueError(found)
