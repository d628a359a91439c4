"""Segments that nobody writes to any more: copied elsewhere, and removed when they are old.

At LEPTON_LOG_URL lie `<time>-<hash>-<segment>`, and for whoever looks at them there, `slots.json` (the versions in each
slot) and `models/<name>/<tag>/` with `signature.json` and `reference.json` of each version that was in one.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import re
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from .errors import ModelError
from .formats import FORMAT, SIGNATURE_FILE
from .plans import CHAMPION, Slot, read_slots
from .reference import REFERENCE_FILE
from .settings import Settings

__all__ = ["announce", "lives", "sealed", "tend"]

_SEGMENT = re.compile(r"(log|bulk|feedback|usage)-(\d+)-\d+\.(jsonl|records)")
_COPIED, _COPYING = ".copied", "copying"
_HEAD_BYTES = 4096
_MEASURES = (SIGNATURE_FILE, REFERENCE_FILE, "card.json", "heldout.json", "tokenizer.json")
_logger = logging.getLogger(__name__)
_said: set[str] = set()
# Per place what was told of the slots there.
_told: dict[str, tuple[tuple[str, str], ...]] = {}


def announce(settings: Settings) -> None:
    """Tell whoever removes segments whether they are copied first: by the file `copying` in the log's folder."""
    if settings.log_dir is None:
        return
    mark = settings.log_dir / _COPYING
    with contextlib.suppress(OSError):
        if settings.log_url:
            os.close(os.open(mark, os.O_WRONLY | os.O_CREAT, 0o600))
        else:
            mark.unlink(missing_ok=True)


def sealed(folder: Path, closed: Collection[str] = ()) -> Iterator[Path]:
    """The segments of processes that have ended, and those of this one that it has closed.

    Args:
        folder: of the log.
        closed: names of the files that this process is done with; one that it has just begun is not among them.
    """
    for path in sorted(folder.iterdir()):
        found = _SEGMENT.fullmatch(path.name)
        if not found:
            continue
        pid = int(found[2])
        if path.name in closed if pid == os.getpid() else not lives(pid):
            yield path


def tend(settings: Settings, closed: Collection[str]) -> None:
    """Copy sealed segments to where they shall lie, and remove those that are too old. Failures are tried again.

    Args:
        settings: of the server.
        closed: names of the files that this process is done with.
    """
    folder = settings.log_dir
    if folder is None or not (settings.log_url or settings.keep_s):
        return
    with _alone(folder) as is_alone:
        if is_alone:
            _tend(settings, folder, closed)


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[bool]:
    """Whether no other worker is at it; two that copy one segment would get into each other's way."""
    number = os.open(folder / "tending.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        yield _is_locked(number)
    finally:
        os.close(number)


def _is_locked(number: int) -> bool:
    try:
        import fcntl
    except ImportError:
        # Windows: there is one worker as a rule.
        return True
    try:
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _tend(settings: Settings, folder: Path, closed: Collection[str]) -> None:
    if settings.log_url:
        _attempt(_tell, settings)
    for path in sealed(folder, closed):
        _attempt(_tend_one, settings, path)
    for path in (folder / "sealed").glob("*.parquet"):
        # Made of segments by whoever observes, and as old as they were.
        _attempt(_remove_old, settings, path)


def _attempt(work: Callable[..., None], *given: Any) -> None:
    try:
        work(*given)
    except Exception as cause:  # noqa: BLE001 - a store can fail in any way, and the server goes on
        if (text := f"{type(cause).__name__}: {cause}") not in _said:
            _said.add(text)
            _logger.warning("a log segment could not be tended: %s", text)


def _tend_one(settings: Settings, path: Path) -> None:
    # Whoever observes may have sealed and removed it.
    with contextlib.suppress(FileNotFoundError):
        if settings.log_url:
            _copy(path, settings.log_url)
        _remove_old(settings, path)


def _remove_old(settings: Settings, path: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        if settings.keep_s is not None and time.time() - path.stat().st_mtime > settings.keep_s:
            # The mark first: a later segment of the same name must not find it.
            path.with_name(path.name + _COPIED).unlink(missing_ok=True)
            path.unlink()


def _place(url: str) -> tuple[Any, str]:
    import fsspec

    files, base = fsspec.core.url_to_fs(url)
    base = base.rstrip("/")
    files.makedirs(base, exist_ok=True)
    return files, base


def _put(files: Any, source: Path, target: str) -> None:
    files.put_file(str(source), f"{target}.part")
    files.mv(f"{target}.part", target)


def _copy(path: Path, url: str) -> None:
    """Copy one segment; a mark beside it says that this is done."""
    mark = path.with_name(path.name + _COPIED)
    if mark.exists():
        return
    with path.open("rb") as stream:
        digest = hashlib.sha256(stream.read(_HEAD_BYTES)).hexdigest()[:8]
    files, base = _place(url)
    # Process ids come again, times do not; and another machine has both, but not what is in it.
    _put(files, path, f"{base}/{int(path.stat().st_ctime)}-{digest}-{path.name}")
    with contextlib.suppress(FileExistsError):
        os.close(os.open(mark, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))


def _tell(settings: Settings) -> None:
    """Leave beside the segments which versions answer, and what drift of theirs is measured against."""
    slots = _slots(settings)
    state = tuple(sorted((name, one.bento) for name, one in slots.items()))
    if _told.get(settings.log_url) == state:
        return
    files, base = _place(settings.log_url)
    for one in slots.values():
        name, _, tag = one.bento.partition(":")
        files.makedirs(f"{base}/models/{name}/{tag}", exist_ok=True)
        for file in _MEASURES:
            if (one.path / file).is_file():
                _put(files, one.path / file, f"{base}/models/{name}/{tag}/{file}")
    value = {"format": FORMAT, "slots": {name: {"bento": bento} for name, bento in state}}
    files.pipe_file(f"{base}/slots.json", json.dumps(value).encode())
    _told[settings.log_url] = state


def _slots(settings: Settings) -> Mapping[str, Slot]:
    with contextlib.suppress(ModelError):
        if settings.slots is not None:
            return read_slots(settings.slots)
    return {CHAMPION: settings.champion}


def lives(pid: int) -> bool:
    """Whether a process of this number is there, whoever it belongs to."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
