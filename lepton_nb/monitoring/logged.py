"""The answered rows of a segment as it was written: lines, or records of bulk requests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..runtime import RequestError, Signature
from .batches import batch_of_record, batches_of_entries
from .entries import parse_line, whole_lines
from .places import RECORDS

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Signatures", "segment_batches"]

Signatures = Callable[[str], Signature | None]


def segment_batches(
    path: Path, signatures: Signatures, drop: Callable[[int], None] = lambda rows: None
) -> Iterator[pa.RecordBatch]:
    """The answered rows of one segment that is not yet Parquet.

    Args:
        path: of the segment.
        signatures: what a version takes; None where its model is gone.
        drop: is told how many rows are left out, since they do not fit what their model takes.
    """
    read = _of_records if path.suffix == RECORDS else _of_lines
    return read(path, signatures, drop)


def _of_lines(path: Path, signatures: Signatures, drop: Callable[[int], None]) -> Iterator[pa.RecordBatch]:
    for chunk in whole_lines(path, 0):
        groups: dict[tuple[str, tuple[str, ...]], list[dict[str, Any]]] = {}
        for line in chunk.split(b"\n")[:-1]:
            entry = parse_line(line)
            if entry is not None and "error" not in entry:
                groups.setdefault((entry["version"], tuple(entry.get("masked", ()))), []).append(entry)
        for (version, _), entries in groups.items():
            yield from batches_of_entries(entries, signatures(version), drop)


def _of_records(path: Path, signatures: Signatures, drop: Callable[[int], None]) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa

    from ..runtime.bulk import heads, records

    with path.open("rb") as stream:
        for _, start, end in heads(stream):
            stream.seek(start)
            for head, given, answer, _ in records(stream.read(end - start)):
                try:
                    batch = batch_of_record(head, given, answer, signatures(str(head["version"])))
                except (RequestError, ValueError, TypeError, KeyError, pa.ArrowException):
                    batch = None
                if batch is None:
                    # How many rows it has may be just what cannot be read.
                    drop(1)
                else:
                    yield batch
