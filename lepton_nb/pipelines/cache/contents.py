"""Files and folders as one thing each: their hash, and a copy that is there whole or not at all."""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from ...errors import StorageError
from ...workspace import file_sha256

__all__ = ["copy", "digest", "stamp"]


def digest(path: Path, of_file: Callable[[Path], str] = file_sha256) -> str:
    """The SHA-256 of a file; of a folder that of all it holds, by name, and no file has the same.

    Args:
        path: a file or a folder.
        of_file: hashes a file.

    Raises:
        StorageError: the folder holds a link that leads outside of it, or what is no file.
        OSError: one of them cannot be read.
    """
    if not path.is_dir():
        return of_file(path)
    listing = hashlib.sha256()
    for name, text in sorted(_listed(path, "", of_file)):
        listing.update(f"{len(name)} {name} {text}\n".encode(errors="surrogateescape"))
    return f"folder:{listing.hexdigest()}"


def stamp(path: Path) -> tuple[tuple[str, int, int, int], ...]:
    """What the system tells of a file, or of all that a folder holds: something else once one was written again.

    Args:
        path: a file or a folder.

    Returns:
        Names, inodes, sizes and times of change in nanoseconds; nothing when it is not there.
    """
    inner = sorted(path.rglob("*")) if path.is_dir() else []
    try:
        told = [(str(one), one.lstat()) for one in (path, *inner)]
    except FileNotFoundError:
        return ()
    return tuple((name, at.st_ino, at.st_size, at.st_ctime_ns) for name, at in told)


def _listed(folder: Path, prefix: str, of_file: Callable[[Path], str]) -> Iterator[tuple[str, str]]:
    with os.scandir(folder) as found:
        entries = list(found)
    for entry in entries:
        name, path = f"{prefix}{entry.name}", Path(entry.path)
        if entry.is_symlink():
            yield name, f"link {_link(path, prefix)}"
        elif entry.is_dir():
            yield name, "folder"
            yield from _listed(path, f"{name}/", of_file)
        elif entry.is_file():
            yield name, of_file(path)
        else:
            raise StorageError(f"{path} is neither a file nor a folder", hint="keep it out of the declared folder")


def _link(path: Path, prefix: str) -> str:
    target = str(path.readlink())
    if Path(target).is_absolute() or os.path.normpath(f"{prefix}{target}").split("/")[0] == "..":
        raise StorageError(
            f"{path} is a link that leads outside of its folder",
            expected="a relative link to what the folder holds",
            got=target,
            hint="copy what it leads to",
        )
    return target


def copy(source: Path, target: Path) -> None:
    """Copy a file, or a folder with its links as they are, with permission bits; what was there gives way whole."""
    target.parent.mkdir(parents=True, exist_ok=True)
    mark = secrets.token_hex(4)
    temporary = target.with_name(f".{target.name}.{mark}")
    try:
        if source.is_dir():
            shutil.copytree(source, temporary, symlinks=True, copy_function=_copied)
        else:
            _copied(source, temporary)
        if source.is_dir() or target.is_dir():
            # A folder cannot be renamed over another.
            aside = target.with_name(f".{target.name}.{mark}-old")
            if target.exists():
                target.rename(aside)
            temporary.rename(target)
            _remove(aside)
        else:
            temporary.replace(target)
    except BaseException:
        _remove(temporary)
        raise


def _copied(source: str | Path, target: str | Path) -> None:
    shutil.copy(source, target)
    with Path(target).open("rb") as stream:
        os.fsync(stream.fileno())


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
