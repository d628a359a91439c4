"""What the pages of trainings and of pipelines are made of, as values."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from .. import pipelines, tracking, training
from ..errors import LeptonError
from ..records import Line, PipelineRun, Run
from ..widgets import Facts, Training
from ..workspace import Workspace

__all__ = ["Trainings", "Watched", "piped"]

_RUNS = 40
_DRAWN = 4
_PIPED = 25
_KEPT = 32


@dataclass(frozen=True)
class Watched:
    """A run whose curves are drawn.

    Args:
        run: which.
        lines: its curves; their `run` is its name.
        facts: how far it is, by its own events; None when it has left none.
    """

    run: Run
    lines: tuple[Line, ...]
    facts: Facts | None


class Trainings:
    """Follows the events of the runs that were looked at, so that only what is new is read.

    Args:
        ws: the workspace.
    """

    def __init__(self, ws: Workspace) -> None:
        self._ws = ws
        self._lock = threading.Lock()
        self._followed: OrderedDict[str, tuple[training.Tail, Training]] = OrderedDict()

    def runs(self) -> tuple[Run, ...]:
        """The newest runs.

        Raises:
            TrackingError: the store refused, or its server does not answer.
        """
        return tracking.runs(self._ws, _RUNS).runs

    def chosen(self, runs: Sequence[Run], named: Sequence[str]) -> tuple[Watched, ...]:
        """The runs that are asked for, by id or name; without one those that go on, else the newest."""
        wanted = [run for text in named for run in runs if text in (run.id, run.name)]
        if not wanted:
            wanted = [run for run in runs if run.status == "running"][:_DRAWN] or list(runs[:1])
        return tuple(self._watched(run) for run in {run.id: run for run in wanted}.values())

    def _watched(self, run: Run) -> Watched:
        with self._lock:
            tail, known = self._followed.get(run.id) or (training.Tail(run.path), Training(run.id, run.name))
            self._followed[run.id] = tail, known
            self._followed.move_to_end(run.id)
            while len(self._followed) > _KEPT:
                self._followed.popitem(last=False)
            for event in tail.read():
                known.take(event)
            lines = tuple(Line(one.name, one.steps, one.values, run.name) for one in known.lines())
            facts = known.facts if known.facts.started else None
        return Watched(run, lines or self._told(run), facts)

    def _told(self, run: Run) -> tuple[Line, ...]:
        """The curves of a run without events, such as one of another machine."""
        try:
            return tracking.lines(self._ws, run)
        except LeptonError:
            return ()


def piped(ws: Workspace) -> tuple[tuple[PipelineRun, ...], tuple[str, ...]]:
    """The newest runs of pipelines, and what is said of those that cannot be read."""
    # Their names are in the order of their beginnings.
    names = sorted((path.parent.name for path in ws.pipelines.glob("*/run.json")), reverse=True)[:_PIPED]
    found, faults = [], []
    for name in names:
        try:
            found.append(pipelines.status(ws, name))
        except LeptonError as fault:
            faults.append(str(fault))
    return tuple(found), tuple(faults)
