"""One trial that is under way: its run is followed, reported, and stopped when others were better by then."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping
from typing import Any

from ... import kernels
from ...errors import FormatError
from ...processes import Identity
from ...records import Epoch, Event, Failed, Finished, Resumed, Started, Trial, TrialStatus, printable
from ...workspace import Workspace, read_json
from ..following import Watch, cause_of_death
from ..job import ask_to_stop
from ..launching import trainer_environment
from .objectives import MEASURED, measured_in
from .plan import Plan

__all__ = ["Attempt"]

_MEASURING = "lepton_nb.training.tuning.measuring"
RESULT = "measured.json"


class Attempt:
    """A run that is watched.

    Args:
        ws: the workspace.
        plan: of the study.
        trial: as it stands.
        asked: Optuna's trial.
        process: the trainer.
        slot: which share of the machine it has.
        report: tells the value of the first objective at an epoch, and gives whether the trial should end.
    """

    def __init__(
        self,
        ws: Workspace,
        plan: Plan,
        trial: Trial,
        asked: Any,
        process: Identity,
        slot: int,
        report: Callable[[Any, float, int], bool],
    ) -> None:
        self.trial, self.asked, self.slot = trial, asked, slot
        self._ws, self._plan, self._process, self._report = ws, plan, process, report
        self._folder = ws.run(trial.run)
        self._watch = Watch(self._folder, process, self._take)
        self._first: dict[str, float] = {}
        self._pruned = False
        # A run that was stopped, or killed, and went on has several parts; seconds of those before this one.
        self._before = self._began = self._last = 0.0
        self._measuring: kernels.Bound | None = None

    def step(self) -> bool:
        """Look what is new; whether the trial is over.

        Raises:
            UsageError: an objective is not measured by this network.
        """
        if self._measuring is not None:
            return self._measured()
        over, last = self._watch.look()
        if not over:
            return False
        status, cause = self._how(last)
        if status == "finished" and any(one.name in MEASURED for one in self._plan.wanted):
            self._measuring = kernels.start_bound(
                _MEASURING, [str(self._folder)], log=self._folder / "log", cwd=self._ws.root, env=trainer_environment()
            )
            return False
        self._end(status, cause)
        return True

    def stop(self) -> None:
        """Ask the trainer to end behind its batch."""
        ask_to_stop(self._folder)

    def accept(self) -> None:
        """Take a run that somebody stopped alone for what it has; it has failed where a value is missing."""
        self._end("finished", "")

    def close(self) -> None:
        """Leave a run that goes on to itself."""
        if self._measuring is not None:
            self._measuring.close()

    def _take(self, event: Event) -> None:
        if isinstance(event, (Started, Resumed)):
            self._before, self._began = self._trained(), event.time if isinstance(event, Started) else 0.0
        self._last = event.time
        if isinstance(event, Epoch):
            self._ended_epoch(event)

    def _trained(self) -> float:
        """Seconds of all parts."""
        return self._before + (self._last - self._began if self._began else 0.0)

    def _ended_epoch(self, event: Epoch) -> None:
        found = measured_in(event.metrics, self._plan.wanted)
        if event.best or not self._first:
            self._first = found
        values = self._values({})
        self.trial = dataclasses.replace(
            self.trial, epochs=event.epoch + 1, values=values, seconds=event.time - self.trial.began
        )
        first = self._plan.wanted[0].name
        # What a training tells again when it goes on was told already; Optuna keeps the first.
        if first in found and not self._pruned and self._report(self.asked, found[first], event.epoch):
            self._pruned = True
            self.stop()

    def _how(self, last: Event | None) -> tuple[TrialStatus, str]:
        """How the run ended, and why where that is to be told."""
        if isinstance(last, Failed):
            return "failed", printable(f"{last.error}: {last.message}")
        if not isinstance(last, Finished):
            return "failed", cause_of_death(self._process, self._folder)
        if last.status != "stopped":
            return "finished", ""
        return ("pruned", f"at epoch {self.trial.epochs}") if self._pruned else ("stopped", "")

    def _measured(self) -> bool:
        """Whether what is measured on the trained network is there."""
        code = self._measuring.poll() if self._measuring else 0
        if code is None:
            return False
        self.close()
        self._measuring = None
        try:
            body = read_json(self._folder / RESULT)
            values = {name: float(body[name]) for name in MEASURED if name in body}
        except (FileNotFoundError, FormatError, ValueError):
            self._end("failed", f"the trained network could not be measured; see {self._folder / 'log'}")
            return True
        self.trial = dataclasses.replace(self.trial, values=self._values({**values, "seconds": self._trained()}))
        self._end("finished", "")
        return True

    def _values(self, more: Mapping[str, float]) -> tuple[float | None, ...]:
        known = {**self._first, **more}
        return tuple(known.get(one.name) for one in self._plan.wanted)

    def _end(self, status: TrialStatus, cause: str) -> None:
        ended = dataclasses.replace(self.trial, status=status, cause=cause, seconds=time.time() - self.trial.began)
        if status == "finished" and not ended.complete:
            names = [o.name for o, v in zip(self._plan.wanted, ended.values or (None,) * 9, strict=False) if v is None]
            cause = f"no value of {names[0]}" if names else f"{self._plan.wanted[0].name} is not finite"
            ended = dataclasses.replace(ended, status="failed", cause=cause)
        self.trial = ended
