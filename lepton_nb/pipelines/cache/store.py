"""The results of steps under their keys: an entry is there whole, or it is not used.

`.lepton/cache/<key>/` holds `entry.json`, the executed notebook and the files that the step wrote. An entry that does
not match its own hashes is put aside as `.broken-<key>-...`. `.locks/<key>` is held by whoever computes a key.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import FormatError, StorageError
from ...workspace import read_json, write_atomic, write_json
from .contents import copy, digest

if TYPE_CHECKING:
    from filelock import BaseFileLock

__all__ = ["Entry", "Store"]

_ENTRY, _NOTEBOOK, _FILES = "entry.json", "notebook.ipynb", "files"


@dataclass(frozen=True)
class Entry:
    """The result of a step that completed.

    Args:
        key: SHA-256 of all that it depends on.
        step: the step that it was computed for.
        outputs: what the notebook reported.
        seconds: wall time that it took.
        peak_memory_mb: MiB that its processes took at most beyond what they held at first; None when nobody measured.
        writes: hashes of the files and folders that it made, by their path relative to the project root.
        notebook: SHA-256 of the executed notebook.
    """

    key: str
    step: str
    outputs: Mapping[str, Any] = field(default_factory=dict)
    seconds: float = 0.0
    peak_memory_mb: float | None = None
    writes: Mapping[str, str] = field(default_factory=dict)
    notebook: str = ""


class Store:
    """Results by key.

    Args:
        folder: `.lepton/cache`.
        root: the project root.
    """

    def __init__(self, folder: Path, root: Path) -> None:
        self.folder, self.root = folder, root
        self._held: dict[str, BaseFileLock] = {}

    def take(self, key: str, executed: Path, writes: Collection[str] | None = None) -> tuple[Entry | None, str]:
        """Put a result where a run of the step would have put it.

        Files that the step made are written back when they are not there, or not the same. So are folders, as a whole:
        what else lies in one is gone then.

        Args:
            key: of the step.
            executed: where the executed notebook goes.
            writes: what the step declares to make, relative to the project root; an entry of other files is broken.

        Returns:
            The entry, or None when there is none that is whole; and what was wrong with it, else nothing.
        """
        place = self.folder / key
        try:
            entry, notebook = self._read(place)
            if writes is not None and set(entry.writes) != set(writes):
                raise FormatError("it holds other files than the step makes")  # noqa: TRY301 -- put aside as any other
        except FileNotFoundError as absent:
            if not place.is_dir():
                return None, ""
            return None, self._put_aside(place, f"{Path(absent.filename).name} is not there")
        except (FormatError, StorageError, KeyError, TypeError, ValueError, AttributeError, OSError) as cause:
            return None, self._put_aside(place, str(cause))
        try:
            for number, (name, wanted) in enumerate(entry.writes.items()):
                if not _is(self.root / name, wanted):
                    copy(place / _FILES / str(number), self.root / name)
        except OSError as cause:
            if not place.is_dir():
                # A clean-up took it away meanwhile.
                return None, ""
            return None, f"what it made cannot be put back: {cause.strerror or cause}"
        # Not synced: were it lost, its record would be too, and the entry is still here.
        write_atomic(executed, notebook, sync=False)
        with contextlib.suppress(OSError):
            # When it was last of use, for whoever cleans up.
            os.utime(place / _ENTRY)
        return entry, ""

    def keep(self, entry: Entry, executed: Path) -> str:
        """Store a result; an older one of the same key gives way.

        Args:
            entry: without the notebook's hash.
            executed: the executed notebook.

        Returns:
            Why it was not stored, else nothing.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        made = self.folder / f".new-{entry.key}-{secrets.token_hex(4)}"
        try:
            (made / _FILES).mkdir(parents=True, mode=0o700)
            notebook = executed.read_bytes()
            _synced(made / _NOTEBOOK, notebook)
            for number, (name, wanted) in enumerate(entry.writes.items()):
                copy(self.root / name, made / _FILES / str(number))
                if not _is(made / _FILES / str(number), wanted):
                    return f"{name} changed after the step had ended"
            body: dict[str, Any] = {name: getattr(entry, name) for name in Entry.__dataclass_fields__}
            body |= {"outputs": dict(entry.outputs), "writes": dict(entry.writes)}
            body["notebook"] = hashlib.sha256(notebook).hexdigest()
            write_json(made / _ENTRY, {**body, "sha256": _sha256(body)})
            place = self.folder / entry.key
            if place.exists():
                place.rename(self.folder / f".old-{entry.key}-{secrets.token_hex(4)}")
            made.rename(place)
            _sync_folder(self.folder)
        except OSError as cause:
            return f"it cannot be stored: {cause.strerror or cause}"
        finally:
            for rest in (made, *self.folder.glob(f".old-{entry.key}-*")):
                shutil.rmtree(rest, ignore_errors=True)
        return ""

    def claim(self, key: str) -> bool:
        """Become the one who computes a key; False while another process, or another step, does.

        A claim ends with its process, however that ends.
        """
        from filelock import FileLock, Timeout

        if key in self._held:
            return False
        (self.folder / ".locks").mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.folder / ".locks" / key, timeout=0, thread_local=False)
        try:
            lock.acquire()
        except Timeout:
            return False
        self._held[key] = lock
        return True

    def release(self, key: str) -> None:
        """Give a claim up; one that is not held is no error."""
        if lock := self._held.pop(key, None):
            lock.release()

    def _read(self, place: Path) -> tuple[Entry, bytes]:
        """An entry whose every file has its hash, and its notebook."""
        body = read_json(place / _ENTRY)
        fields = {name: body[name] for name in Entry.__dataclass_fields__}
        if _sha256(fields) != body["sha256"]:
            raise FormatError("it does not match its own hash")
        entry = Entry(**fields)
        if entry.key != place.name:
            raise FormatError("it belongs to another key")
        notebook = (place / _NOTEBOOK).read_bytes()
        if hashlib.sha256(notebook).hexdigest() != entry.notebook:
            raise FormatError("its notebook does not match its hash")
        for number, (name, wanted) in enumerate(entry.writes.items()):
            if digest(place / _FILES / str(number)) != wanted:
                raise FormatError(f"its copy of {name} does not match its hash")
        return entry, notebook

    def _put_aside(self, place: Path, cause: str) -> str:
        aside = self.folder / f".broken-{place.name}-{secrets.token_hex(4)}"
        with contextlib.suppress(OSError):
            place.rename(aside)
        return f"the cache entry was broken ({cause}) and lies in {aside} now"


def _is(path: Path, wanted: str) -> bool:
    """Whether this hash is that of what lies there now."""
    try:
        return digest(path) == wanted
    except (OSError, StorageError):
        return False


def _sha256(body: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


def _synced(path: Path, content: bytes) -> None:
    with path.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())


def _sync_folder(folder: Path) -> None:
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
