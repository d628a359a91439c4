"""Everything that a run has measured, step by step."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import NotFoundError
from ..records import Line, Run
from ..workspace import Workspace
from . import spool
from .address import experiment, uri
from .sending import LOCAL_ID
from .store import asking

__all__ = ["History", "last_steps", "lines"]


@dataclass(frozen=True)
class History:
    """The curves of a run, read when they are asked for.

    Args:
        home: of the workspace.
        id: of the run.
        name: of the run.
    """

    home: Path
    id: str
    name: str

    def __call__(self) -> tuple[Line, ...]:
        """One line per metric, by name: from the run's own folder where there is one, else from the store.

        Raises:
            FormatError: a line of the folder is broken.
            NotFoundError: there is no such run any more.
            TrackingError: the store refused, or its server does not answer.
        """
        ws = Workspace(self.home)
        told = _told(ws, self.id) if (ws.run(self.id) / "spool.jsonl").exists() else _stored(ws, self.id)
        points: dict[str, dict[int, tuple[float, float]]] = {}
        for name, value, step, moment in told:
            at = points.setdefault(name, {})
            # Of two values of one step the later one counts, as in the store.
            if step not in at or moment >= at[step][0]:
                at[step] = moment, value if math.isfinite(value) else math.nan
        return tuple(
            Line(name, tuple(sorted(at)), tuple(at[step][1] for step in sorted(at)), self.name)
            for name, at in sorted(points.items())
        )


def lines(ws: Workspace, run: Run) -> tuple[Line, ...]:
    """Everything that a run has measured.

    Args:
        ws: the workspace.
        run: the run.

    Returns:
        One line per metric, by name; steps ascend, and of several values of one step the last one is kept.

    Raises:
        FormatError: a line of the run's folder is broken.
        NotFoundError: there is no such run any more.
        TrackingError: it is a run of elsewhere, and the store refused, or its server does not answer.
    """
    return History(ws.home, run.id, run.name)()


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


def _stored(ws: Workspace, run_id: str) -> Iterable[tuple[str, float, int, float]]:
    """The same from the store."""
    with asking(uri(ws)) as client:
        run = _entry(client, run_id)
        return [
            (one.key, one.value, one.step, one.timestamp)
            for name in run.data.metrics
            for one in client.get_metric_history(run.info.run_id, name)
        ]


def _entry(client: Any, run_id: str) -> Any:
    """A run of the store by its id here, which is another one there for a run that started without it."""
    found = client.get_experiment_by_name(experiment())
    where = [] if found is None else [found.experiment_id]
    for clause in (f"attributes.run_id = '{run_id}'", f"tags.`{LOCAL_ID}` = '{run_id}'"):
        if where and (entries := client.search_runs(where, filter_string=clause, max_results=1)):
            return entries[0]
    raise NotFoundError(f"the tracking store has no run {run_id}", hint="lepton runs")
