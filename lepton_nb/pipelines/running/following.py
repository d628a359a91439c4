"""A run that another process does is told as it goes on."""

from __future__ import annotations

import time

from ...records import Finished, PipelineRun, Progress, Report, Started, silent
from ...workspace import Workspace
from ..history import status
from .telling import drawing

__all__ = ["follow"]

_EVERY_S = 0.5


def follow(ws: Workspace, ref: str | None = None, report: Report = silent) -> PipelineRun:
    """Wait for a run to end, and report how many of its steps are done and its graph whenever that changes.

    Args:
        ws: the workspace.
        ref: as for `status`.
        report: hears of it.

    Returns:
        The run as it ended, whether it completed or not.

    Raises:
        NotFoundError: there is no such run.
        AmbiguousError: a prefix fits more than one.
        FormatError: the run's records are broken.
    """
    run, before = status(ws, ref), None
    report(Started(time.time(), f"pipeline {run.pipeline}", len(run.steps)))
    while True:
        states = [step.state for step in run.steps]
        if states != before:
            ended = [step.name for step in run.steps if step.status not in ("waiting", "running")]
            report(drawing(run.graph()))
            report(Progress(time.time(), len(ended), len(states), ended[-1] if ended else ""))
            before = states
        if run.status != "running":
            report(Finished(time.time(), text=run.status))
            return run
        time.sleep(_EVERY_S)
        run = status(ws, run.id)
