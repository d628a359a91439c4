"""A trial on a Ray cluster: what a worker does. The nodes see the project's folder under the same path."""

from __future__ import annotations

import importlib
import os
import platform
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...errors import TrainingError
from ...records import Epoch, Event, Failed
from ...workspace import Workspace, write_json
from ..events import EventLog
from ..starting import enter, specified
from ..trainer.main import main
from .objectives import MEASURED, measured_in
from .place import place_of
from .plan import Asked, Plan
from .settings import settings_of

__all__ = ["CAUSE", "DONE", "KEY", "NUMBER", "VALUES", "attempt", "told_of"]

# What a worker is given (a cause where there are no values), and what it tells Ray Tune: a value per objective, and
# whether it ended by itself.
KEY, NUMBER, CAUSE, DONE = "lepton", "lepton_trial", "lepton_cause", "lepton_done"
VALUES = "objective_"


def attempt(config: Mapping[str, Any], *, home: str, study: str) -> None:
    """Train once, as a run of this worker's process, and tell Ray Tune of each epoch.

    Args:
        config: the values that were chosen, and the trial's number.
        home: the workspace's folder.
        study: name of the study.

    Raises:
        TrainingError: no values could be chosen, this node does not see the folder, or the training failed.
    """
    if config.get(CAUSE):
        raise TrainingError(config[CAUSE])
    ws = Workspace(Path(home))
    place = place_of(ws, study)
    if not place.folder.is_dir():
        raise TrainingError(f"node {platform.node()} does not see {place.folder}", hint="mount it there, same path")
    plan = Plan.read(place.folder)
    sys.path.extend(one for one in plan.sys_path if one not in sys.path)
    os.chdir(plan.cwd if Path(plan.cwd).is_dir() else ws.root)
    asked, number = Asked.read(ws, plan, place.folder), int(config[NUMBER])
    settings = settings_of(config[KEY], asked.base)
    spec = specified(asked.net, asked.source, settings.options, settings.lr)
    tags = {"study": study, "trial": str(number)}
    name = f"{study}-{number}"
    run_id = enter(ws, spec, asked.source, settings.fit, name, callbacks=asked.callbacks, tags=tags)
    write_json(told_of(ws, study, number), {"run": run_id}, mode=0o600, sync=False)
    log = _Told(ws.run(run_id), plan)
    if main(ws.run(run_id), log) != 0:
        raise TrainingError(log.cause or "the training failed")
    values = dict(log.values)
    if any(one.name in MEASURED for one in plan.wanted):
        from .measuring import measure

        values |= {**measure(ws.run(run_id)), "seconds": log.seconds}
    log.report(values, done=True)


def told_of(ws: Workspace, study: str, number: int) -> Path:
    """Where a worker says which run its trial is."""
    return place_of(ws, study).folder / "ray" / f"{number}.json"


class _Told(EventLog):
    """Tells Ray Tune what the events file is told."""

    def __init__(self, folder: Path, plan: Plan) -> None:
        super().__init__(folder)
        self._plan = plan
        self.values: dict[str, float] = {}
        self.cause, self.epochs, self._begun, self.seconds = "", 0, 0.0, 0.0

    def write(self, event: Event) -> None:
        """Append one event."""
        super().write(event)
        self._begun = self._begun or event.time
        self.seconds = event.time - self._begun
        if isinstance(event, Failed):
            self.cause = f"{event.error}: {event.message}"
        elif isinstance(event, Epoch):
            found = measured_in(event.metrics, self._plan.wanted)
            self.epochs = event.epoch + 1
            if event.best or not self.values:
                self.values = found
            if len(self._plan.wanted) == 1 and found:
                self.report(found, done=False)

    def report(self, values: Mapping[str, float], *, done: bool) -> None:
        """Tell Ray Tune, which may end this process now."""
        told = {f"{VALUES}{place}": values.get(one.name) for place, one in enumerate(self._plan.wanted)}
        best = [self.values.get(one.name) for one in self._plan.wanted]
        importlib.import_module("ray.tune").report({**told, DONE: done, "epochs": self.epochs, "best": best})
