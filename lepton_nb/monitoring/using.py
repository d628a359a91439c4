"""CPU and memory of a deployment's processes over time."""

from __future__ import annotations

import time

from ..records import Deployment, UsageStep
from ..workspace import Workspace
from .counts import Counts
from .stepping import step_of, steps
from .windows import WHOLE, observe

__all__ = ["usage"]


def usage(
    ws: Workspace, deployment: Deployment | str, since: float | None = None, step_seconds: float | None = None
) -> tuple[UsageStep, ...]:
    """What the processes of a deployment used, step by step.

    Args:
        ws: the workspace.
        deployment: the deployment, or its name.
        since: begin so many seconds ago; None begins with the first window.
        step_seconds: length of a step, rounded up to whole minutes; None makes at most 60 steps.

    Returns:
        One entry per step in which a process told of itself, oldest first. Processes do so every ten seconds.

    Raises:
        NotFoundError: there is no such deployment.
    """
    now = time.time()
    begin = now - since if since is not None else observe(ws, str(deployment), step=WHOLE).begin
    if begin is None:
        return ()
    step = step_of(now - begin, step_seconds)
    windows = observe(ws, str(deployment), since=begin, step=step).windows
    end = max([now, *(span.start for span in windows)])
    return tuple(
        _used(start, seconds, counts) for start, seconds, counts in steps(windows, begin, end, step) if counts.usage[2]
    )


def _used(start: float, seconds: float, counts: Counts) -> UsageStep:
    cpu, memory, watched = (float(value) for value in counts.usage)
    # What was watched at the end of a step may be counted into it whole: no more than all of it is.
    workers = watched / 1e3 / seconds
    return UsageStep(start, seconds, cpu / 1e6 / seconds, memory / watched * 1024, workers)
