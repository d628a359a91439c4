"""Logged predictions, one after the other, in whichever form they rest."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ..records import Deployment
from ..workspace import Workspace
from .logged import Signatures, segment_batches
from .places import LOGS, folder_of, signature_of
from .sealed import key_of, sealed_batches, sealed_files

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["predictions"]

_Wanted = tuple[float | None, float | None, Collection[str] | None]


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
    return _read(folder, functools.cache(functools.partial(signature_of, ws, folder)), (since, until, ids))


def _read(folder: Path, signatures: Signatures, wanted: _Wanted) -> Iterator[pa.RecordBatch]:
    logs = sorted(path for kind in LOGS for path in folder.glob(kind))
    sealed = sealed_files(folder)
    gone: list[str] = []
    for log in logs:
        try:
            # A line is written when its request is answered: what was last written before `since` is older.
            if (wanted[0] is not None and log.stat().st_mtime < wanted[0]) or key_of(log) in sealed:
                continue
            yield from _within(segment_batches(log, signatures), wanted)
        except FileNotFoundError:
            # Sealed since, or removed because it was too old.
            gone.append(f"{log.stem}-")
    late = {key: paths for key, paths in sealed_files(folder).items() if key[:-8] in gone} if gone else {}
    for path in (path for paths in (sealed | late).values() for path in paths):
        with contextlib.suppress(FileNotFoundError):
            yield from _within(sealed_batches(path, *wanted), wanted)


def _within(batches: Iterator[pa.RecordBatch], wanted: _Wanted) -> Iterator[pa.RecordBatch]:
    """The rows that are wanted, and no empty batch."""
    since, until, ids = wanted
    for batch in batches:
        if (found := _chosen(batch, since, until, ids)).num_rows:
            yield found


def _chosen(
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
