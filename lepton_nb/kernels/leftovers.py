"""What templates that were killed have left in their folder."""

from __future__ import annotations

import contextlib
import socket
import time
from pathlib import Path

from .place import Place

__all__ = ["sweep"]

# A note that a template cannot be started holds for a while; it is kept for somewhat longer.
_BROKEN_S = 600.0


def sweep(folder: Path, keep: Place) -> None:
    """Remove the files of templates that nobody answers for and nobody is starting.

    Args:
        folder: where templates listen.
        keep: the place whose lock the caller holds.
    """
    from filelock import FileLock, Timeout

    for key in {path.stem for path in folder.iterdir()} - {keep.socket.stem}:
        place = Place(folder, key)
        if not _silent(place.socket):
            continue
        with contextlib.suppress(Timeout, OSError), FileLock(place.lock, timeout=0, mode=0o600):
            # Whoever was starting one before we had the lock has it running now.
            if _silent(place.socket) and not _fresh(place.broken):
                for path in (place.socket, place.log, place.broken, place.lock):
                    path.unlink(missing_ok=True)


def _silent(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.setblocking(False)
        try:
            connection.connect(str(path))
        except (FileNotFoundError, ConnectionRefusedError):
            return True
        except OSError:
            return False
    return False


def _fresh(path: Path) -> bool:
    with contextlib.suppress(OSError):
        return time.time() - path.stat().st_mtime < _BROKEN_S
    return False
