"""A notebook as a step of a pipeline: executed by Papermill with the engine `lepton`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .ending import Ending, one_line
from .entry import LeptonEngine

__all__ = ["execute"]


def execute(
    source: Path,
    executed: Path,
    parameters: Mapping[str, Any],
    *,
    cell_file: Path,
    kernel_file: Path,
    sockets: Path,
) -> Ending:
    """Execute a notebook with a kernel of this interpreter, in the current folder.

    Args:
        source: the notebook; it is not changed.
        executed: where the executed notebook goes.
        parameters: values for the cell tagged `parameters`.
        cell_file: keeps the number of the running cell, for whoever survives this process.
        kernel_file: keeps the process id of the kernel, and what it held; see `Watch`.
        sockets: an empty private folder for the kernel's sockets.

    Returns:
        How it ended.
    """
    from papermill import execute_notebook
    from papermill.engines import papermill_engines

    from .watch import Watch

    papermill_engines.register("lepton", LeptonEngine)
    watch = Watch(cell_file, kernel_file, sockets)
    try:
        execute_notebook(
            _as_is(source),
            _as_is(executed),
            dict(parameters),
            engine_name="lepton",
            kernel_name="python3",
            language="python",
            progress_bar=False,
            watch=watch,
        )
    except Exception as cause:  # noqa: BLE001 - whatever ended the notebook is the step's failure, named
        return watch.ending or Ending("failed", one_line(type(cause).__name__, str(cause)))
    return watch.ending or Ending("completed")


def _as_is(path: Path) -> str:
    """A path that Papermill, which takes every path for a template, leaves as it is."""
    return str(path.absolute()).replace("{", "{{").replace("}", "}}")
