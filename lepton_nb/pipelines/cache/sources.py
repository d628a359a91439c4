"""What a step's result depends on, as it lies on the disk now."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import sys
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from ...errors import NotFoundError, StorageError
from ...workspace import file_sha256
from .contents import digest
from .keys import Cell, code_cells, key
from .modules import Imports

__all__ = ["Sources", "environment_digest"]

# How the folders that packages are installed in are called.
_INSTALLED = ("site-packages", "dist-packages")


class Sources:
    """Reads and hashes; a file is hashed again only when it changed.

    Args:
        root: the project root, where kernels work.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._imports = Imports(root)
        self._digests: dict[Path, tuple[tuple[int, int, int], str]] = {}
        self._cells: dict[str, tuple[Cell, ...]] = {}

    def key(
        self,
        notebook: Path,
        parameters: Mapping[str, Any],
        *,
        inputs: Sequence[Path] = (),
        writes: Sequence[Path] = (),
        needs: Sequence[Any] = (),
    ) -> str:
        """The key of a step's result.

        Args:
            notebook: its source.
            parameters: resolved values.
            inputs: declared files and folders.
            writes: declared outputs.
            needs: what is taken from the needed steps and no parameter says.

        Raises:
            NotFoundError: a declared input does not exist.
            StorageError: one of the files cannot be read.
        """
        cells = self._code(notebook)
        return key(
            cells=cells,
            parameters=parameters,
            inputs=self.digests(inputs),
            modules=self.digests(self._imports.reached(cells, _texts(parameters), writes)),
            environment=self.environment,
            writes=[self.name(path) for path in writes],
            needs=needs,
        )

    def digests(self, files: Iterable[Path]) -> dict[str, str]:
        """Hashes of files and folders, by their path relative to the project root.

        Raises:
            NotFoundError: one of them does not exist.
            StorageError: one of them cannot be read.
        """
        return {self.name(path): self._digest(path) for path in files}

    def name(self, path: Path) -> str:
        """The path relative to the project root, as it stands in a key."""
        return path.relative_to(self.root).as_posix() if path.is_relative_to(self.root) else path.as_posix()

    @cached_property
    def environment(self) -> str:
        """Digest of the interpreter and of what is installed for it."""
        # Not the current folder, which may hold the metadata of what is built in it.
        return environment_digest(path for path in sys.path if Path(path).name in _INSTALLED)

    def _code(self, notebook: Path) -> tuple[Cell, ...]:
        known = self._digest(notebook)
        if known not in self._cells:
            self._cells[known] = code_cells(json.loads(notebook.read_bytes()))
        return self._cells[known]

    def _digest(self, path: Path) -> str:
        try:
            return digest(path, self._of_file)
        except FileNotFoundError as cause:
            raise NotFoundError(f"{path} does not exist", hint="make the file, or mend the pipeline file") from cause
        except OSError as cause:
            raise StorageError(f"{path} cannot be read", got=cause.strerror or str(cause)) from cause

    def _of_file(self, path: Path) -> str:
        stat = path.stat()
        state = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
        if path not in self._digests or self._digests[path][0] != state:
            self._digests[path] = (state, file_sha256(path))
        return self._digests[path][1]


def environment_digest(paths: Iterable[str]) -> str:
    """SHA-256 of the interpreter's version and of the names and versions of the installed distributions.

    Args:
        paths: folders that modules are imported from.
    """
    installed: set[str] = set()
    for path in set(paths):
        try:
            with os.scandir(path) as found:
                installed.update(entry.name for entry in found if entry.name.endswith((".dist-info", ".egg-info")))
        except OSError:
            # A path that is an archive, or not there.
            continue
    about = [platform.python_implementation(), platform.python_version(), platform.machine(), *sorted(installed)]
    return hashlib.sha256("\n".join(about).encode()).hexdigest()


def _texts(value: Any) -> Iterable[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _texts(item)
