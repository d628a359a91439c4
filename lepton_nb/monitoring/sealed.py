"""Segments that nobody writes to any more rest as Parquet: `sealed/<from>-<to>-<segment>-<hash>.parquet`.

Whoever observes makes them, one process at a time and for a few seconds. The Parquet file stands, whole and on the
disk, before its segment is removed, and whoever finds both reads the Parquet file: a kill in between neither loses nor
doubles a row. Rows of different columns, as of two versions, lie in several files; the one without a number is written
last. A segment whose copy is to lie elsewhere as well waits until it does. Errors are counted, and not kept. A segment
with a row that does not fit what its model takes stays as it is: `sealed/<segment>-<hash>.stays` says so.
"""

from __future__ import annotations

import contextlib
import hashlib
import math
import os
import re
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import ConflictError
from ..runtime import Signature
from ..workspace import locked, write_json
from .logged import segment_batches
from .places import LOGS, USAGE
from .segments import finished, head_of
from .store import read_index

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["key_of", "seal", "sealed_batches", "sealed_files", "stem_of"]

SEALED = "sealed"
COPIED, COPYING = ".copied", "copying"
_NAME = re.compile(r"(?P<first>\d+)-(?P<last>\d+)-(?P<key>.+-[0-9a-f]{8})(?:\.\d+)?\.parquet")
_HASH = re.compile(r"-[0-9a-f]{8}$")
_UNFINISHED = ".making-"
_STAYS = ".stays"
_ROWS = 65_536
# How long one who observes is kept waiting for this.
_BUDGET_S = 5.0


def key_of(log: Path) -> str:
    """What a segment is called for ever: its name and a hash of how it begins, since process ids come again."""
    return f"{log.stem}-{hashlib.sha256(head_of(log).encode()).hexdigest()[:8]}"


def stem_of(key: str) -> str:
    """The name of the segment that `key_of` calls so."""
    return _HASH.sub("", key)


def sealed_files(folder: Path) -> dict[str, list[Path]]:
    """The Parquet files of each segment that is sealed, by its `key_of`."""
    found: dict[str, list[Path]] = {}
    whole = set()
    for path in sorted((folder / SEALED).glob("*.parquet")):
        if name := _NAME.fullmatch(path.name):
            found.setdefault(name["key"], []).append(path)
            if path.name.endswith(f"{name['key']}.parquet"):
                whole.add(name["key"])
    # Without the file that is written last, somebody was killed: the segment is still there.
    return {key: paths for key, paths in found.items() if key in whole}


def seal(folder: Path, signatures: Callable[[str], Signature | None], budget_s: float = _BUDGET_S) -> None:
    """Make Parquet of segments that are done and counted, and remove what is no longer needed.

    Args:
        folder: of the deployment.
        signatures: what a version takes; None where its model is gone.
        budget_s: begin no further segment after so many seconds.
    """
    logs = [path for kind in (*LOGS, USAGE) for path in folder.glob(kind)]
    done = sorted(finished(logs))
    if not done:
        return
    # Somebody else is at it: nobody has to wait for that.
    with contextlib.suppress(ConflictError), locked(folder / SEALED / ".lock", timeout=0):
        for left in (folder / SEALED).glob(f"{_UNFINISHED}*"):
            left.unlink(missing_ok=True)
        absorbed, begun = read_index(folder).absorbed, time.monotonic()
        known = sealed_files(folder)
        for log in done:
            with contextlib.suppress(FileNotFoundError):
                if absorbed.get(log.stem) != head_of(log):
                    continue
                if log.suffix != ".jsonl" or "usage-" not in log.name:
                    if key_of(log) not in known and time.monotonic() - begun > budget_s:
                        continue
                    if key_of(log) not in known and not _convert(folder, log, signatures):
                        continue
                _remove(folder, log)
        _forget_marks(folder)


def _remove(folder: Path, log: Path) -> None:
    mark = log.with_name(log.name + COPIED)
    if (folder / COPYING).exists() and not mark.exists():
        return
    # The mark first: a later segment of the same name must not find it.
    mark.unlink(missing_ok=True)
    log.unlink()


def _convert(folder: Path, log: Path, signatures: Callable[[str], Signature | None]) -> bool:
    """Write the rows of a segment; False where some would be lost, and nothing is written."""
    mark = folder / SEALED / f"{key_of(log)}{_STAYS}"
    if mark.exists():
        return False
    dropped: list[int] = []
    written = _Written(folder / SEALED)
    try:
        for batch in segment_batches(log, signatures, dropped.append):
            written.add(batch)
        if dropped:
            # Whoever looks next need not try it again.
            write_json(mark, {"format": 1, "left_out": sum(dropped)})
        else:
            written.close(key_of(log), log.stat().st_mtime)
    finally:
        written.forget()
    return not dropped


def _forget_marks(folder: Path) -> None:
    """Remove what was said of segments that are gone: `--keep` removes those that stay, too."""
    for mark in (folder / SEALED).glob(f"*{_STAYS}"):
        stem = mark.name.removesuffix(_STAYS)[:-9]
        if not any(folder.glob(f"{stem}.*")):
            mark.unlink(missing_ok=True)


class _Written:
    """The files that become of one segment, one per set of columns.

    Args:
        folder: where they lie.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        # By the whole schema: two that differ in the notes of a column alone, such as `hashed`, are equal to Arrow.
        self._waiting: dict[bytes, list[pa.RecordBatch]] = {}
        self._writers: dict[bytes, tuple[Any, Path]] = {}
        self._first, self._last = math.inf, -math.inf

    def add(self, batch: pa.RecordBatch) -> None:
        """Take rows; few at a time are collected first."""
        import pyarrow.compute as pc

        times = pc.min_max(batch.column("time")).as_py()
        self._first, self._last = min(self._first, times["min"]), max(self._last, times["max"])
        kind = batch.schema.serialize().to_pybytes()
        several = self._waiting.setdefault(kind, [])
        several.append(batch)
        if sum(one.num_rows for one in several) >= _ROWS:
            self._flush(kind)

    def _flush(self, kind: bytes) -> None:
        import pyarrow as pa

        if several := self._waiting.pop(kind, []):
            writer = self._writer(kind, several[0].schema)
            writer.write_table(pa.Table.from_batches(several).combine_chunks(), _ROWS * 4)

    def _writer(self, kind: bytes, schema: pa.Schema) -> Any:
        import pyarrow.parquet as pq

        if kind not in self._writers:
            path = self._folder / f"{_UNFINISHED}{os.getpid()}-{len(self._writers)}"
            self._writers[kind] = pq.ParquetWriter(path, schema, compression="zstd"), path
        return self._writers[kind][0]

    def close(self, key: str, mtime: float) -> None:
        """Give the files their names, when they are on the disk."""
        import pyarrow as pa

        for kind in list(self._waiting):
            self._flush(kind)
        if not self._writers:
            # Nothing but errors: the file says that this segment is done.
            self._writer(b"", pa.schema([pa.field("id", pa.string()), pa.field("time", pa.float64())]))
        first, last = (0, 0) if math.isinf(self._first) else (math.floor(self._first), math.ceil(self._last))
        targets = [f"{first}-{last}-{key}{f'.{n}' if n else ''}.parquet" for n in range(len(self._writers))]
        for (writer, path), name in reversed(list(zip(self._writers.values(), targets, strict=True))):
            writer.close()
            with path.open("rb") as stream:
                os.fsync(stream.fileno())
            path.chmod(0o600)
            # Of the age of its rows: `--keep` goes by that.
            os.utime(path, (mtime, mtime))
            path.replace(self._folder / name)
        number = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(number)
        finally:
            os.close(number)

    def forget(self) -> None:
        """Remove what did not get its name."""
        for writer, path in self._writers.values():
            writer.close()
            path.unlink(missing_ok=True)


def sealed_batches(
    path: Path, since: float | None = None, until: float | None = None, ids: Collection[str] | None = None
) -> Iterator[pa.RecordBatch]:
    """The rows of one Parquet file that may be wanted; what cannot be is not read.

    Args:
        path: of `sealed_files`.
        since: the first moment, seconds since the epoch.
        until: the moment that is no longer in it.
        ids: of the rows that are wanted.
    """
    name = _NAME.fullmatch(path.name)
    if name is None or (since is not None and float(name["last"]) < since):
        return
    if until is not None and float(name["first"]) >= until:
        return
    wanted = None if ids is None else sorted(ids)
    if wanted is not None and not _may_hold(wanted, *_moments(int(name["first"]), path)):
        return
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        columns = {file.metadata.schema.column(i).path: i for i in range(file.metadata.num_columns)}
        for group in range(file.num_row_groups):
            meta = file.metadata.row_group(group)
            told = {one: meta.column(columns[one]).statistics for one in ("id", "time")}
            if not _overlaps(told["time"], since, until):
                continue
            if wanted is not None and told["id"] is not None and not _may_hold(wanted, told["id"].min, told["id"].max):
                continue
            if wanted is None or _holds(file, group, wanted):
                yield from file.read_row_group(group).to_batches()


def _moments(first: int, path: Path) -> tuple[str, str]:
    """The smallest and the largest id that a file may hold: ids begin with the milliseconds at which they were made."""
    last = int(path.stat().st_mtime) + 2
    return tuple(f"{moment * 1000 >> 16:08x}-{moment * 1000 & 0xFFFF:04x}" for moment in (max(first - 1, 0), last))  # type: ignore[return-value]


def _may_hold(wanted: Sequence[str], least: str, most: str) -> bool:
    """Whether one of some sorted ids lies between two."""
    from bisect import bisect_left

    place = bisect_left(wanted, least)
    return place < len(wanted) and wanted[place] <= most


def _overlaps(times: Any, since: float | None, until: float | None) -> bool:
    if times is None or not times.has_min_max:
        return True
    return (since is None or times.max >= since) and (until is None or times.min < until)


def _holds(file: Any, group: int, wanted: Sequence[str]) -> bool:
    import pyarrow as pa
    import pyarrow.compute as pc

    column = file.read_row_group(group, columns=["id"]).column("id")
    return bool(pc.any(pc.is_in(column, pa.array(wanted, pa.string()))).as_py())
