"""The trials of a study as they stand, for those who look, and for the process that goes on with it."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ...records import Trial
from .place import Place

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

__all__ = ["Ledger"]

# An epoch that ended may be told late; a trial that is over is told at once.
_EVERY_S = 0.3


class Ledger:
    """All trials, kept in the study's folder.

    Args:
        place: the study's.
    """

    def __init__(self, place: Place) -> None:
        self._place = place
        self._trials: dict[int, Trial] = {}
        self.importance: Mapping[str, float] = {}
        self.registered = ""
        self._written, self._stale, self._urgent = 0.0, False, False

    @property
    def trials(self) -> list[Trial]:
        """By number."""
        return [self._trials[number] for number in sorted(self._trials)]

    @property
    def ended(self) -> list[Trial]:
        """Those that are over."""
        return [one for one in self.trials if one.status not in ("running", "stopped")]

    def next(self) -> int:
        """The number of a new trial."""
        return max(self._trials, default=-1) + 1

    def restore(self, known: Sequence[FrozenTrial]) -> list[Trial]:
        """Learn what was done before.

        Args:
            known: the trials of the storage, which are over.

        Returns:
            What was under way then: its end may be there by now.
        """
        told, more = self._place.trials()
        self.importance, self.registered = more.get("importance", {}), more.get("registered", "")
        over = {key for one in map(_trial, known) for key in (one.run, one.began) if key}
        left = [
            one for one in told if one.status in ("running", "stopped") and not over.intersection((one.run, one.began))
        ]
        # They keep their numbers, which their runs are called by; a trial of another machine may have the same.
        self._trials |= {one.number: one for one in left}
        self.foreign(known)
        return left

    def foreign(self, known: Sequence[FrozenTrial]) -> list[FrozenTrial]:
        """Enter trials of the storage; those that were not known."""
        runs = {one.run for one in self.trials if one.run}
        new = []
        for frozen in known:
            one = _trial(frozen)
            if one.run and one.run in runs:
                continue
            number = one.number if one.number >= 0 and one.number not in self._trials else self.next()
            self._trials[number] = dataclasses.replace(one, number=number)
            new.append(frozen)
        self._stale = self._urgent = self._stale or bool(new)
        return new

    def put(self, trial: Trial) -> None:
        """A trial stands otherwise than before."""
        before = self._trials.get(trial.number)
        self._trials[trial.number] = trial
        self._stale = True
        self._urgent |= before is None or before.status != trial.status

    def write(self, *, sync: bool = False) -> None:
        """Tell those who look what has changed."""
        now = time.monotonic()
        if not sync and not (self._stale and (self._urgent or now - self._written >= _EVERY_S)):
            return
        more = {"importance": dict(self.importance), "registered": self.registered}
        self._place.save(self.trials, more, sync=sync or self._urgent)
        self._written, self._stale, self._urgent = now, False, False


def _trial(frozen: FrozenTrial) -> Trial:
    """A trial of the storage: one of ours, or of another program that knows Optuna."""
    if isinstance(about := frozen.user_attrs.get("lepton"), Mapping):
        return Trial(**{**about, "values": tuple(about["values"])})
    statuses: dict[str, Any] = {"COMPLETE": "finished", "PRUNED": "pruned"}
    began = frozen.datetime_start.timestamp() if frozen.datetime_start else 0.0
    seconds = frozen.duration.total_seconds() if frozen.duration else 0.0
    values = tuple(frozen.values or ())
    status = statuses.get(frozen.state.name, "failed")
    return Trial(-1, status, dict(frozen.params), values, "", len(frozen.intermediate_values), began, seconds)
