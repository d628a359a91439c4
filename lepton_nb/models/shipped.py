"""Classes and instances from a notebook, handed to a process of the same user by cloudpickle.

A pickle is code. It is written into the run's own folder, which only its owner can enter, and read back
only when that still holds.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

from ..errors import FormatError, UsageError

__all__ = ["pack", "unpack"]


def pack(value: Any) -> bytes:
    """Pickle a value so that a fresh process of this user can rebuild it.

    What was defined in a notebook travels by value, what can be imported travels by its name.

    Args:
        value: anything that cloudpickle takes.

    Raises:
        UsageError: it holds something that cannot be pickled, such as an open file.
    """
    import cloudpickle

    try:
        return bytes(cloudpickle.dumps(value))
    except Exception as cause:
        raise UsageError(
            "the network cannot be sent to the trainer",
            expected="a LightningModule without open files, locks or connections",
            got=f"{type(cause).__name__}: {cause}",
            hint="open such things in setup() or on_fit_start()",
        ) from cause


def unpack(path: Path) -> Any:
    """Rebuild what `pack` returned.

    Args:
        path: the file that holds it; the file and its folder must be this user's, and writable by nobody else.

    Raises:
        FormatError: somebody else could have written it, or it cannot be rebuilt here.
    """
    import cloudpickle

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
        return cloudpickle.loads(content)
    except Exception as cause:
        raise FormatError(
            f"{path} cannot be rebuilt",
            got=f"{type(cause).__name__}: {cause}",
            hint="install or restore what the network imports",
        ) from cause


def _check_private(place: Path, status: os.stat_result) -> None:
    others = status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    if status.st_uid != os.getuid() or others:
        raise FormatError(
            f"{place} is not opened: a pickle runs code, and another user could have written it",
            expected=f"owner {os.getuid()} and no write permission for group and others",
            got=f"owner {status.st_uid}, mode {stat.S_IMODE(status.st_mode):o}",
        )
