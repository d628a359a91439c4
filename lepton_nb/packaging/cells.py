"""The code cells of a notebook, read and not run."""

from __future__ import annotations

import ast
import contextlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from ..errors import FormatError, NotFoundError

__all__ = ["Cell", "above_package", "read_cells"]

_PACKAGES = re.compile(r"(?:%|^\s*!\s*)lepton\s+package\b(?!\s+import\b)|\blepton_nb\s*\.\s*package\s*\(", re.MULTILINE)
# Cell magics whose body is the notebook's own code.
_TRANSPARENT = re.compile(r"\s*%%(?:time|timeit|capture|prun|memit)\b")


@dataclass(frozen=True)
class Cell:
    """A code cell.

    Args:
        number: its place among the code cells, from 1.
        source: its text.
        tree: its code, with magics as calls; None when it is not Python.
        outputs: the texts that it left in the notebook.
    """

    number: int
    source: str
    tree: ast.Module | None
    outputs: tuple[str, ...] = ()


def read_cells(path: Path) -> tuple[Cell, ...]:
    """The code cells of a notebook, in order.

    Raises:
        NotFoundError: there is no such file.
        FormatError: it is no notebook.
    """
    import nbformat

    try:
        notebook = cast("Any", nbformat.read)(path, as_version=4)
    except FileNotFoundError as cause:
        raise NotFoundError(f"{path} does not exist", expected="a notebook (.ipynb)") from cause
    except Exception as cause:  # nbformat has no root for its errors
        raise FormatError(f"{path} is not a notebook", got=" ".join(str(cause).split())[:200]) from cause
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    return tuple(
        Cell(number, cell.source, _parsed(cell.source), tuple(_texts(cell.get("outputs", []))))
        for number, cell in enumerate(code, 1)
    )


def above_package(cells: Sequence[Cell]) -> tuple[Cell, ...]:
    """The cells above the one that packages; all of them when none does."""
    last = next((place for place, cell in enumerate(cells) if _PACKAGES.search(cell.source)), len(cells))
    return tuple(cells[:last])


def _parsed(source: str) -> ast.Module | None:
    from IPython.core.inputtransformer2 import TransformerManager

    head = ""
    if _TRANSPARENT.match(source):
        head, _, source = source.lstrip().partition("\n")
    with contextlib.suppress(SyntaxError, ValueError, RecursionError):
        code: str = cast("Any", TransformerManager)().transform_cell(source)
        # A cell may await at its top.
        flags = ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        tree: ast.Module = compile(code, "<cell>", "exec", flags, dont_inherit=True)
        if head.startswith("%%capture") and (words := [word for word in head.split()[1:] if word.isidentifier()]):
            tree.body += ast.parse(f"{words[-1]} = None").body
        return tree
    return None


def _texts(value: Any) -> Iterator[str]:
    """Every text of the outputs, however deep; pictures and the like are no texts."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            if not str(key).startswith(("image/", "audio/", "video/", "application/pdf")):
                yield from _texts(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _texts(item)
