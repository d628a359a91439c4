"""Windows of segments that are done, joined in few files: a day of minutes, a month of hours, a year of days.

`windows/index.json` names the files that hold, and the segments that are in them; it is replaced in one step, so that
a segment is in the files or has a window file of its own, and never both nor neither. A file is written once, under a
name of its own, and removed when the index no longer names it. Each of the three kinds holds everything: whoever wants
a year reads days. Minutes are dropped after a week, hours after a year; days stay.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ..errors import FormatError
from ..workspace import read_json, write_atomic
from .counts import Counts
from .vectors import Span, counts_of_table, summed, table_of_counts

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = [
    "DAY",
    "HOUR",
    "MINUTE",
    "WHOLE",
    "Index",
    "Part",
    "absorb",
    "lost_parts",
    "read_index",
    "read_parts",
    "replace_part",
    "stored_windows",
]

MINUTE, HOUR, DAY = 60, 3600, 86400
# Longer than all time that is counted: everything becomes one window.
WHOLE = DAY * 2**24
_KEPT = {MINUTE: 8 * DAY, HOUR: 400 * DAY}
_EXACT = {MINUTE: 2 * DAY, HOUR: 60 * DAY}
_NAMES = {MINUTE: "minutes", HOUR: "hours", DAY: "days"}
_FILES = "*-*.g*.parquet"
_INDEX = "index.json"


class Part(NamedTuple):
    """A file of windows.

    Args:
        file: its name.
        level: the length of its windows in seconds; some may be longer.
        period: what it holds, such as `2026-11-26` or `2026`.
        start: of its first window.
        end: of its last window.
    """

    file: str
    level: int
    period: str
    start: int
    end: int


@dataclass(frozen=True)
class Index:
    """What the files hold.

    Args:
        generation: counts the changes.
        parts: the files.
        absorbed: segments that are in them and may still lie there, with what they begin with.
        broken: lines of theirs that are no prediction lines.
        dropped: per level the moment before which its files are gone.
        recounted: the moment before which windows were lost and counted anew, without errors and use; 0 if never.
    """

    generation: int = 0
    parts: tuple[Part, ...] = ()
    absorbed: Mapping[str, str] = field(default_factory=dict)
    broken: int = 0
    dropped: Mapping[int, int] = field(default_factory=dict)
    recounted: int = 0

    @property
    def begin(self) -> int | None:
        """The start of the oldest window, of the shortest that go back so far."""
        starts: dict[int, int] = {}
        for part in self.parts:
            starts[part.level] = min(starts.get(part.level, part.start), part.start)
        # Of a kind whose oldest files are gone the oldest window is not the first one.
        whole = [start for level, start in starts.items() if self.dropped.get(level, 0) <= starts[DAY]]
        return max(whole, default=None)

    def level(self, since: float | None, step: int | None) -> int:
        """The length of the windows that are read.

        Args:
            since: what ends before this moment is not wanted; the longer ago, the less exactly it is taken.
            step: what the windows are added up to; None for no sum.
        """
        begin = self.begin or 0
        span = max((part.end for part in self.parts), default=0) - (begin if since is None else max(since, begin))
        exact = next((one for one, most in _EXACT.items() if span <= most), DAY)
        kept = [one for one in _NAMES if (begin if since is None else since) >= self.dropped.get(one, 0)]
        if step is None:
            return max(kept[0], exact)
        fit = [one for one in kept if step % one == 0 and (since is None or one <= exact)]
        return fit[-1] if fit else kept[0]


def read_index(folder: Path) -> Index:
    """The index of a deployment's windows; empty when nothing was joined so far.

    Raises:
        FormatError: it is broken, or newer than this version reads.
    """
    path = folder / "windows" / _INDEX
    try:
        value = read_json(path)
    except FileNotFoundError:
        return Index()
    try:
        parts = tuple(Part(**one) for one in value["parts"])
        dropped = {int(level): int(moment) for level, moment in value["dropped"].items()}
        whole = (int(value["generation"]), parts, dict(value["absorbed"]), int(value["broken"]), dropped)
        return Index(*whole, int(value.get("recounted", 0)))
    except (KeyError, TypeError, ValueError) as cause:
        raise FormatError(
            f"{path} is not an index of windows",
            got=f"{type(cause).__name__} {cause}",
            hint="bring it back from a copy, or delete it: sealed rows are counted again, but failed requests are not",
        ) from cause


def stored_windows(folder: Path, index: Index, since: float | None, step: int | None) -> dict[Span, Counts]:
    """The windows of the files that end after `since`, added up to `step` seconds where that is given.

    Raises:
        FileNotFoundError: the index was replaced meanwhile; read it again.
    """
    import pyarrow.compute as pc

    level = index.level(since, step)
    tables = [
        _read(folder, part) for part in index.parts if part.level == level and (since is None or part.end > since)
    ]
    if not tables:
        return {}
    if since is not None:
        tables = [one.filter(pc.greater(pc.add(one.column("start"), one.column("seconds")), since)) for one in tables]
    return counts_of_table(summed(tables, step or level))


def absorb(
    folder: Path,
    segments: Mapping[str, tuple[str, Mapping[Span, Counts], int]],
    still: Iterable[str],
    recounted: int | None = None,
) -> Index:
    """Add the windows of segments to the files. To be called by one process at a time.

    Args:
        folder: of the deployment.
        segments: per name what the segment begins with, its windows, and how many of its lines are broken.
        still: names that were absorbed earlier and may come again.
        recounted: as in `Index`; None leaves it.

    Returns:
        The new index, which is in force.
    """
    index = read_index(folder)
    generation = index.generation + 1
    added = [table_of_counts(windows) for _, windows, _ in segments.values()]
    parts = {(one.level, one.period): one for one in index.parts}
    newest = max([0, *(one.end for one in index.parts), *(span.start for _, w, _ in segments.values() for span in w)])
    dropped = {level: max(newest - kept, 0) // DAY * DAY for level, kept in _KEPT.items()}
    # Of no segments an index comes to be all the same: it says that nothing was lost.
    for level in _NAMES if added else ():
        for period, table in _periods(summed(added, level), level):
            if _end(table) <= dropped.get(level, 0):
                continue
            before = parts.get((level, period))
            whole = summed([table, *([_read(folder, before)] if before else [])], level)
            parts[level, period] = _write(folder, whole, level, period, generation)
    kept = tuple(one for one in parts.values() if one.end > dropped.get(one.level, 0))
    known = set(still)
    absorbed = {name: head for name, head in index.absorbed.items() if name in known}
    absorbed |= {name: head for name, (head, _, _) in segments.items()}
    broken = index.broken + sum(number for _, _, number in segments.values())
    # What was dropped once stays dropped: a late line does not bring a week of minutes back.
    gone = {level: max(moment, index.dropped.get(level, 0)) for level, moment in dropped.items()}
    after = replace(Index(), generation=generation, parts=kept, absorbed=absorbed, broken=broken, dropped=gone)
    after = replace(after, recounted=index.recounted if recounted is None else recounted)
    return _published(folder, after)


def lost_parts(folder: Path, index: Index) -> tuple[Part, ...]:
    """Files that the index names and that are not there."""
    return tuple(one for one in index.parts if not (folder / "windows" / one.file).exists())


def read_parts(folder: Path, index: Index, level: int, begin: int, end: int) -> pa.Table | None:
    """Windows of a length that begin in a stretch of time; None where there are none, or a file of theirs is lost."""
    import pyarrow as pa
    import pyarrow.compute as pc

    parts = [one for one in index.parts if one.level == level and one.start < end and one.end > begin]
    if not parts or any(one in lost_parts(folder, index) for one in parts):
        return None
    table = pa.concat_tables([_read(folder, one) for one in parts])
    starts = table.column("start")
    return table.filter(pc.and_(pc.greater_equal(starts, begin), pc.less(starts, end)))


def replace_part(folder: Path, index: Index, part: Part, table: pa.Table) -> Index:
    """Have other windows stand for those of a file. To be called by one process at a time.

    Returns:
        The new index, which is in force.
    """
    generation = index.generation + 1
    made = _write(folder, table, part.level, part.period, generation)
    parts = tuple(made if one == part else one for one in index.parts)
    return _published(folder, replace(index, generation=generation, parts=parts))


def _published(folder: Path, index: Index) -> Index:
    """Put an index in force, and remove the files that it does not name."""
    value = {**asdict(index), "parts": [one._asdict() for one in index.parts]}
    write_atomic(folder / "windows" / _INDEX, json.dumps({"format": 1, **value}, separators=(",", ":")))
    listed = {one.file for one in index.parts}
    for path in (folder / "windows").glob(_FILES):
        if path.name not in listed:
            path.unlink(missing_ok=True)
    return index


def _periods(table: pa.Table, level: int) -> list[tuple[str, pa.Table]]:
    """A table cut into the stretches that have a file each."""
    import pyarrow as pa

    cut = {MINUTE: "%Y-%m-%d", HOUR: "%Y-%m", DAY: "%Y"}[level]
    starts = table.column("start").to_pylist()
    names = {start: dt.datetime.fromtimestamp(start, dt.UTC).strftime(cut) for start in set(starts)}
    places: dict[str, list[int]] = {}
    for place, start in enumerate(starts):
        places.setdefault(names[start], []).append(place)
    return [(name, table.take(pa.array(rows))) for name, rows in places.items()]


def _write(folder: Path, table: pa.Table, level: int, period: str, generation: int) -> Part:
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    name = f"{_NAMES[level]}-{period}.g{generation}.parquet"
    write_atomic(folder / "windows" / name, sink.getvalue().to_pybytes())
    return Part(name, level, period, int(pc.min(table.column("start")).as_py()), _end(table))


def _end(table: pa.Table) -> int:
    import pyarrow.compute as pc

    return int(pc.max(pc.add(table.column("start"), table.column("seconds"))).as_py())


def _read(folder: Path, part: Part) -> pa.Table:
    import pyarrow.parquet as pq

    return pq.read_table(folder / "windows" / part.file, memory_map=True)
