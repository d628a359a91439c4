"""From the prediction log to windows: every line is counted exactly once, whoever reads and whenever.

Beside each log segment (`log-*.jsonl`, `bulk-*.records`) lies `windows/<segment>.json`, which holds how far the segment
was read together with what was counted so far, replaced in one step under a lock: the two can never disagree. Whoever
looks brings the windows up to date; no process has to stay for that. What `--keep` removes before anybody has looked is
not counted.
"""

from __future__ import annotations

import contextlib
import functools
import json
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import FormatError
from ..runtime import ModelError, read_reference, read_signature
from ..workspace import Workspace, locked, read_json, write_atomic
from .binning import Bins
from .bulk import count_records
from .counts import Counts, total
from .entries import whole_lines
from .lines import SECONDS, count_lines
from .places import LOGS, RECORDS, folder_of, model_folder

__all__ = ["Observed", "Span", "as_counted", "folder_of", "model_folder", "observe"]

# Minutes older than this are joined to hours, so that a slow log's windows stay few.
_KEPT_SECONDS = 24 * 3600
_JOINED_SECONDS = 3600
_reads_logs: ContextVar[bool] = ContextVar("_reads_logs", default=True)


class Span(NamedTuple):
    """A window of time.

    Args:
        start: seconds since the epoch.
        seconds: its length.
    """

    start: int
    seconds: int


@dataclass(frozen=True)
class Observed:
    """Everything counted of one deployment so far.

    Args:
        windows: counts per window; a minute, or an hour where the log is older than a day.
        broken: lines that are not prediction lines.
    """

    windows: Mapping[Span, Counts]
    broken: int

    def since(self, moment: float | None) -> Counts:
        """The sum of the windows that end after `moment` (seconds since the epoch; None: all)."""
        return total(c for span, c in self.windows.items() if moment is None or span.start + span.seconds > moment)


class _Segment(NamedTuple):
    """What the window file of one log segment holds: bytes and lines read, and what they said."""

    offset: int
    lines: int
    broken: int
    last: tuple[float, float] | None
    windows: Mapping[Span, Counts]


_UNREAD = _Segment(0, 0, 0, None, {})


@contextlib.contextmanager
def as_counted() -> Iterator[None]:
    """Within the block nothing reads a log: `observe`, and what stands on it, takes the windows as they lie there.

    For a page that many look at, while another process or thread keeps the windows up to date.
    """
    token = _reads_logs.set(False)
    try:
        yield
    finally:
        _reads_logs.reset(token)


def observe(ws: Workspace, name: str) -> Observed:
    """Read what is new in a deployment's prediction log, and return everything counted of it.

    A line that is still being written waits for its end. Any number of processes may observe at once.

    Args:
        ws: the workspace.
        name: name of the deployment.

    Raises:
        NotFoundError: there is no such deployment.
        FormatError: the log or its windows are newer than this version reads, or a window file is broken.
    """
    folder = folder_of(ws, name)
    found = {path.stem: path for kind in LOGS for path in folder.glob(kind)}
    stored = {path.stem: path for path in (folder / "windows").glob("*-*.json")}
    merged: dict[Span, Counts] = {}
    broken = 0
    for stem in sorted(found.keys() | stored.keys()):
        window_file = folder / "windows" / f"{stem}.json"
        is_new = stem in found and _reads_logs.get()
        segment = _catch_up(ws, folder, found[stem], window_file) if is_new else _read(window_file)
        broken += segment.broken
        for span, counts in segment.windows.items():
            merged.setdefault(span, Counts()).add(counts)
    return Observed(dict(sorted(merged.items())), broken)


def _catch_up(ws: Workspace, folder: Path, log: Path, window_file: Path) -> _Segment:
    segment = _read(window_file)
    if log.stat().st_size == segment.offset:
        return segment
    with locked(folder / "windows" / ".lock"):
        before = _read(window_file)
        # A log that is shorter than what was read of it is another one under the same name.
        after = _continue(ws, folder, log, before if log.stat().st_size >= before.offset else _UNREAD)
        if after.offset != before.offset:
            write_atomic(window_file, _encode(after))
        return after


def _continue(ws: Workspace, folder: Path, log: Path, before: _Segment) -> _Segment:
    """Count the whole lines of `log` behind `before.offset`."""
    bins = functools.cache(functools.partial(_bins_of, ws, folder))
    if log.suffix == RECORDS:
        return _continue_records(log, before, bins)
    windows = {span: total([counts]) for span, counts in before.windows.items()}
    offset, lines, broken, last = before.offset, before.lines, before.broken, before.last
    for chunk in whole_lines(log, offset):
        found = chunk.split(b"\n")[:-1]
        batch = count_lines(found, bins, last)
        for start, counts in batch.windows.items():
            windows.setdefault(Span(start, SECONDS), Counts()).add(counts)
        offset, lines, broken, last = offset + len(chunk), lines + len(found), broken + batch.broken, batch.last
    return _Segment(offset, lines, broken, last, _join_old(windows))


def _continue_records(log: Path, before: _Segment, bins: Any) -> _Segment:
    """Count the whole records of a bulk log behind `before.offset`."""
    with log.open("rb") as stream:
        stream.seek(before.offset)
        batch, read = count_records(stream.read(), bins)
    windows = {span: total([counts]) for span, counts in before.windows.items()}
    for start, counts in batch.windows.items():
        windows.setdefault(Span(start, SECONDS), Counts()).add(counts)
    return _Segment(before.offset + read, 0, before.broken + batch.broken, None, _join_old(windows))


def _bins_of(ws: Workspace, folder: Path, version: str) -> Bins | None:
    """The bins of a version; None when its model is gone or has no reference."""
    path = model_folder(ws, folder, version)
    try:
        return None if path is None else Bins(read_signature(path), read_reference(path))
    except ModelError:
        return None


def _join_old(windows: Mapping[Span, Counts]) -> dict[Span, Counts]:
    """The windows with the minutes of long before the newest one joined to hours."""
    if not windows:
        return {}
    limit = max(span.start for span in windows) - _KEPT_SECONDS
    joined: dict[Span, Counts] = {}
    for span, counts in windows.items():
        old = span.start < limit - limit % _JOINED_SECONDS
        place = Span(span.start - span.start % _JOINED_SECONDS, _JOINED_SECONDS) if old else span
        joined.setdefault(place, Counts()).add(counts)
    return joined


def _encode(segment: _Segment) -> str:
    windows = [{"start": s.start, "seconds": s.seconds, **counts.to_dict()} for s, counts in segment.windows.items()]
    value = {"format": 1, **segment._asdict(), "windows": windows}
    return json.dumps(value, separators=(",", ":"), allow_nan=False)


def _read(window_file: Path) -> _Segment:
    try:
        status = window_file.stat()
    except FileNotFoundError:
        return _UNREAD
    # Replaced as a whole, a file that has another content has another inode or another time.
    return _decode(window_file, status.st_ino, status.st_mtime_ns)


@functools.lru_cache(maxsize=256)
def _decode(window_file: Path, inode: int, mtime_ns: int) -> _Segment:
    value: dict[str, Any] = read_json(window_file)
    try:
        windows = {Span(int(w["start"]), int(w["seconds"])): Counts.from_dict(w) for w in value["windows"]}
        last = None if value["last"] is None else (float(value["last"][0]), float(value["last"][1]))
        return _Segment(int(value["offset"]), int(value["lines"]), int(value["broken"]), last, windows)
    except (KeyError, TypeError, ValueError, IndexError) as cause:
        raise FormatError(
            f"{window_file} is not a window file",
            got=f"{type(cause).__name__} {cause}",
            hint="delete it; it is counted again from the prediction log",
        ) from cause
