"""One segment of a log becomes counts: `windows/<segment>.json` says how far it was read, and what was found there.

Both are replaced in one step, so that they can never disagree.
"""

from __future__ import annotations

import functools
import json
import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import FormatError
from ..runtime.sealing import lives
from ..workspace import read_json, write_atomic
from .binning import Bins
from .bulk import count_records
from .counts import Counts, total
from .entries import whole_lines
from .lines import SECONDS, count_lines
from .places import RECORDS
from .usage import count_usage
from .vectors import Span

__all__ = ["Segment", "continued", "finished", "head_of", "read_segment", "write_segment"]

# Of somebody else's machine the name begins with the time and a part of the content's hash.
_NAME = re.compile(r"(?P<away>\d+-(?:[0-9a-f]{8}-)?)?(?P<kind>log|bulk|usage)-(?P<pid>\d+)-(?P<number>\d+)")
# The first line holds an id within so many bytes: no two segments begin alike.
_HEAD_BYTES = 64
# Minutes older than this are joined to hours, so that a slow log's windows stay few.
_KEPT_SECONDS = 24 * 3600
_JOINED_SECONDS = 3600


@dataclass(frozen=True)
class Segment:
    """What is known of one segment.

    Args:
        offset: bytes that were read.
        lines: lines that were read.
        broken: those that are none of ours.
        last: two numbers of the last line that the next one is looked at with; what they are depends on the kind.
        windows: counts per window.
        head: how it begins, hexadecimal: a process id comes again, and with it the name.
    """

    offset: int = 0
    lines: int = 0
    broken: int = 0
    last: tuple[float, float] | None = None
    windows: Mapping[Span, Counts] = field(default_factory=dict)
    head: str = ""

    def is_of(self, head: str) -> bool:
        """Whether this was read from the file that begins so."""
        return head.startswith(self.head)


def head_of(log: Path) -> str:
    """How a segment begins, hexadecimal."""
    with log.open("rb") as stream:
        return stream.read(_HEAD_BYTES).hex()


def finished(logs: Iterable[Path]) -> set[Path]:
    """Those of all segments of a folder that nobody writes to any more.

    A process that has begun the next segment has closed the one before, and one that has ended closed all. Whoever
    writes to a segment also holds a lock on it, which tells the same where the process cannot be seen from here.
    """
    found: dict[tuple[str, str], list[tuple[int, Path]]] = {}
    done: set[Path] = set()
    for path in logs:
        name = _NAME.fullmatch(path.stem)
        if name is None:
            continue
        if name["away"]:
            done.add(path)
        else:
            found.setdefault((name["kind"], name["pid"]), []).append((int(name["number"]), path))
    for (_, pid), several in found.items():
        *before, last = [path for _, path in sorted(several)]
        done |= {path for path in before if _is_free(path)}
        if not lives(int(pid)) and _is_free(last):
            done.add(last)
    return done


def _is_free(path: Path) -> bool:
    """Whether nobody holds the lock that a writer has on its segment."""
    try:
        import fcntl
    except ImportError:
        return True
    try:
        number = os.open(path, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    else:
        return True
    finally:
        os.close(number)


def continued(log: Path, before: Segment, bins: Callable[[str], Bins | None]) -> Segment:
    """What is known of a segment when what was written since is counted as well.

    Raises:
        FormatError: it has a newer format than this version reads.
    """
    head = head_of(log)
    windows = dict(before.windows)
    if log.suffix == RECORDS:
        with log.open("rb") as stream:
            stream.seek(before.offset)
            batch, read = count_records(stream.read(), bins)
        _add(windows, batch.windows)
        broken = before.broken + batch.broken
        return Segment(before.offset + read, 0, broken, None, _join_old(windows), head)
    offset, lines, broken, last = before.offset, before.lines, before.broken, before.last
    for chunk in whole_lines(log, offset):
        found = chunk.split(b"\n")[:-1]
        counted = count_usage(found, last) if "usage-" in log.name else count_lines(found, bins, last)
        _add(windows, counted.windows)
        offset, lines, broken, last = offset + len(chunk), lines + len(found), broken + counted.broken, counted.last
    return Segment(offset, lines, broken, last, _join_old(windows), head)


def _add(windows: dict[Span, Counts], found: Mapping[int, Counts]) -> None:
    # What was counted before is somebody else's too, and is replaced instead of changed.
    for start, counts in found.items():
        span = Span(start, SECONDS)
        windows[span] = total([windows[span], counts]) if span in windows else counts


def _join_old(windows: Mapping[Span, Counts]) -> dict[Span, Counts]:
    """The windows with the minutes of long before the newest one joined to hours."""
    if not windows:
        return {}
    limit = max(span.start for span in windows) - _KEPT_SECONDS
    joined: dict[Span, list[Counts]] = {}
    for span, counts in windows.items():
        old = span.start < limit - limit % _JOINED_SECONDS
        place = Span(span.start - span.start % _JOINED_SECONDS, _JOINED_SECONDS) if old else span
        joined.setdefault(place, []).append(counts)
    return {span: several[0] if len(several) == 1 else total(several) for span, several in joined.items()}


def write_segment(window_file: Path, segment: Segment) -> None:
    """Replace what is known of a segment."""
    windows = [{"start": s.start, "seconds": s.seconds, **counts.to_dict()} for s, counts in segment.windows.items()]
    value = {"format": 1, **vars(segment), "windows": windows}
    write_atomic(window_file, json.dumps(value, separators=(",", ":"), allow_nan=False))


def read_segment(window_file: Path) -> Segment:
    """What is known of a segment; nothing when it was never read.

    Raises:
        FormatError: the file is broken, or newer than this version reads.
    """
    try:
        status = window_file.stat()
    except FileNotFoundError:
        return Segment()
    # Replaced as a whole, a file that has another content has another inode or another time.
    return _decode(window_file, status.st_ino, status.st_mtime_ns)


@functools.lru_cache(maxsize=256)
def _decode(window_file: Path, inode: int, mtime_ns: int) -> Segment:
    try:
        value: dict[str, Any] = read_json(window_file)
    except FileNotFoundError:
        return Segment()
    try:
        windows = {Span(int(w["start"]), int(w["seconds"])): Counts.from_dict(w) for w in value["windows"]}
        last = None if value["last"] is None else (float(value["last"][0]), float(value["last"][1]))
        whole = (int(value["offset"]), int(value["lines"]), int(value["broken"]))
        return Segment(*whole, last, windows, str(value.get("head", "")))
    except (KeyError, TypeError, ValueError, IndexError) as cause:
        raise FormatError(
            f"{window_file} is not a window file",
            got=f"{type(cause).__name__} {cause}",
            hint="delete it; it is counted again from the prediction log",
        ) from cause
