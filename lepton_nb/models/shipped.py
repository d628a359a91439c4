"""Classes and instances from a notebook, handed to a process of the same user by cloudpickle.

A pickle is code. It is written into the run's own folder, which only its owner can enter, and read back
only when that still holds.
"""

from __future__ import annotations

import mmap
import os
import stat
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..errors import FormatError, UsageError
from ..workspace import write_atomic

__all__ = ["pack", "ship", "unpack"]

# Arrays begin where a processor reads them fast.
_ALIGNMENT = 64


def pack(value: Any, what: str = "the network") -> bytes:
    """Pickle a value so that a fresh process of this user can rebuild it.

    What was defined in a notebook travels by value, what can be imported travels by its name.

    Args:
        value: anything that cloudpickle takes.
        what: how a message calls it.

    Raises:
        UsageError: it holds something that cannot be pickled, such as an open file.
    """
    import cloudpickle

    try:
        return bytes(cloudpickle.dumps(value))
    except Exception as cause:
        raise _not_sent(what, cause) from cause


def ship(path: Path, value: Any, what: str) -> None:
    """As `pack`, into a file; arrays and tensors lie beside it, and are mapped into memory when they are read.

    Args:
        path: the file; `path` with the suffix `.bin` holds the arrays. Both are made with mode 0600.
        value: anything that cloudpickle takes.
        what: how a message calls it.

    Raises:
        UsageError: it holds something that cannot be pickled; nothing was written.
    """
    from .arrays import pickled

    try:
        content, buffers = pickled(value)
    except Exception as cause:
        raise _not_sent(what, cause) from cause
    with os.fdopen(os.open(_beside(path), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as stream:
        sizes = [buffer.nbytes for buffer in buffers]
        stream.write(struct.pack(f"<{1 + len(sizes)}Q", len(sizes), *sizes))
        for buffer in buffers:
            stream.write(bytes(-stream.tell() % _ALIGNMENT))
            stream.write(buffer)
    write_atomic(path, content, mode=0o600)


def _beside(path: Path) -> Path:
    return path.with_suffix(".bin")


def _not_sent(what: str, cause: Exception) -> UsageError:
    return UsageError(
        f"{what} cannot be sent to the trainer",
        expected="objects without open files, locks or connections",
        got=f"{type(cause).__name__}: {cause}",
        hint="open such things in setup() or on_fit_start()",
    )


def unpack(path: Path) -> Any:
    """Rebuild what `pack` returned or `ship` wrote.

    Args:
        path: the file that holds it; the file and its folder must be this user's, and writable by nobody else.

    Raises:
        FormatError: somebody else could have written it, or it cannot be rebuilt here.
    """
    import pickle

    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError as cause:
        raise FormatError(f"{path} is not opened", expected="a plain file of this run", got=str(cause)) from cause
    with os.fdopen(handle, "rb") as stream:
        for place, status in (
            (path.parent.parent, path.parent.parent.lstat()),
            (path.parent, path.parent.lstat()),
            (path, os.fstat(stream.fileno())),
        ):
            _check_private(place, status)
        content = stream.read()
    try:
        return pickle.loads(content, buffers=_mapped(_beside(path)))  # noqa: S301 -- nobody else could have written it
    except Exception as cause:
        raise FormatError(
            f"{path} cannot be rebuilt",
            got=f"{type(cause).__name__}: {cause}",
            hint="install or restore what the network imports",
        ) from cause


def _mapped(path: Path) -> Sequence[memoryview]:
    """The arrays beside a pickle: copied only where they are written to."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except FileNotFoundError:
        return ()
    with os.fdopen(handle, "rb") as stream:
        _check_private(path, os.fstat(stream.fileno()))
        whole = memoryview(mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_COPY))
    (count,) = struct.unpack_from("<Q", whole)
    sizes, place = struct.unpack_from(f"<{count}Q", whole, 8), 8 + 8 * count
    found = []
    for size in sizes:
        place += -place % _ALIGNMENT
        found.append(whole[place : place + size])
        place += size
    return found


def _check_private(place: Path, status: os.stat_result) -> None:
    others = status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    if status.st_uid != os.getuid() or others:
        raise FormatError(
            f"{place} is not opened: a pickle runs code, and another user could have written it",
            expected=f"owner {os.getuid()} and no write permission for group and others",
            got=f"owner {status.st_uid}, mode {stat.S_IMODE(status.st_mode):o}",
        )
