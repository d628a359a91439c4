"""Folders that go: first out of sight in one rename, then deleted.

A process that is killed in between leaves what it was deleting in `.lepton/trash`, where nothing looks for a run or an
entry; the next one that empties the trash deletes it.
"""

from __future__ import annotations

import contextlib
import errno
import os
from pathlib import Path

from .paths import Workspace

__all__ = ["discard", "leftovers", "size_of"]


def discard(ws: Workspace, *paths: Path) -> None:
    """Remove files and folders whole; one that is gone already is none to remove.

    Args:
        ws: the workspace.
        paths: what goes, renamed in this order before anything is deleted. A symbolic link goes, not what it means.
    """
    if not any(os.path.lexists(path) for path in paths):
        return
    import tempfile

    trash = _trash(ws)
    trash.mkdir(mode=0o700, exist_ok=True)
    place = Path(tempfile.mkdtemp(dir=trash))
    for number, path in enumerate(paths):
        with contextlib.suppress(FileNotFoundError):
            _move(path, place / f"{number}-{path.name}")
    _delete(place)


def leftovers(ws: Workspace) -> tuple[Path, ...]:
    """What an interrupted removal left in the trash."""
    return tuple(sorted(_trash(ws).glob("*")))


def size_of(path: Path) -> int:
    """Bytes of a file, or of all files in a folder; 0 when there is none. Links are not followed."""
    if path.is_symlink() or not path.is_dir():
        with contextlib.suppress(FileNotFoundError):
            return path.lstat().st_size
        return 0
    total = 0
    for folder, _, names in os.walk(path):
        for name in names:
            # It may be deleted meanwhile.
            with contextlib.suppress(FileNotFoundError):
                total += (Path(folder) / name).lstat().st_size
    return total


def _trash(ws: Workspace) -> Path:
    return ws.home / "trash"


def _move(path: Path, place: Path) -> None:
    try:
        path.rename(place)
    except OSError as refusal:
        if refusal.errno != errno.EXDEV:
            raise
        # On another file system it can only be deleted where it lies.
        _delete(path)


def _delete(path: Path) -> None:
    import shutil

    while os.path.lexists(path):
        # Another process that empties the trash may be faster.
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(path)
