"""Do the cells above the package call run by themselves? They are run in a kernel of their own."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from ..errors import PackagingError
from .cells import Cell, above_package, read_cells
from .names import bound_by

__all__ = ["REPLAY", "Replayed", "replay"]

# While it is 1, a verb that starts or changes something is refused.
REPLAY = "LEPTON_REPLAY"
_REFUSED = "ReplayError"
# As Python says it, and as the magic does.
_MISSING = re.compile(r"\b(\w+)'? is not defined")


@dataclass(frozen=True)
class Replayed:
    """What was run.

    Args:
        cells: how many cells stand above the package call.
        left: numbers of those that start or change something, or need what such a cell would have given.
    """

    cells: int
    left: tuple[int, ...]

    def __str__(self) -> str:
        told = f"{self.cells - len(self.left)} of {self.cells} cells were replayed"
        if not self.left:
            return told
        numbers = ", ".join(map(str, self.left))
        return f"{told}; left out, since they start or change something or need what does: {numbers}"


def replay(path: Path) -> Replayed:
    """Run the cells above the package call in a clean kernel, in the notebook's folder.

    A verb that starts or changes something (train, serve, deploy, ...) is refused there, and its cell is left out, with
    the cells that need what it would have given.

    Args:
        path: the notebook, as it was saved last; it is not changed.

    Returns:
        How many cells were run.

    Raises:
        NotFoundError: there is no such file.
        FormatError: it is no notebook.
        PackagingError: a cell fails.
    """
    import nbformat
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, DeadKernelError

    cells = above_package(read_cells(path))
    new_cell, new_notebook = cast("Any", nbformat.v4.new_code_cell), cast("Any", nbformat.v4.new_notebook)
    notebook = new_notebook(cells=[new_cell(cell.source) for cell in cells])
    place = {"metadata": {"path": str(path.absolute().parent)}}
    client = NotebookClient(notebook, timeout=None, kernel_name="python3", resources=place)
    left, lost = [], set[str]()
    # What cells write comes by messages; what the kernel itself has to say is not for whoever packages.
    with client.setup_kernel(env={**os.environ, REPLAY: "1"}, stderr=subprocess.DEVNULL):
        for index, cell in enumerate(cells):
            try:
                client.execute_cell(notebook.cells[index], index)
            except CellExecutionError as fault:
                if not _is_left(fault, lost):
                    raise _failed(path, cell, f"{fault.ename}: {fault.evalue}") from None
                left.append(cell.number)
                lost |= bound_by(cell.tree) if cell.tree else set()
            except DeadKernelError:
                raise _failed(path, cell, "the kernel died") from None
    return Replayed(len(cells), tuple(left))


def _is_left(fault: Any, lost: set[str]) -> bool:
    """Whether a cell failed for a verb that is not replayed, or for a name that such a cell would have given."""
    if fault.ename == _REFUSED:
        return True
    found = _MISSING.search(str(fault.evalue))
    return fault.ename in ("NameError", "NotFoundError") and found is not None and found[1] in lost


def _failed(path: Path, cell: Cell, why: str) -> PackagingError:
    return PackagingError(
        f"{path.name} does not run from the top in a fresh kernel",
        got=f"cell {cell.number}: {' '.join(why.split())[:400]}",
        hint="restart the kernel and run all cells",
    )
