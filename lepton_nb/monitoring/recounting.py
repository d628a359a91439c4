"""Windows that were lost are counted again from the sealed rows.

Those hold what was asked and answered, and how long it took. Requests that failed and what the processes used are
counted in windows alone: of the time before, nobody knows them any more, and that is said. Nor do they hold what size
pictures were sent with, which is measured of later ones then.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from ..runtime import Signature
from .binning import Bins
from .counts import Counts
from .lines import SECONDS, count_entries
from .sealed import key_of, sealed_batches, sealed_files
from .segments import read_segment
from .store import absorb, read_index
from .vectors import Span

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["add_rows", "is_lost", "recount"]


def is_lost(folder: Path) -> bool:
    """Whether there are sealed rows and no index of the windows that they were counted in."""
    return not (folder / "windows" / "index.json").exists() and bool(sealed_files(folder))


def recount(
    folder: Path,
    logs: Mapping[str, Path],
    bins: Callable[[str], Bins | None],
    signatures: Callable[[str], Signature | None],
) -> None:
    """Make the windows of sealed segments anew; the lock of the windows is held.

    Args:
        folder: of the deployment.
        logs: segments that still lie there as logs, and are counted as such.
        bins: where the rows of a version are counted.
        signatures: what a version takes.
    """
    if not is_lost(folder):
        return
    counted = {key_of(path) for path in logs.values()} | set(_of_windows(folder))
    found = {}
    for key, paths in sealed_files(folder).items():
        if key not in counted:
            windows: dict[Span, Counts] = {}
            broken = sum(add_rows(windows, path, bins, signatures) for path in paths)
            found[key] = ("", windows, broken)
    ends = [span.start + span.seconds for _, windows, _ in found.values() for span in windows]
    absorb(folder, found, (), recounted=max([read_index(folder).recounted, *ends]))


def _of_windows(folder: Path) -> Iterator[str]:
    """Segments that have a window file of their own still, as `key_of` calls them."""
    for path in (folder / "windows").glob("*-*.json"):
        yield f"{path.stem}-{hashlib.sha256(read_segment(path).head.encode()).hexdigest()[:8]}"


def add_rows(
    windows: dict[Span, Counts],
    path: Path,
    bins: Callable[[str], Bins | None],
    signatures: Callable[[str], Signature | None],
    since: float | None = None,
    until: float | None = None,
) -> int:
    """Count the rows of one Parquet file.

    Args:
        windows: the minutes that they are added to.
        path: of `sealed_files`.
        bins: where the rows of a version are counted.
        signatures: what a version takes.
        since: what is older need not be counted, seconds since the epoch.
        until: what is not older need not be counted.

    Returns:
        How many rows do not fit their model.
    """
    last, broken = None, 0
    for batch in sealed_batches(path, since, until):
        counted = count_entries(_entries(batch, signatures), bins, last)
        last, broken = counted.last, broken + counted.broken
        for start, counts in counted.windows.items():
            windows.setdefault(Span(start, SECONDS), Counts()).add(counts)
    return broken


def _entries(batch: pa.RecordBatch, signatures: Callable[[str], Signature | None]) -> Iterator[dict[str, Any]]:
    """Rows as the lines of a log had them; a file of errors alone has none."""
    if not batch.num_rows:
        return
    inputs = batch.schema.field("inputs").type
    hashed, there = {one.name for one in inputs if one.metadata}, {one.name for one in inputs}

    @functools.cache
    def masked(version: str) -> dict[str, list[str]]:
        signature = signatures(version)
        # What is not in the file was not on the log, either.
        hidden = hashed | ({one.name for one in signature.inputs} - there if signature else set())
        return {"masked": sorted(hidden)} if hidden else {}

    # Of several versions, one may keep a column off the log that the other does not have.
    for row in batch.to_pylist():
        if row["label"] is not None:
            outputs = {"label": row["label"], "probabilities": row["probabilities"]}
        elif row["value"] is not None:
            outputs = {"value": row["value"]}
        else:
            outputs = orjson.loads(row["outputs"] or "{}")
        yield (
            {name: row[name] for name in ("time", "version", "latency_ms", "shadow", "inputs")}
            | masked(row["version"])
            | {"outputs": outputs}
        )
