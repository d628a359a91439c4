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

from ..errors import FormatError
from ..records import Data

__all__ = ["LOAD_AGAIN", "kept_inputs", "kept_parts", "kept_table", "kept_targets", "refuse_broken"]

LOAD_AGAIN = "load the data again, which puts the file right: lepton data load SOURCE"
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
    """The row numbers of each part.

    Raises:
        FormatError: as every function here, when the file is missing or broken.
    """
    total = sum(data.rows.values())
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


def kept_targets(data: Data) -> NDArray[np.int64]:
    """The class of every row, int64 [N]."""
    with _whole(data.path / "targets.npy") as path:
        targets: NDArray[np.int64] = np.asarray(np.load(path, allow_pickle=False))
        _expect(
            targets.dtype.kind == "i" and targets.shape == (sum(data.rows.values()),),
            f"{targets.dtype} {targets.shape}",
        )
        _expect(not targets.size or (targets.min() >= 0 and targets.max() < len(data.classes)), "unknown classes")
        return targets


def kept_inputs(data: Data) -> NDArray[np.float32]:
    """The tensors of every row, float32 [N, *shape], mapped from the disk."""
    with _whole(data.path / "inputs.npy") as path:
        array: NDArray[np.float32] = np.load(path, mmap_mode="r", allow_pickle=False)
        shape = (sum(data.rows.values()), *data.columns[0].shape)
        _expect(array.dtype == np.float32 and array.shape == shape, f"{array.dtype} {array.shape}")
        return array


def kept_table(data: Data) -> Any:
    """The Arrow table of every row: float64 for numbers, text for categories."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    with _whole(data.path / "table.parquet") as path:
        table = pq.ParquetFile(path).read()
        _expect(table.num_rows == sum(data.rows.values()), f"{table.num_rows} rows")
        for column in data.columns:
            kind = table.column(column.name).type
            _expect(kind == (pa.float64() if column.kind == "number" else pa.string()), f"{column.name!r} is {kind}")
        return table


def refuse_broken(data: Data) -> None:
    """Raise when a file of a kept data set cannot be read."""
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
