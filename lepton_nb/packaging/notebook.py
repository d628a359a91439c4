"""Is a notebook fit to be packaged from? It is read, and nothing in it is run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from ..errors import PackagingError
from .cells import Cell, above_package, read_cells
from .findings import secrets_in, unpinned
from .names import Names

__all__ = ["check_notebook"]

_MOST = 12


def check_notebook(path: Path, root: Path) -> int:
    """Refuse a notebook that only works in the kernel in which it was written, or that shows a secret.

    Args:
        path: the notebook, as it was saved last.
        root: of the project, whose environment files count.

    Returns:
        The number of code cells that were read.

    Raises:
        NotFoundError: there is no such file.
        FormatError: it is no notebook.
        PackagingError: a cell uses a name that no cell above it defines, imports what no environment file pins, or
            left a secret in its output; the message names cell and thing.
    """
    cells = read_cells(path)
    used = cells[: len(above_package(cells)) + 1]
    problems = [*_undefined(used), *unpinned(used, path, root), *secrets_in(cells)]
    if problems:
        shown = "; ".join(problems[:_MOST])
        more = f"; and {len(problems) - _MOST} more" if len(problems) > _MOST else ""
        raise PackagingError(
            f"{path.name} cannot be packaged from",
            expected="cells that run from the top in a fresh kernel, pinned imports, no secret in an output",
            got=shown + more,
        )
    return len(used)


def _undefined(cells: Sequence[Cell]) -> Iterator[str]:
    names = Names()
    for cell in cells:
        if cell.tree is None:
            yield f"cell {cell.number} is not Python that can be read"
            # What it would have defined is not known either.
            names.is_open = True
            continue
        for name in names.read(cell.tree, cell.number):
            yield f"cell {cell.number} uses {name!r}, which no cell above defines"
    for number, name in names.unmet():
        yield f"cell {number} uses {name!r}, which no cell defines"
