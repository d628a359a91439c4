"""What a notebook says about itself before it runs: its language, its parameters, what it acts on."""

from __future__ import annotations

import ast
import functools
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ...errors import NotFoundError, PipelineError

__all__ = ["LIVE_VERBS", "Source", "declared_names", "read_source"]

# Verbs that start, change or ask what lives outside of the notebook: another time they do something else.
LIVE_VERBS = (
    "serve",
    "promote",
    "rollback",
    "watch",
    "predict",
    "monitor",
    "deploy",
    "stop",
    "feedback",
    "dashboard",
)
_VERBS = "|".join(LIVE_VERBS)
_COMMENT = re.compile(r"^\s*#.*$", re.MULTILINE)
# A verb that is an expression may be any.
_VERB = rf"lepton(?:_nb\.cli)?[ \t]+((?:{_VERBS})(?!\w)|[{{$])"
_TYPED = re.compile(rf"(?:%|^[ \t]*|!.*?\b){_VERB}", re.MULTILINE)
# The lines of a shell's cell may hold a command anywhere.
_SHELL, _TYPED_IN_SHELL = re.compile(r"\s*%%"), re.compile(rf"\b{_VERB}")
_ALIAS = re.compile(r"\blepton_nb\s+as\s+(\w+)")
_FROM = re.compile(r"\bfrom\s+lepton_nb\s+import\s*(\([^)]*\)|[^\n]*)")
# What is bound in these is no variable of the notebook.
_SCOPES = (
    *(ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda),
    *(ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp),
)
_WORD = re.compile(rf"\b(?:{_VERBS})\b")


@dataclass(frozen=True)
class Source:
    """A notebook as a pipeline sees it.

    Args:
        declared: names assigned in the first cell tagged `parameters`, which the pipeline may override.
        live: verbs of `LIVE_VERBS` that the code uses.
    """

    declared: tuple[str, ...]
    live: tuple[str, ...]


def read_source(path: Path) -> Source:
    """Read a notebook; one that did not change since is not read again.

    Args:
        path: a Python notebook of format 4.

    Raises:
        NotFoundError: there is no such file.
        PipelineError: it is no Python notebook of format 4, or its parameters cell does not parse.
    """
    try:
        state = path.stat()
    except OSError as cause:
        raise NotFoundError(f"no notebook {path}", hint="mend the step's `notebook` in the pipeline file") from cause
    return _read(path, (state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns))


@functools.lru_cache(maxsize=512)
def _read(path: Path, state: tuple[int, ...]) -> Source:
    cells = _cells(path)
    code = tuple(text for text, _ in cells)
    tagged = [text for text, tags in cells if "parameters" in tags]
    return Source(_declared(tagged[0], path) if tagged else (), _live(code))


def _declared(text: str, path: Path) -> tuple[str, ...]:
    try:
        return declared_names(text)
    except (SyntaxError, ValueError) as cause:
        line = f" in its line {cause.lineno}" if isinstance(cause, SyntaxError) else ""
        reason = cause.msg if isinstance(cause, SyntaxError) else str(cause)
        raise PipelineError(
            f"the parameters cell of {path} does not parse: {reason}{line}",
            expected="plain assignments such as `epochs = 5`",
        ) from cause


def declared_names(cell: str) -> tuple[str, ...]:
    """The names that a parameters cell binds, in its order; lines of magics are passed over.

    Args:
        cell: its source.

    Raises:
        SyntaxError: it does not parse.
        ValueError: it holds what no source may.

    Example:
        >>> declared_names("a, b = 1, 2; epochs: int; c = [i for i in range(3)]")
        ('a', 'b', 'epochs', 'c')
    """
    lines = ("" if line.lstrip().startswith(("%", "!")) else line for line in cell.split("\n"))
    return tuple(dict.fromkeys(_bound(ast.parse("\n".join(lines)))))


def _bound(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        yield node.id
    for inner in ast.iter_child_nodes(node):
        if not isinstance(inner, _SCOPES):
            yield from _bound(inner)


def _live(code: tuple[str, ...]) -> tuple[str, ...]:
    """The live verbs of a notebook: as magics, shell lines, attributes of the package, or imports from it.

    What calls them by another way (a subprocess, the HTTP of a deployment) says `cache: false` in the pipeline file.
    """
    cells = [_COMMENT.sub("", text) for text in code]
    aliases = {"lepton_nb", *(name for text in cells for name in _ALIAS.findall(text))}
    attribute = re.compile(rf"\b(?:{'|'.join(aliases)})\.({_VERBS})\b")
    found = []
    for text in cells:
        if "lepton" in text:
            found += (_TYPED_IN_SHELL if _SHELL.match(text) else _TYPED).findall(text)
            found += [name for names in _FROM.findall(text) for name in _WORD.findall(names)]
        found += attribute.findall(text)
    return tuple(dict.fromkeys(name if name in LIVE_VERBS else "an expression" for name in found))


def _cells(path: Path) -> list[tuple[str, tuple[str, ...]]]:
    """The text and the tags of each code cell."""
    try:
        notebook = json.loads(path.read_bytes())
        metadata = notebook["metadata"]
        language = metadata.get("language_info", {}).get("name") or metadata.get("kernelspec", {}).get("language")
        code = [cell for cell in notebook["cells"] if cell.get("cell_type") == "code"]
        cells = [("".join(cell.get("source", "")), tuple(cell.get("metadata", {}).get("tags", ()))) for cell in code]
    except (FileNotFoundError, IsADirectoryError) as cause:
        raise NotFoundError(f"no notebook {path}", hint="mend the step's `notebook` in the pipeline file") from cause
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as cause:
        raise PipelineError(f"{path} is no notebook", expected="JSON of notebook format 4", got=repr(cause)) from cause
    if language not in (None, "python", "ipython"):
        raise PipelineError(f"{path} is written in {language}", expected="a Python notebook")
    return cells
