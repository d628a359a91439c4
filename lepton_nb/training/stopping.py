"""End a training from elsewhere."""

from __future__ import annotations

from .. import tracking
from ..errors import ConflictError, TrainingError
from ..records import Run, silent
from ..workspace import Workspace
from .following import Watch
from .job import ask_to_stop

__all__ = ["stop"]

_PATIENCE_S = 120.0


def stop(ws: Workspace, ref: str) -> Run:
    """Ask a trainer to finish its batch, keep the best weights and end, and wait until it has.

    Args:
        ws: the workspace.
        ref: id, unique prefix, name or `last`.

    Returns:
        The run, `stopped`; or `finished` when it ended by itself meanwhile.

    Raises:
        NotFoundError: there is no such run.
        ConflictError: it is not running, or its process is on another machine.
        TrainingError: it did not end in two minutes.
    """
    run = tracking.get(ws, ref)
    process = tracking.process_of(ws, run.id)
    if run.status != "running" or process is None:
        state = "runs on another machine" if run.status == "running" else f"is {run.status}"
        raise ConflictError(f"run {run.name} ({run.id[:8]}) is not running here: it {state}", hint="lepton runs")
    ask_to_stop(run.path)
    Watch(run.path, process, silent).follow(_PATIENCE_S)
    tracking.flush(ws, run.id, wait=10.0)
    run = tracking.get(ws, run.id)
    if run.status == "running":
        raise TrainingError(
            f"run {run.name} did not end in {_PATIENCE_S:g} s",
            hint=f"kill process {process.pid}; see {run.path / 'log'}",
        )
    return run
