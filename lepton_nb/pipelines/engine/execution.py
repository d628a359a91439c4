"""Papermill, with statuses that are true and notebooks that are written whole.

By itself Papermill calls a notebook with a killed kernel completed, and one that `sys.exit(0)` cut short too, formats
paths as templates, and rewrites the notebook in place at every cell. Imports Papermill: import it where it is used.
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from nbclient.exceptions import CellExecutionError, DeadKernelError
from papermill import execute_notebook
from papermill.engines import NBClientEngine, NotebookExecutionManager, papermill_engines
from papermill.exceptions import PapermillExecutionError
from papermill.iorw import load_notebook_node
from traitlets.config import Config

from ...workspace import write_atomic

__all__ = ["Failure", "execute"]

_ANSI = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")
_LONGEST = 500
_SAVE_EVERY_S = 2.0
# A Unix socket's path holds 107 bytes at most.
_LONGEST_SOCKET_FOLDER = 85


@dataclass(frozen=True)
class Failure:
    """Why a notebook did not complete.

    Args:
        error: `ClassName: message`, one line.
        cell: number of the cell, as the notebook shows it in brackets; None when no cell was at fault.
    """

    error: str
    cell: int | None


def execute(
    source: Path, executed: Path, parameters: Mapping[str, Any], *, cell_file: Path, sockets: Path
) -> Failure | None:
    """Execute a notebook with a kernel of this interpreter, in the current folder.

    Args:
        source: the notebook; it is not changed.
        executed: where the executed notebook goes, written whole at most every two seconds and at the end.
        parameters: values for the cell tagged `parameters`.
        cell_file: keeps the number of the running cell, for whoever survives this process.
        sockets: an empty private folder for the kernel's sockets.

    Returns:
        None when every cell was executed, else what went wrong.
    """
    session = _Session(source, executed, cell_file, sockets)
    papermill_engines.register("lepton-step", session)
    notebook = load_notebook_node(str(source))
    try:
        # Given the notebook itself and no path, Papermill formats and writes no path.
        execute_notebook(
            notebook,
            None,
            dict(parameters),
            engine_name="lepton-step",
            kernel_name="python3",
            language="python",
            progress_bar=False,
        )
    except PapermillExecutionError as error:
        # Papermill fails for errors that a cell's tag allows, too; only those are not noted yet.
        if session.kept and session.kept.failure is None:
            session.kept.failure = Failure(_line(error.ename, error.evalue), error.exec_count)
    except DeadKernelError:
        text = "DeadKernelError: the kernel died (killed, crashed, or out of memory)"
        return _closed(session, Failure(text, session.kept.running if session.kept else None))
    except Exception as error:  # noqa: BLE001 - whatever ended the notebook is the step's failure, named
        return _closed(session, Failure(_line(type(error).__name__, str(error)), None))
    return _closed(session, session.kept.failure if session.kept else None)


def _closed(session: _Session, failure: Failure | None) -> Failure | None:
    if session.kept:
        session.kept.write()
    return failure


class _Session:
    """What Papermill takes for an engine class: one execution, which keeps its notebook in reach."""

    def __init__(self, source: Path, executed: Path, cell_file: Path, sockets: Path) -> None:
        self.source, self.executed, self.cell_file, self.sockets = source, executed, cell_file, sockets
        self.kept: _Kept | None = None
        self.nb_kernel_name = NBClientEngine.nb_kernel_name
        self.nb_language = NBClientEngine.nb_language

    def execute_notebook(self, nb: Any, kernel_name: str, start_timeout: float = 60, **_options: Any) -> Any:
        nb.metadata.papermill.update(input_path=str(self.source), output_path=str(self.executed))
        self.kept = _Kept(nb, self.executed, self.cell_file)
        self.kept.notebook_start()
        try:
            NBClientEngine.execute_managed_notebook(
                self.kept,
                kernel_name,
                start_timeout=start_timeout,
                kernel_manager_class=_InterpreterKernel,
                config=Config(ConnectionFileMixin=_connection(self.sockets)),
            )
        finally:
            self.kept.notebook_complete()
        return self.kept.nb


def _connection(folder: Path) -> dict[str, str]:
    """Sockets in the folder: nothing can connect from elsewhere, and two kernels never choose the same port."""
    fits = sys.platform != "win32" and len(str(folder)) <= _LONGEST_SOCKET_FOLDER
    return {"transport": "ipc" if fits else "tcp", "connection_file": str(folder / "kernel.json")}


class _InterpreterKernel(AsyncKernelManager):
    """A kernel of the running interpreter, whatever kernel specs are installed."""

    @property
    def kernel_spec(self) -> KernelSpec:
        from ipykernel.kernelspec import get_kernel_dict

        return KernelSpec(**get_kernel_dict())


class _Kept(NotebookExecutionManager):  # type: ignore[misc] # Papermill has no types
    """The notebook while it is executed."""

    def __init__(self, nb: Any, executed: Path, cell_file: Path) -> None:
        super().__init__(nb, progress_bar=False, autosave_cell_every=_SAVE_EVERY_S)
        self.executed, self.cell_file = executed, cell_file
        self.failure: Failure | None = None
        self.running: int | None = None
        self._written = -_SAVE_EVERY_S

    def save(self, **_: Any) -> None:
        """Save now and then: a large notebook is not written twice a cell."""
        self.last_save_time = self.now()
        if time.monotonic() - self._written >= _SAVE_EVERY_S:
            self.write()

    def write(self) -> None:
        """Save."""
        text: str = nbformat.writes(self.nb)  # type: ignore[no-untyped-call] # nbformat types some functions only
        write_atomic(self.executed, text)
        self._written = time.monotonic()

    def cell_start(self, cell: Any, cell_index: int, **_: Any) -> None:
        """Remember which cell runs."""
        if _runs(cell):
            self.running = sum(map(_runs, self.nb.cells[: cell_index + 1]))
            self.cell_file.write_text(str(self.running))
        super().cell_start(cell, cell_index)

    def cell_exception(self, cell: Any, cell_index: int, exception: CellExecutionError, **_: Any) -> None:
        """Note the failure; an exit behind which nothing is left to run is none."""
        rest = sum(map(_runs, self.nb.cells[cell_index + 1 :]))
        error = _line(exception.ename, exception.evalue)
        if exception.ename == "SystemExit" and exception.evalue in ("", "0", "None"):
            if not rest:
                return
            error = f"SystemExit: the notebook ended early, {rest} cells left"
        super().cell_exception(cell, cell_index)
        self.failure = Failure(error, self.running)

    def cell_complete(self, cell: Any, cell_index: int, **_: Any) -> None:
        """A cell that an exception of ours leaves, such as a dead kernel, did not complete."""
        if sys.exc_info()[0] is not None:
            super().cell_exception(cell, cell_index)
        super().cell_complete(cell, cell_index)

    def notebook_complete(self, **_: Any) -> None:
        """Close the books; cells that were never reached stay `pending`."""
        self.end_time = self.now()
        times = self.nb.metadata.papermill
        times["end_time"] = self.end_time.isoformat()
        times["duration"] = (self.end_time - self.start_time).total_seconds()
        self.write()


def _runs(cell: Any) -> bool:
    return bool(cell.cell_type == "code" and cell.source.strip())


def _line(name: str, message: str) -> str:
    """`ClassName: message` without colours and line breaks."""
    text = " ".join(_ANSI.sub("", f"{name}: {message}" if message else name).split())
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."
