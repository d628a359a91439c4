"""Logged predictions, one after the other, in whichever form they rest."""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..records import Deployment
from ..runtime import RequestError, Signature
from ..workspace import Workspace
from .batches import batch_of_record, batches_of_entries
from .entries import parse_line, whole_lines
from .places import LOGS, RECORDS, folder_of, signature_of

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["predictions"]

_Signatures = Callable[[str], Signature | None]


def predictions(
    ws: Workspace,
    deployment: Deployment | str,
    since: float | None = None,
    until: float | None = None,
    ids: Collection[str] | None = None,
) -> Iterator[pa.RecordBatch]:
    """The answered rows on a deployment's log, whether they rest as lines, as records or as Parquet.

    Args:
        ws: the workspace.
        deployment: the deployment, or its name.
        since: the first moment, seconds since the epoch; None begins with the oldest row.
        until: the moment that is no longer in it; None ends with the newest row.
        ids: of the rows that are wanted; None wants all.

    Yields:
        Record batches, each of one version and with the columns that `batches` names; rows of one worker come in the
        order of their requests. What a shadow answered is among them, and marked. Lines that are broken are left out:
        `observe` counts them.

    Raises:
        NotFoundError: there is no such deployment.
        FormatError: the log has a newer format than this version reads.
    """
    folder = folder_of(ws, str(deployment))
    signatures = functools.cache(functools.partial(signature_of, ws, folder))
    return _read(folder, signatures, since, until, ids)


def _read(
    folder: Path, signatures: _Signatures, since: float | None, until: float | None, ids: Collection[str] | None
) -> Iterator[pa.RecordBatch]:
    for path in sorted(path for kind in LOGS for path in folder.glob(kind)):
        try:
            # A line is written when its request is answered: what was last written before `since` is older.
            if since is not None and path.stat().st_mtime < since:
                continue
            for batch in segment_batches(path, signatures):
                if (found := _within(batch, since, until, ids)).num_rows:
                    yield found
        except FileNotFoundError:
            # Old segments are removed while somebody reads.
            continue


def segment_batches(path: Path, signatures: _Signatures) -> Iterator[pa.RecordBatch]:
    """The answered rows of one segment that is not yet Parquet."""
    return _of_records(path, signatures) if path.suffix == RECORDS else _of_lines(path, signatures)


def _of_lines(path: Path, signatures: _Signatures) -> Iterator[pa.RecordBatch]:
    for chunk in whole_lines(path, 0):
        groups: dict[tuple[str, tuple[str, ...]], list[dict[str, Any]]] = {}
        for line in chunk.split(b"\n")[:-1]:
            entry = parse_line(line)
            if entry is not None and "error" not in entry:
                groups.setdefault((entry["version"], tuple(entry.get("masked", ()))), []).append(entry)
        for (version, _), entries in groups.items():
            yield from batches_of_entries(entries, signatures(version))


def _of_records(path: Path, signatures: _Signatures) -> Iterator[pa.RecordBatch]:
    from ..runtime.bulk import heads, records

    with path.open("rb") as stream:
        for _, start, end in heads(stream):
            stream.seek(start)
            for head, given, answer, _ in records(stream.read(end - start)):
                try:
                    batch = batch_of_record(head, given, answer, signatures(str(head["version"])))
                except (RequestError, ValueError, TypeError, KeyError):
                    continue
                if batch is not None:
                    yield batch


def _within(
    batch: pa.RecordBatch, since: float | None, until: float | None, ids: Collection[str] | None
) -> pa.RecordBatch:
    import pyarrow as pa
    import pyarrow.compute as pc

    if since is not None:
        batch = batch.filter(pc.greater_equal(batch.column("time"), since))
    if until is not None:
        batch = batch.filter(pc.less(batch.column("time"), until))
    if ids is not None:
        batch = batch.filter(pc.is_in(batch.column("id"), pa.array(list(ids), pa.string())))
    return batch
