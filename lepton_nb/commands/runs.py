"""`lepton runs`: what was trained."""

from __future__ import annotations

from typing import Annotated

from ..errors import UsageError
from ..records import Comparison, Line, Run, Runs, monitored
from ..workspace import current
from .declare import Arg, Opt
from .find import run_of

_RUN = Arg("id, unique prefix, name or last.", "RUN", completes="run")
_RUNS = Arg("two or more runs, each by id, unique prefix, name or last.", "RUN...", completes="run")


def runs(*, limit: Annotated[int, Opt("Most runs to list.")] = 20) -> Runs:
    """List runs, newest first; or `show`, `compare` and `delete` them."""
    from .. import tracking

    return tracking.runs(current(), limit=limit)


def runs_show(run: Annotated[object, _RUN]) -> Run:
    """Show a run's status, metrics, parameters and tags."""
    return run_of(current(), run)


def runs_compare(
    runs: Annotated[tuple[object, ...], _RUNS],
    *,
    metric: Annotated[str | None, Opt("Metric to draw (default: the loss that all share).", "NAME")] = None,
) -> Comparison:
    """Show runs side by side: their last metrics, the parameters that differ, and one metric's curves.

    Raises:
        UsageError: fewer than two runs are named, or a metric that they do not share.
    """
    from .. import figures, tracking

    ws = current()
    found = tuple({run.id: run for run in (run_of(ws, one) for one in runs)}.values())
    if len(found) < 2:
        raise UsageError(
            "a comparison needs two runs",
            expected="two or more different ones",
            got=f"{len(found)}",
            hint="lepton runs",
        )
    measured = [{line.name: line for line in tracking.lines(ws, run)} for run in found]
    shared = sorted(set.intersection(*map(set, measured)))
    if metric is not None and metric not in shared:
        expected = f"one of {', '.join(shared)}" if shared else "a metric that all of them have; they share none"
        raise UsageError(f"metric {metric!r} was not measured by all of these runs", expected=expected)
    drawn = metric or monitored(shared) or next(iter(shared), "")
    lines: list[Line] = [one[drawn] for one in measured] if drawn else []
    return Comparison(found, drawn, figures.overlay(lines, metric=drawn) if drawn else "")


def runs_delete(run: Annotated[object, _RUN]) -> Run:
    """Delete a run and its job folder; one that is still running is refused."""
    from .. import tracking

    ws = current()
    return tracking.delete(ws, run_of(ws, run).id)
