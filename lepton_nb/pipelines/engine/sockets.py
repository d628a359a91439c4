"""The folder of a kernel's sockets: private, of a short path, and gone when its owner is, however that ended."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tempfile
from pathlib import Path

if sys.platform != "win32":
    import fcntl

__all__ = ["SocketFolder"]

_PREFIX = "lepton-ipc-"
# Nothing is removed that does not hold it: a folder of that name may be anybody's.
_MARK = ".lepton-sockets"


class SocketFolder:
    """A private folder, which a lock says to be in use. Making one removes what killed ones left.

    Attributes:
        name: its path.
    """

    def __init__(self) -> None:
        _sweep(tempfile.gettempdir())
        # It gets the name that a sweep looks for when it has its lock.
        new = Path(tempfile.mkdtemp(prefix="lepton."))
        self._owner = _locked(new)
        (new / _MARK).touch()
        self.name = str(new.rename(new.with_name(f"{_PREFIX}{os.getpid()}-{new.name[-8:]}")))

    def __enter__(self) -> Path:
        return Path(self.name)

    def __exit__(self, *_: object) -> None:
        self.cleanup()

    def cleanup(self) -> None:
        """Remove it."""
        shutil.rmtree(self.name, ignore_errors=True)
        if self._owner is not None:
            os.close(self._owner)
            self._owner = None


def _sweep(place: str) -> None:
    """Remove the folders of this user's processes that were killed before they could."""
    for folder in Path(place).glob(f"{_PREFIX}*"):
        if (folder / _MARK).exists() and (descriptor := _locked(folder)) is not None:
            shutil.rmtree(folder, ignore_errors=True)
            os.close(descriptor)


def _locked(folder: Path) -> int | None:
    """A descriptor that holds a folder's lock; None when it is in use, another user's, or cannot be locked."""
    if sys.platform == "win32":
        return None
    descriptor = None
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        if os.fstat(descriptor).st_uid == os.geteuid():
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return descriptor
    if descriptor is not None:
        os.close(descriptor)
    return None
