"""Which files of the project does a notebook import or run, at any remove?"""

from __future__ import annotations

import ast
import contextlib
import os
import re
import sys
import sysconfig
from collections.abc import Collection, Iterable, Iterator
from functools import lru_cache
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
_IMPORTERS = frozenset({"import_module", "__import__"})
# After these a module's name may mean any file of the project; so it may where an importer takes no plain name.
_UNCLEAR = _IMPORTERS | {
    *("chdir", "fchdir", "addsitedir", "addpackage", "meta_path", "path_hooks", "run_path", "run_module", "exec"),
    *("spec_from_file_location", "SourceFileLoader", "run_line_magic", "run_cell"),
}
_UNCLEAR_LINE = re.compile(
    r"^\s*%?(?:pushd|popd)\b|^\s*cd\b(?!\s*[=.(\[,:])|%cd\b(?![ \t]+(?:[\w./]+|\"[\w./ ]+\"|'[\w./ ]+')[ \t]*$)"
    r"|PYTHONPATH|\bpython\S*\s+(?:-\w+\s+)*-c\b",
    re.MULTILINE,
)
_UNCLEAR_WORD = re.compile(rf"\bsys\.path\b|\b(?:{'|'.join(sorted(_UNCLEAR))})\b")
# Folders that hold nobody's own modules.
_SKIPPED = frozenset({"node_modules", "__pycache__", "site-packages", "dist-packages"})


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
        self._known: dict[tuple[frozenset[str], tuple[Path, ...]], tuple[set[Path], bool]] = {}

    def reached(
        self, cells: Iterable[Cell], texts: Iterable[str] = (), made: Collection[Path] = ()
    ) -> tuple[Path, ...]:
        """The files that importing would run, and those that magics and shell lines name, sorted.

        Where code says in no plain words from where it imports, all of the project's modules.

        Args:
            cells: code; lines of magics are read for `%load_ext`, for `package.module:Name`, and for files that are
                run or handed to a shell.
            texts: parameters that may name an object as `package.module:Name`.
            made: files and folders that the code makes; they are none that it depends on.
        """
        mentions = Mentions(self.root, made)
        mentions.read(cells := tuple(cells))
        names, paths, unclear = set(mentions.modules), list(self._base), False
        # A script finds what lies beside it, and a kernel or a shell what lies where it went.
        paths += [*(file.parent for file, code in mentions.files.items() if code), *mentions.folders]
        for cell in (*cells, *(one for code in mentions.files.values() for one in code)):
            imported, added, vague = _read(cell.source)
            names |= imported
            unclear |= vague
            places = (Path(os.path.normpath(base / folder)) for folder in added for base in mentions.folders)
            paths += [path for path in places if path.is_dir() and not _is_installed(path)]
        names.update(name for text in texts for name in _OBJECT.findall(text))
        paths = list(dict.fromkeys(paths))
        if paths != self._paths:
            self._paths, self._packages, self._graph = paths, frozenset(), None
        wanted = (frozenset(names), tuple(paths))
        if wanted not in self._known:
            self._known[wanted] = self._walk(wanted[0])
        files, vague = self._known[wanted]
        every = self._modules(frozenset(made)) if unclear or vague else ()
        return tuple(sorted({*files, *mentions.files, *every}))

    def _modules(self, made: frozenset[Path]) -> Iterator[Path]:
        """Every Python module of the project, but those of environments, hidden folders, and what is made."""
        seen = set[str]()
        for folder, folders, names in os.walk(self.root, followlinks=True):
            here = Path(folder)
            if (real := os.path.realpath(folder)) in seen or "pyvenv.cfg" in names or here in made:
                folders.clear()
                continue
            seen.add(real)
            folders[:] = sorted(name for name in folders if name[0] != "." and name not in _SKIPPED)
            yield from (here / name for name in names if name.endswith(".py") and here / name not in made)

    def _walk(self, names: frozenset[str]) -> tuple[set[Path], bool]:
        """Every file behind `names`, and whether one of them may import any other.

        A package that is met first is added to the graph, and the walk begun anew.
        """
        waiting, seen, files, unclear = list(names), set(names), set[Path](), False
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
                imported, vague = self._direct(module, file)
                unclear |= vague
                waiting += imported - seen
                seen |= imported
        return files, unclear

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

    def _direct(self, module: str, file: Path) -> tuple[set[str], bool]:
        """What a module imports, and whether it may import any other of the project."""
        tree = _parsed(file.read_text(encoding="utf-8", errors="replace"))
        package = module if file.name == "__init__.py" else module.rpartition(".")[0]
        # The graph knows what is outside of its packages by its first name alone, which may be a folder's.
        names = set(_imported(tree, package)) if tree else set[str]()
        unclear = tree is not None and (_is_unclear(tree) or any(_added_paths(tree)))
        top = module.partition(".")[0]
        if top not in self._packages:
            return names, unclear
        if self._graph is not None and module in self._graph.modules:
            return names | set(self._graph.find_modules_directly_imported_by(module)), unclear
        # All of a package of which not every import can be told.
        folder = file.parents[module.count(".") - (file.name != "__init__.py")]
        return names | {
            ".".join([top, *path.relative_to(folder).with_suffix("").parts]) for path in folder.rglob("*.py")
        }, unclear


@lru_cache(maxsize=4096)
def _read(source: str) -> tuple[frozenset[str], tuple[str, ...], bool]:
    """The modules that a cell names, the folders it adds to `sys.path`, and whether it may import any other module."""
    tree = _parsed(source)
    names = {*_EXTENSION.findall(source), *_OBJECT.findall(source), *(_imported(tree, "") if tree else _seen(source))}
    unclear = _is_unclear(tree) if tree else bool(_UNCLEAR_WORD.search(source))
    return frozenset(names), tuple(_added_paths(tree)) if tree else (), unclear or bool(_UNCLEAR_LINE.search(source))


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
        elif isinstance(node, ast.Call) and _called(node) in _IMPORTERS:
            yield from _texts_of(node.args[:1])


def _called(node: ast.Call) -> str:
    return getattr(node.func, "attr", getattr(node.func, "id", ""))


def _added_paths(tree: ast.Module) -> Iterator[str]:
    """Folders that the code adds to `sys.path` by their names."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in _PATHS_GROW:
            yield from _texts_of(ast.walk(node))


def _is_unclear(tree: ast.Module) -> bool:
    """Whether code changes where modules are found, or imports one, and does not say it with plain names."""
    clear = set[int]()
    # Calls come before what they are made of.
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _is_plain(node):
            clear.update(map(id, ast.walk(node.func)))
        if id(node) in clear:
            continue
        if isinstance(node, ast.Attribute):
            system = isinstance(node.value, ast.Name) and node.value.id == "sys"
            found = node.attr in _UNCLEAR or (node.attr == "path" and system)
        elif isinstance(node, ast.ImportFrom):
            found = node.module == "sys" and any(alias.name in ("path", "*") for alias in node.names)
        elif isinstance(node, ast.alias):
            found = bool(node.asname) and (node.name == "sys" or node.name in _UNCLEAR)
        else:
            found = isinstance(node, ast.Name) and node.id in _UNCLEAR
        if found:
            return True
    return False


def _is_plain(node: ast.Call) -> bool:
    if _called(node) in _IMPORTERS:
        return any(not name.startswith(".") for name in _texts_of(node.args[:1]))
    items = [item for arg in node.args for item in (arg.elts if isinstance(arg, (ast.List, ast.Tuple)) else [arg])]
    plain = not node.keywords and all(isinstance(item, ast.Constant) for item in items)
    return plain and ast.unparse(node.func) in _PATHS_GROW


def _texts_of(nodes: Iterable[ast.AST]) -> Iterator[str]:
    return (node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str))


def _seen(source: str) -> Iterator[str]:
    """What code that does not parse seems to import."""
    for match in _IMPORT.finditer(source):
        names = match[1] or match[2]
        yield from (name.split(" as ")[0].strip() for name in names.split(","))
