"""Which files of the project does a notebook import or run, at any remove?"""

from __future__ import annotations

import ast
import contextlib
import re
import sys
import sysconfig
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Any

from .keys import Cell
from .mentions import Mentions

__all__ = ["Imports"]

# A magic, a shell command, an assignment from one, or a question: lines that Python cannot parse.
_NOT_PYTHON = re.compile(r"^(\s*)(?:[%!?]|[\w,\s.]+=\s*[%!](?!=)|\S.*\?\s*$)")
_IMPORT = re.compile(r"^\s*(?:from\s+([\w.]+)\s+import|import\s+([\w., ]+))", re.MULTILINE)
_EXTENSION = re.compile(r"^\s*%(?:re)?load_ext\s+([\w.]+)", re.MULTILINE)
# What verbs take for an object of a module, in a magic as in a parameter.
_OBJECT = re.compile(r"\b([A-Za-z_]\w*(?:\.\w+)*):[A-Za-z_]\w*")

_OURS = __name__.partition(".")[0]
_PATHS_GROW = frozenset({"sys.path.append", "sys.path.insert", "sys.path.extend"})


class Imports:
    """Finds the user's own modules; what is installed belongs to the environment.

    Args:
        root: the project root, where kernels work.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        paths = [Path(entry).absolute() for entry in sys.path if entry]
        # Those of the project first; the others are the user's own too, by PYTHONPATH or an editable installation.
        own = sorted(
            (path for path in paths if not _is_installed(path)), key=lambda path: not path.is_relative_to(root)
        )
        self._base = list(dict.fromkeys([root, *own]))
        self._paths = self._base
        self._graph: Any = None
        self._packages: frozenset[str] = frozenset()
        self._known: dict[tuple[frozenset[str], tuple[Path, ...]], set[Path]] = {}

    def reached(
        self, cells: Iterable[Cell], texts: Iterable[str] = (), made: Collection[Path] = ()
    ) -> tuple[Path, ...]:
        """The files that importing would run, and those that magics and shell lines name, sorted.

        Args:
            cells: code; lines of magics are read for `%load_ext`, for `package.module:Name`, and for files that are
                run or handed to a shell.
            texts: parameters that may name an object as `package.module:Name`.
            made: files and folders that the code makes; they are none that it depends on.
        """
        mentions = Mentions(self.root, made)
        mentions.read(cells := tuple(cells))
        names, paths = set(mentions.modules), list(self._base)
        # A script finds what lies beside it.
        paths += [file.parent for file, code in mentions.files.items() if code]
        for cell in (*cells, *(one for code in mentions.files.values() for one in code)):
            tree = _parsed(cell.source)
            names.update(_imported(tree, "") if tree else _seen(cell.source))
            names.update((*_EXTENSION.findall(cell.source), *_OBJECT.findall(cell.source)))
            for folder in _added_paths(tree) if tree else ():
                path = self.root / folder
                if path.is_relative_to(self.root) and path.is_dir():
                    paths.append(path)
        names.update(name for text in texts for name in _OBJECT.findall(text))
        paths = list(dict.fromkeys(paths))
        if paths != self._paths:
            self._paths, self._packages, self._graph = paths, frozenset(), None
        wanted = (frozenset(names), tuple(paths))
        if wanted not in self._known:
            self._known[wanted] = self._walk(wanted[0])
        return tuple(sorted({*self._known[wanted], *mentions.files}))

    def _walk(self, names: frozenset[str]) -> set[Path]:
        """Every file behind `names`; a package that is met first is added to the graph, and the walk begun anew."""
        waiting, seen, files = list(names), set(names), set[Path]()
        while waiting:
            name = waiting.pop()
            for module, file in self._chain(name):
                if file in files:
                    continue
                files.add(file)
                top = module.partition(".")[0]
                if self._is_package(top) and top not in self._packages:
                    self._packages |= {top}
                    self._graph = self._built()
                    return self._walk(names)
                more = set(self._direct(module, file)) - seen
                seen |= more
                waiting += more
        return files

    def _chain(self, name: str) -> list[tuple[str, Path]]:
        """The modules that `import name` runs, with their files: packages on the way, then itself.

        Those of every path: which one comes first is for the kernel to say, or for the script that it runs.
        """
        parts, found = name.split("."), list[tuple[str, Path]]()
        for base in self._paths:
            # This suite is no source of a step, even where it is installed as a link to its own.
            if parts[0] == _OURS and not base.is_relative_to(self.root):
                continue
            folder = base
            for depth, part in enumerate(parts, 1):
                module, package = folder / f"{part}.py", folder / part / "__init__.py"
                if package.is_file():
                    found.append((".".join(parts[:depth]), package))
                elif module.is_file():
                    found.append((".".join(parts[:depth]), module))
                    break
                elif not (folder / part).is_dir():
                    break
                folder /= part
        return found

    def _is_package(self, top: str) -> bool:
        return any((base / top / "__init__.py").is_file() for base in self._paths)

    def _built(self) -> Any:
        """The packages' graph; None when one of them does not parse."""
        import grimp

        before = list(sys.path)
        sys.path[:0] = [str(path) for path in self._paths]
        try:
            return grimp.build_graph(*sorted(self._packages), include_external_packages=True, cache_dir=None)
        except Exception:  # noqa: BLE001 - grimp's own tree is not public; the answer is to look less finely
            return None
        finally:
            sys.path[:] = before

    def _direct(self, module: str, file: Path) -> Iterable[str]:
        if module.partition(".")[0] not in self._packages:
            tree = _parsed(file.read_text(encoding="utf-8", errors="replace"))
            return _imported(tree, module.rpartition(".")[0]) if tree else ()
        if self._graph is not None and module in self._graph.modules:
            return set(self._graph.find_modules_directly_imported_by(module))
        # All of a package of which not every import can be told.
        top = file.parents[module.count(".") - (file.name != "__init__.py")]
        return {
            ".".join([module.partition(".")[0], *path.relative_to(top).with_suffix("").parts])
            for path in top.rglob("*.py")
        }


def _is_installed(path: Path) -> bool:
    """Whether what lies in an entry of `sys.path` came with the interpreter or by an installation."""
    if {"site-packages", "dist-packages"}.intersection(path.parts):
        return True
    places = [Path(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib", "scripts")]
    if sys.prefix != sys.base_prefix:
        places.append(Path(sys.prefix))
    return path.suffix == ".zip" or any(path.is_relative_to(place) for place in places)


def _parsed(source: str) -> ast.Module | None:
    """The code without its magics; None when it does not parse even so."""
    if source.lstrip().startswith("%%"):
        source = source.lstrip().partition("\n")[2]
    lines = [_NOT_PYTHON.sub(r"\1pass #", line, count=1) for line in source.splitlines()]
    for text in (source, "\n".join(lines)):
        with contextlib.suppress(SyntaxError, ValueError, RecursionError):
            return ast.parse(text)
    return None


def _imported(tree: ast.Module, package: str) -> Iterator[str]:
    """The modules that code imports, as far as it says so."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parts = package.split(".")
            above = parts[: len(parts) - node.level + 1] if node.level else []
            base = ".".join(part for part in (*above, node.module) if part)
            yield from (f"{base}.{alias.name}" if base else alias.name for alias in node.names)
        elif isinstance(node, ast.Call) and _called(node) in ("import_module", "__import__"):
            yield from _texts_of(node.args[:1])


def _called(node: ast.Call) -> str:
    return getattr(node.func, "attr", getattr(node.func, "id", ""))


def _added_paths(tree: ast.Module) -> Iterator[str]:
    """Folders that the code adds to `sys.path` by their names."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in _PATHS_GROW:
            yield from _texts_of(ast.walk(node))


def _texts_of(nodes: Iterable[ast.AST]) -> Iterator[str]:
    return (node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str))


def _seen(source: str) -> Iterator[str]:
    """What code that does not parse seems to import."""
    for match in _IMPORT.finditer(source):
        names = match[1] or match[2]
        yield from (name.split(" as ")[0].strip() for name in names.split(","))
