"""Where an executed notebook goes: local files whole or not at all, anything else by Papermill's own handlers."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

from nbformat import NotebookNode
from nbformat.v4 import nbjson
from papermill.iorw import LocalHandler, papermill_io

from ...workspace import write_atomic

__all__ = ["is_local", "picture", "prepare", "save"]


def is_local(path: str) -> bool:
    """Whether a path is one of this machine's files, as Papermill sees it."""
    return isinstance(papermill_io.get_handler(path), (LocalHandler, _WholeFiles))


def prepare(path: str) -> None:
    """Have this file be replaced as a whole in this process, by Papermill too, which writes it at the very end."""
    handler = papermill_io.get_handler(path)
    if type(handler) is LocalHandler:
        # Papermill picks a handler by how a path begins: this one begins as itself.
        papermill_io.register(path, _WholeFiles(handler))


def save(notebook: Any, path: str) -> None:
    """Write a notebook, without checking it against its schema once more."""
    text: str = nbjson.writes(notebook)  # type: ignore[no-untyped-call] # nbformat types some functions only
    papermill_io.write(text, path)


def picture(value: Any) -> Any:
    """A notebook as it is now, which does not change when it does; texts, the bulk of it, are not copied."""
    if isinstance(value, dict):
        node = NotebookNode()  # type: ignore[no-untyped-call] # nbformat types some functions only
        # Its own way to take items looks into each of them.
        dict.update(node, {name: picture(item) for name, item in value.items()})
        return node
    return [picture(item) for item in value] if isinstance(value, (list, tuple)) else value


class _WholeFiles:
    """Papermill's handler of local files, but for how it writes."""

    def __init__(self, local: Any) -> None:
        self._local = local

    def __getattr__(self, name: str) -> Any:
        return getattr(self._local, name)

    def write(self, text: str, path: str) -> None:
        """Replace a file."""
        # Papermill remembers the folder it was called in, since it executes in another one.
        self._local.cwd(folder := self._local.cwd(None))
        target = Path(os.path.realpath(Path(folder or ".") / path))
        kept = target.stat().st_mode if target.exists() else None
        if not target.parent.is_dir() or not (kept is None or stat.S_ISREG(kept)):
            # No folder, which is an error that Papermill names; or a device or a pipe, which cannot be replaced.
            self._local.write(text, path)
            return
        # Half a character of UTF-16, which JSON can name and UTF-8 cannot.
        content = text.encode("utf-8", "backslashreplace")
        mode = 0o666 & ~_umask() if kept is None else stat.S_IMODE(kept)
        try:
            write_atomic(target, content, mode=mode)
        except PermissionError:
            # The file may be written, but nothing may be made beside it.
            self._local.write(text, path)


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
