"""Files of ours: written whole or not at all, and stamped with their format."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..errors import ConflictError, FormatError

__all__ = ["file_sha256", "locked", "read_json", "replacing", "write_atomic", "write_json"]


def write_atomic(path: Path, content: bytes | str, *, mode: int = 0o644, sync: bool = True) -> None:
    """Replace `path` by `content`; a reader sees the old file or the new one, never a part.

    Args:
        path: the file; its folder is made when absent.
        content: bytes, or text written as UTF-8.
        mode: permission bits of the new file.
        sync: whether it must outlast a loss of power, too; what can be made again need not.
    """
    import tempfile

    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content.encode() if isinstance(content, str) else content)
            if sync:
                stream.flush()
                os.fsync(stream.fileno())
        Path(temporary).chmod(mode)
        Path(temporary).replace(path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            Path(temporary).unlink()
        raise


@contextlib.contextmanager
def replacing(path: Path, *, mode: int = 0o644) -> Iterator[Path]:
    """Give a file beside `path` to write to, which takes its place at the end; on a failure `path` stays as it was.

    Args:
        path: the file; its folder is made when absent.
        mode: permission bits of the new file.
    """
    import tempfile

    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(mode)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_json(path: Path, value: dict[str, Any], *, version: int = 1, mode: int = 0o644, sync: bool = True) -> None:
    """Write a JSON object stamped with its format number, atomically."""
    write_atomic(path, json.dumps({"format": version, **value}, indent=1, allow_nan=False), mode=mode, sync=sync)


def read_json(path: Path, *, newest: int = 1) -> dict[str, Any]:
    """Read a JSON object that `write_json` wrote.

    Args:
        path: the file.
        newest: the highest format number the caller understands.

    Raises:
        FileNotFoundError: there is no such file.
        FormatError: the file is not JSON of ours, or newer than `newest`.
    """
    try:
        value = json.loads(path.read_bytes())
        found = int(value["format"])
    except (ValueError, KeyError, TypeError) as cause:
        raise FormatError(
            f"{path} is not readable", expected="a JSON object with a format number", got=str(cause)
        ) from cause
    if found > newest:
        raise FormatError(
            f"{path} has format {found}",
            expected=f"format {newest} or older",
            hint="upgrade lepton_nb to the version that wrote it",
        )
    return dict(value)


@contextlib.contextmanager
def locked(path: Path, *, timeout: float = 60.0) -> Iterator[None]:
    """Hold the lock file `path` while the block runs.

    Args:
        path: the lock file, made when absent.
        timeout: seconds to wait for another holder.

    Raises:
        ConflictError: the lock was not free within `timeout`.
    """
    from filelock import FileLock, Timeout

    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(path, timeout=timeout):
            yield
    except Timeout as cause:
        raise ConflictError(
            f"{path} is held by another process", hint=f"wait for it to end; waited {timeout:g} s"
        ) from cause


def file_sha256(path: Path) -> str:
    """The SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
