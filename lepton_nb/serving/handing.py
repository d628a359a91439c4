"""Files that are handed to people: filled from templates, written so that nothing of theirs is lost."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import ConflictError, FormatError, UsageError
from ..workspace import file_sha256, read_json, write_atomic, write_json

__all__ = ["Part", "filled", "hand_over", "parts_below"]

_PLACE = re.compile(r"@([A-Z][A-Z_]*)@")


@dataclass(frozen=True)
class Part:
    """One file to write.

    Args:
        content: its text, or the file that it is a copy of.
        mode: permission bits.
    """

    content: str | Path
    mode: int = 0o644

    def read(self) -> bytes:
        """Its bytes."""
        return self.content.encode() if isinstance(self.content, str) else self.content.read_bytes()


def filled(template: Path, values: Mapping[str, str]) -> str:
    """A template whose `@NAME@` are replaced; what replaces them is not looked through again.

    Args:
        template: the file.
        values: text per name, already written as the language of the file has it.

    Raises:
        KeyError: the template has a name without a value.
    """
    return _PLACE.sub(lambda place: values[place[1]], template.read_text())


def parts_below(folder: Path, under: str) -> dict[str, Part]:
    """Every file of a folder as a part, by its path below `under`; caches of Python are left out.

    Args:
        folder: what is copied.
        under: where it goes.
    """
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {f"{under}/{path.relative_to(folder).as_posix()}": Part(path) for path in paths}


def hand_over(folder: Path, kind: str, parts: Mapping[str, Part]) -> tuple[Path, ...]:
    """Write files into a folder. What was written there before and not touched since is replaced or removed.

    Args:
        folder: made when absent.
        kind: what the files are; `.lepton-KIND.json` in the folder keeps the hashes of what was written.
        parts: by path below the folder.

    Returns:
        The files, in the order of `parts`.

    Raises:
        UsageError: the folder is a file.
        ConflictError: a file is in the way that was not written here, or was changed since. Nothing is changed then.
        FormatError: the list of what was written is broken, or newer than this version reads.
    """
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is not a folder", expected="a folder, or a path where there is nothing")
    ledger = folder / f".lepton-{kind}.json"
    ours = _written_before(ledger)
    for name in {**ours, **parts}:
        _check_place(folder, name, ours.get(name, ()))
    for name in ours.keys() - parts.keys():
        (folder / name).unlink(missing_ok=True)
    coming = {name: hashlib.sha256(part.read()).hexdigest() for name, part in parts.items()}
    folder.mkdir(parents=True, exist_ok=True)
    # Before the files: whatever a kill leaves, old or new, is still known as ours.
    _note(ledger, {name: (*ours.get(name, ()), sha256) for name, sha256 in coming.items()})
    for name, part in parts.items():
        _make_folders(folder, name)
        write_atomic(folder / name, part.read(), mode=part.mode, sync=False)
    _note(ledger, {name: (sha256,) for name, sha256 in coming.items()})
    return tuple(folder / name for name in parts)


def _note(ledger: Path, files: Mapping[str, Sequence[str]]) -> None:
    write_json(ledger, {"files": {name: list(hashes) for name, hashes in files.items()}}, sync=False)


def _make_folders(folder: Path, name: str) -> None:
    """The folders above a file; whoever may enter the first may read the others, whatever this process's umask is."""
    for above in reversed((folder / name).relative_to(folder).parents):
        place = folder / above
        if not place.is_dir():
            place.mkdir()
            place.chmod(0o755)


def _written_before(ledger: Path) -> dict[str, tuple[str, ...]]:
    """What may lie at each path as it was written, by SHA-256."""
    if ledger.is_symlink():
        raise ConflictError(f"{ledger} is a link", hint="choose another folder with --out")
    try:
        found = {str(name): tuple(map(str, hashes)) for name, hashes in dict(read_json(ledger)["files"]).items()}
    except FileNotFoundError:
        return {}
    except (KeyError, TypeError, ValueError) as cause:
        raise FormatError(
            f"{ledger} is not readable", got=str(cause), hint="choose another folder with --out"
        ) from cause
    if outside := [name for name in found if Path(name).is_absolute() or ".." in Path(name).parts]:
        raise FormatError(f"{ledger} names a file outside of its folder", got=outside[0], hint="choose another folder")
    return found


def _check_place(folder: Path, name: str, ours: Sequence[str]) -> None:
    """Refuse a place that holds what was not written here."""
    path = folder / name
    for above in path.relative_to(folder).parents:
        place = folder / above
        if above != Path() and (place.is_symlink() or (place.exists() and not place.is_dir())):
            raise ConflictError(f"{place} is in the way", expected="a folder", hint=_ELSEWHERE)
    if not path.exists() and not path.is_symlink():
        return
    if path.is_symlink() or not path.is_file() or not ours:
        raise ConflictError(f"{path} is there already, and was not written by lepton", hint=_ELSEWHERE)
    if file_sha256(path) not in ours:
        raise ConflictError(f"{path} was changed since lepton wrote it", hint=_ELSEWHERE)


_ELSEWHERE = "move it away, or choose another folder with --out"
