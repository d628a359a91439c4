"""Everything that a run has measured, step by step."""

from __future__ import annotations

import math
from collections.abc import Iterator

from ..workspace import Workspace
from . import spool

__all__ = ["last_steps"]


def last_steps(ws: Workspace, run_id: str) -> dict[str, int]:
    """The largest step that was told of each metric, so that a training that goes on tells none twice.

    Args:
        ws: the workspace.
        run_id: the run.

    Returns:
        Steps by the metrics' names as the store has them; empty for a run that has measured nothing.

    Raises:
        FormatError: a line of its folder is broken.
    """
    steps: dict[str, int] = {}
    for name, _, step, _ in _told(ws, run_id):
        steps[name] = max(step, steps.get(name, step))
    return steps


def _told(ws: Workspace, run_id: str) -> Iterator[tuple[str, float, int, float]]:
    """Name, value, step and moment of every value in the run's own folder, as they were told."""
    for line in spool.lines(ws.run(run_id)):
        if line["kind"] == "metrics":
            for name, value, step, moment in line["metrics"]:
                yield name, math.nan if value is None else value, step, moment
