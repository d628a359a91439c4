"""Which files of the project does a notebook run, or hand to a shell, by their names?"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from .keys import Cell, code_cells

__all__ = ["Mentions"]

_CONTINUED = re.compile(r"\\\n")
# A cell whose every line is a shell's.
_SHELL = re.compile(r"\s*%%(?:bash|sh|script|system|sx|!|cmd)(?!\w)")
# A line that hands its rest over, perhaps behind `%time`, or to a name.
_LINE = re.compile(r"^\s*(?:[^%!\n]*=\s*)?(?:%\w+\s+)*(?:%(?:run|sx|system|cd|load)\b|!)(.*)$", re.MULTILINE)
_MODULE = re.compile(r"(?:^|\s)-m\s+([A-Za-z_][\w.]*)")
# What a command makes is nothing that it depends on.
_MADE = re.compile(r"&?\d?>>?&?\s*[^\s;|&]+")
_WORD = r"[^\s;|&<>()\"'`=]+"
_TOKEN = re.compile(rf"\"([^\"\n]+)\"|'([^'\n]+)'|{_WORD}")


class Mentions:
    """The files and folders that a step's code names where it runs one, and the files' code.

    Args:
        root: the project root, where kernels work.
        besides: files and folders that the step makes.
    """

    def __init__(self, root: Path, besides: Collection[Path] = ()) -> None:
        self.root, self.besides = root, frozenset(besides)
        self.files: dict[Path, tuple[Cell, ...]] = {}
        self.modules: set[str] = set()
        self.folders = [root]

    def read(self, cells: Iterable[Cell]) -> None:
        """Look for files in code, and in the code of these files."""
        for cell in cells:
            for text in _handed_over(cell.source):
                self.modules.update(name for module in _MODULE.findall(text) for name in (module, f"{module}.__main__"))
                for token in _tokens(text):
                    self._take(token)

    def _take(self, token: str) -> None:
        for folder in tuple(self.folders):
            # Without its ending `%run` finds it too.
            for name in (token, f"{token}.py", f"{token}.ipynb"):
                path = Path(os.path.normpath(folder / name))
                try:
                    if not path.is_relative_to(self.root) or self._made(path):
                        continue
                    if path.is_dir() and path not in self.folders:
                        self.folders.append(path)
                    if path.is_file() and path not in self.files:
                        self.files[path] = ()
                        self.files[path] = _code_of(path)
                        self.read(self.files[path])
                except (OSError, ValueError):
                    # A text too long for a name, or a file that may not be read: it is none of ours.
                    continue

    def _made(self, path: Path) -> bool:
        kept = path.relative_to(self.root).parts[:1] == (".lepton",)
        return kept or not self.besides.isdisjoint((path, *path.parents))


def _handed_over(source: str) -> Iterator[str]:
    """What a cell hands to a shell, or to `%run`."""
    if "!" not in source and "%" not in source:
        return
    source = _CONTINUED.sub(" ", source)
    if _SHELL.match(source):
        yield source.lstrip()
    else:
        yield from (match[1] for match in _LINE.finditer(source))


def _tokens(text: str) -> Iterator[str]:
    text = _MADE.sub(" ", text)
    for match in _TOKEN.finditer(text):
        quoted = match[1] or match[2]
        # What is quoted is one name, or a command.
        yield from (quoted, *re.findall(_WORD, quoted)) if quoted else (match[0],)


def _code_of(path: Path) -> tuple[Cell, ...]:
    """The code of a file; nothing for one that is no code."""
    if path.suffix == ".ipynb":
        try:
            return code_cells(json.loads(path.read_bytes()))
        except (ValueError, KeyError, TypeError, AttributeError):
            return ()
    if path.suffix in (".py", ".ipy", ".sh", ".bash"):
        text = path.read_text(encoding="utf-8", errors="replace")
        return (Cell(f"%%sh\n{text}" if path.suffix in (".sh", ".bash") else text),)
    return ()
