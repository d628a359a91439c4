"""Rows of a data set that is larger than the memory: which part and which file each goes to, and these files.

A part lies in files of about `BUCKET` bytes each, as the network sees their rows. Which rows a file holds is a matter
of chance, so that the files in a new order, and the rows of each in a new order, are as good as all rows shuffled; and
any one of them is a fair sample of its part.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from .fingerprints import mixed
from .splits import PARTS, SplitPlan

__all__ = ["BUCKET", "assigned", "bucket_count", "write_buckets"]

BUCKET = 64 << 20
# What is gathered before it is written; and the files that are open at once: for more, the source is read again.
_WAITING, _OPEN = 32 << 20, 200
_STEP = np.uint64(0x9E3779B97F4A7C15)


def _draws(start: int, count: int, seed: int) -> NDArray[np.uint64]:
    """A number from 0 to 2^64 for each row, by its number and the seed alone."""
    key = mixed(np.array([seed % 2**64], np.uint64))[0]
    return mixed(key + np.arange(start + 1, start + 1 + count, dtype=np.uint64) * _STEP)


def assigned(start: int, count: int, plan: SplitPlan) -> NDArray[np.int64]:
    """The part of each row, as an index into `PARTS`.

    Args:
        start: number of the first row.
        count: how many rows.
        plan: seed and shares.
    """
    share = (_draws(start, count, plan.seed) >> np.uint64(11)).astype(np.float64) / 2**53
    held = plan.test_size + plan.validation_size
    return np.where(share < plan.test_size, PARTS.index("test"), np.where(share < held, PARTS.index("validation"), 0))


def bucket_count(rows: int, width: int) -> int:
    """Files that a part of `rows` rows with `width` features takes.

    Example:
        >>> bucket_count(10, 3), bucket_count(10_000_000, 30)
        (1, 18)
    """
    return max(1, -(-rows * 4 * width // BUCKET))


def write_buckets(folder: Path, tables: Any, schema: Any, counts: Mapping[str, int], plan: SplitPlan) -> None:
    """Write every row into a file of its part.

    Args:
        folder: where the files go.
        tables: called for the Arrow tables of all rows, in order; more than once when there are many files.
        schema: of these tables.
        counts: files per part.
        plan: as in `assigned`.
    """
    names = [folder / f"{part}-{number:05d}.parquet" for part in PARTS for number in range(counts[part])]
    first = np.cumsum([0, *(counts[part] for part in PARTS)])[:-1]
    sizes = np.array([counts[part] for part in PARTS])
    for low in range(0, len(names), _OPEN):
        with _Files(names[low : low + _OPEN], schema) as files:
            for start, table in _numbered(tables()):
                part = assigned(start, table.num_rows, plan)
                # Drawn with another key than the part, or a part would have its rows in some of its files only.
                draws = _draws(start, table.num_rows, plan.seed + 1) >> np.uint64(32)
                files.add(table, first[part] + (draws % sizes[part].astype(np.uint64)).astype(np.int64) - low)


def _numbered(tables: Iterable[Any]) -> Iterator[tuple[int, Any]]:
    start = 0
    for table in tables:
        yield start, table
        start += table.num_rows


class _Files:
    """Parquet files that are written together, with bounded memory."""

    def __init__(self, paths: Sequence[Path], schema: Any) -> None:
        self._paths, self._schema = paths, schema
        self._writers: list[Any] = []
        self._waiting: list[list[Any]] = [[] for _ in paths]
        self._bytes = 0

    def __enter__(self) -> Self:
        import pyarrow as pa
        import pyarrow.parquet as pq

        texts = [field.name for field in self._schema if pa.types.is_string(field.type)]
        for path in self._paths:
            self._writers.append(pq.ParquetWriter(path, self._schema, use_dictionary=texts, compression="lz4"))
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._write()
        finally:
            for writer in self._writers:
                writer.close()

    def add(self, table: Any, where: NDArray[np.int64]) -> None:
        """Take in rows; those whose number is none of these files are left aside."""
        order = np.argsort(where, kind="stable")
        order = order[(where[order] >= 0) & (where[order] < len(self._paths))]
        if not len(order):
            return
        sorted_rows = table.take(order)
        ends = np.searchsorted(where[order], np.arange(len(self._paths) + 1))
        for waiting, low, high in zip(self._waiting, ends[:-1], ends[1:], strict=True):
            if high > low:
                waiting.append(sorted_rows.slice(low, high - low))
        self._bytes += sorted_rows.nbytes
        if self._bytes > _WAITING:
            self._write()

    def _write(self) -> None:
        import pyarrow as pa

        for writer, waiting in zip(self._writers, self._waiting, strict=True):
            if waiting:
                writer.write_table(pa.concat_tables(waiting))
                waiting.clear()
        self._bytes = 0
