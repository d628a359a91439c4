"""`lepton runs`: what was trained."""

from __future__ import annotations

from typing import Annotated

from ..records import Run, Runs
from ..workspace import current
from .declare import Arg, Opt
from .find import run_of

_RUN = Arg("id, unique prefix, name or last.", "RUN")


def runs(*, limit: Annotated[int, Opt("Most runs to list.")] = 20) -> Runs:
    """List runs, newest first; or `show` and `delete` one."""
    from .. import tracking

    return tracking.runs(current(), limit=limit)


def runs_show(run: Annotated[object, _RUN]) -> Run:
    """Show a run's status, metrics, parameters and tags."""
    return run_of(current(), run)


def runs_delete(run: Annotated[object, _RUN]) -> Run:
    """Delete a run and its job folder; one that is still running is refused."""
    from .. import tracking

    ws = current()
    return tracking.delete(ws, run_of(ws, run).id)
