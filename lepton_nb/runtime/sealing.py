"""Segments that nobody writes to any more: copied elsewhere, and removed when they are old."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import time
from collections.abc import Collection, Iterator
from pathlib import Path

from .settings import Settings

__all__ = ["sealed", "tend"]

_SEGMENT = re.compile(r"(log|bulk|feedback|usage)-(\d+)-\d+\.(jsonl|records)")
_COPIED = ".copied"
_logger = logging.getLogger(__name__)
_said: set[str] = set()


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
        if path.name in closed if pid == os.getpid() else not _lives(pid):
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
    for path in sealed(folder, closed):
        try:
            if settings.log_url:
                _copy(path, settings.log_url)
            if settings.keep_s is not None and time.time() - path.stat().st_mtime > settings.keep_s:
                path.unlink()
                path.with_name(path.name + _COPIED).unlink(missing_ok=True)
        except Exception as cause:  # noqa: BLE001 - a store can fail in any way, and the server goes on
            if (text := f"{type(cause).__name__}: {cause}") not in _said:
                _said.add(text)
                _logger.warning("a log segment could not be tended: %s", text)


def _copy(path: Path, url: str) -> None:
    """Copy one segment; a mark beside it says that this is done."""
    import fsspec

    mark = path.with_name(path.name + _COPIED)
    if mark.exists():
        return
    files, base = fsspec.core.url_to_fs(url)
    # Process ids come again, times do not.
    target = f"{base.rstrip('/')}/{int(path.stat().st_ctime)}-{path.name}"
    files.makedirs(base, exist_ok=True)
    files.put_file(str(path), f"{target}.part")
    files.mv(f"{target}.part", target)
    with contextlib.suppress(FileExistsError):
        os.close(os.open(mark, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
