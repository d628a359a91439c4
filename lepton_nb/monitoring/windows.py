"""From the prediction log to windows: every line is counted exactly once, whoever reads and whenever.

Whoever looks brings the windows up to date, and no process has to stay for that: what is new in each segment
(`log-*.jsonl`, `bulk-*.records`, `usage-*.jsonl`) is added to `windows/<segment>.json` (see `segments`); segments that
nobody writes to any more are joined in few files (see `store`), become Parquet, and are then removed (see `sealed`).
What `--keep` removes before anybody has looked is not counted.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, replace
from pathlib import Path

from ..errors import FormatError, StorageError
from ..runtime import ModelError, read_reference, read_signature
from ..runtime.tokens import tokenizers_of
from ..workspace import Workspace, locked
from .binning import Bins
from .counts import Counts, total
from .elsewhere import ELSEWHERE, fetch
from .mending import mend
from .places import LOGS, USAGE, folder_of, model_folder, signature_of
from .recounting import is_lost, recount
from .sealed import seal
from .segments import Segment, continued, finished, head_of, read_segment, write_segment
from .store import WHOLE, Index, absorb, lost_parts, read_index, stored_windows
from .vectors import Span

__all__ = [
    "WHOLE",
    "Observed",
    "Span",
    "as_counted",
    "bring_up_to_date",
    "folder_of",
    "model_folder",
    "observe",
    "reads_logs",
]

# Whoever counts a long log for the first time keeps the others waiting.
_PATIENCE_S = 600.0
_TRIES = 20
# What was gathered within a block of `as_counted`, by what was asked for; None where logs are read.
_gathered_here: ContextVar[dict[tuple[object, ...], Observed] | None] = ContextVar("_gathered_here", default=None)
# Every window begins and ends on a whole minute: moments of one minute ask for the same.
_MINUTE_S = 60
_Bins = Callable[[str], Bins | None]


@dataclass(frozen=True)
class Observed:
    """What was counted of one deployment.

    Args:
        windows: counts per window, the oldest first: minutes, or hours and days where it is long ago.
        broken: lines that are not prediction lines.
        begin: start of the oldest window of all, seconds since the epoch; None when nothing was counted.
        recounted: before this moment failed requests and use of the machine are not known: windows were lost, and
            counted again from the sealed rows. None where none were, or none that were looked at.
    """

    windows: Mapping[Span, Counts]
    broken: int
    begin: float | None = None
    recounted: float | None = None

    def since(self, moment: float | None) -> Counts:
        """The sum of the windows that end after `moment` (seconds since the epoch; None: all)."""
        return total(c for span, c in self.windows.items() if moment is None or span.start + span.seconds > moment)


@contextlib.contextmanager
def as_counted() -> Iterator[None]:
    """Within the block nothing reads a log: `observe`, and what stands on it, takes the windows as they lie there.

    For a page that many look at, while another process or thread keeps the windows up to date. What is asked for twice
    within a block is gathered once.
    """
    token = _gathered_here.set({})
    try:
        yield
    finally:
        _gathered_here.reset(token)


def reads_logs() -> bool:
    """Whether logs may be read here: not within `as_counted`."""
    return _gathered_here.get() is None


def observe(ws: Workspace, name: str, since: float | None = None, step: int | None = None) -> Observed:
    """Read what is new in a deployment's prediction log, and return what was counted of it.

    A line that is still being written waits for its end. Any number of processes may observe at once.

    Args:
        ws: the workspace.
        name: name of the deployment.
        since: leave out windows that end before this moment, seconds since the epoch.
        step: add the windows up to so many seconds, whole minutes; `WHOLE` makes one of all.

    Raises:
        NotFoundError: there is no such deployment.
        FormatError: the log or its windows are newer than this version reads, or a window file is broken.
    """
    folder = folder_of(ws, name)
    since = None if since is None else since // _MINUTE_S * _MINUTE_S
    known, asked = _gathered_here.get(), (folder, since, step)
    if known is None:
        bring_up_to_date(ws, folder)
    elif asked in known:
        return known[asked]
    found = _whole(name, folder, since, step)
    if known is not None:
        known[asked] = found
    return found


def _whole(name: str, folder: Path, since: float | None, step: int | None) -> Observed:
    """What the windows say, all of them as they stood at one moment."""
    for _ in range(_TRIES):
        index = read_index(folder)
        # Files are removed when the index has changed: what was read in between is read again.
        with contextlib.suppress(FileNotFoundError):
            found = _gathered(folder, index, since, step)
            if read_index(folder).generation == index.generation:
                return found
    index = read_index(folder)
    if gone := lost_parts(folder, index):
        raise FormatError(
            f"{folder / 'windows' / gone[0].file} is missing, and those beside it do not hold what was in it",
            expected="every file that index.json names",
            hint="bring it back, or delete index.json: sealed rows are counted again, failed requests are not",
        )
    raise StorageError(f"the windows of {name!r} change faster than they are read", hint="try again")


def bring_up_to_date(ws: Workspace, folder: Path) -> None:
    """Count what is new in the log, join the windows of segments that are done, and make Parquet of them."""
    fetch(ws, folder)
    bins = functools.cache(functools.partial(_bins_of, ws, folder))
    signatures = functools.cache(functools.partial(signature_of, ws, folder))
    if is_lost(folder):
        with locked(folder / "windows" / ".lock", timeout=_PATIENCE_S):
            recount(folder, _logs(folder), bins, signatures)
    if lost_parts(folder, read_index(folder)):
        with locked(folder / "windows" / ".lock", timeout=_PATIENCE_S):
            mend(folder, bins, signatures)
    logs, index = _logs(folder), read_index(folder)
    for stem in sorted(logs):
        # `--keep` removes while somebody reads.
        with contextlib.suppress(FileNotFoundError):
            _catch_up(folder, logs[stem], index, bins)
    # The logs are looked at once more, behind the windows: a segment that was begun since, and counted by somebody
    # else, would be taken for one that is gone.
    counted = [path.stem for path in _window_files(folder)]
    logs = _logs(folder)
    done = {path.stem for path in finished(logs.values())}
    waiting = {stem for stem in counted if stem in done or stem not in logs}
    if waiting:
        with locked(folder / "windows" / ".lock", timeout=_PATIENCE_S):
            _absorb(folder, sorted(waiting), logs, bins)
    seal(folder, signatures)


def _logs(folder: Path) -> dict[str, Path]:
    return {path.stem: path for kind in (*LOGS, USAGE) for path in folder.glob(kind)}


def _window_files(folder: Path) -> Iterator[Path]:
    return (folder / "windows").glob("*-*.json")


def _gathered(folder: Path, index: Index, since: float | None, step: int | None) -> Observed:
    found = stored_windows(folder, index, since, step)
    broken, begin = index.broken, [index.begin] if index.parts else []
    for path in sorted(_window_files(folder)):
        segment = read_segment(path)
        if index.absorbed.get(path.stem) == segment.head:
            continue
        broken += segment.broken
        for span, counts in segment.windows.items():
            begin.append(span.start)
            if since is not None and span.start + span.seconds <= since:
                continue
            place = Span(span.start // step * step, max(step, span.seconds)) if step else span
            found.setdefault(place, Counts()).add(counts)
    oldest = min((one for one in begin if one is not None), default=None)
    recounted = index.recounted if index.recounted > (since or 0) else None
    return Observed(dict(sorted(found.items())), broken, oldest, recounted)


def _catch_up(folder: Path, log: Path, index: Index, bins: _Bins) -> None:
    window_file = folder / "windows" / f"{log.stem}.json"
    segment, size = read_segment(window_file), log.stat().st_size
    if not size or (size == segment.offset and segment.head):
        return
    if index.absorbed.get(log.stem) == head_of(log):
        return
    with locked(folder / "windows" / ".lock", timeout=_PATIENCE_S):
        head = head_of(log)
        if read_index(folder).absorbed.get(log.stem) == head:
            return
        before = read_segment(window_file)
        if not before.is_of(head):
            # Another one under the same name, which is gone: what was counted of it stays.
            _join(folder, {log.stem: before})
            before = Segment()
        # A log that is shorter than what was read of it was not read from its start.
        after = continued(log, before if log.stat().st_size >= before.offset else Segment(), bins)
        if (after.offset, after.head) != (before.offset, before.head):
            write_segment(window_file, after)


def _absorb(folder: Path, stems: list[str], logs: Mapping[str, Path], bins: _Bins) -> None:
    """Join the windows of segments that are done with those that are; the lock is held."""
    taken: dict[str, Segment] = {}
    absorbed = read_index(folder).absorbed
    for stem in stems:
        segment = read_segment(folder / "windows" / f"{stem}.json")
        # Without an offset somebody else has joined it since.
        if segment.offset and absorbed.get(stem) != segment.head:
            taken[stem] = _last_of(logs[stem], segment, bins) if stem in logs else segment
    _join(folder, taken)
    for stem in stems:
        (folder / "windows" / f"{stem}.json").unlink(missing_ok=True)


def _last_of(log: Path, segment: Segment, bins: _Bins) -> Segment:
    """A segment that is done with what was written since it was read; the rest of a torn line is broken."""
    with contextlib.suppress(FileNotFoundError):
        size = log.stat().st_size
        if segment.head and segment.is_of(head_of(log)):
            whole = continued(log, segment, bins) if size > segment.offset else segment
            return replace(whole, broken=whole.broken + (size > whole.offset))
    return segment


def _join(folder: Path, segments: Mapping[str, Segment]) -> None:
    if segments:
        still = set(_logs(folder))
        still |= {path.stem for path in _window_files(folder)}
        if (folder / ELSEWHERE).exists():
            # There they stay, and are not to be fetched again.
            still |= read_index(folder).absorbed.keys()
        absorb(folder, {stem: (one.head, one.windows, one.broken) for stem, one in segments.items()}, still)


def _bins_of(ws: Workspace, folder: Path, version: str) -> Bins | None:
    """The bins of a version; None when its model is gone or has no reference."""
    path = model_folder(ws, folder, version)
    try:
        if path is None:
            return None
        signature, reference = read_signature(path), read_reference(path)
        # A model that was packaged before texts were counted has no bins for them.
        texts = any(f"{one.name}.tokens" in reference.features for one in signature.inputs)
    except ModelError:
        return None
    tokenizers = {}
    if texts:
        # Only what is told of texts needs them: the other columns are counted without.
        with contextlib.suppress(ModelError):
            tokenizers = dict(tokenizers_of(path, signature))
    return Bins(signature, reference, tokenizers)
