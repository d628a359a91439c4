"""The process of a study: it starts trials, follows them, and ends when there are as many as were wanted."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from ... import tracking
from ...errors import ConflictError, LeptonError
from ...processes import identify
from ...records import Data, Trial, plain, printable
from ...workspace import Workspace, discard, locked
from ..resuming import resume
from ..starting import begin, specified
from .attempt import Attempt
from .dimensions import Space
from .ledger import Ledger
from .place import DATABASE, PREPARED, Place, place_of
from .plan import Asked, Plan
from .registering import register
from .search import Search, Storage
from .settings import asked_of, check_names, settings_of
from .shares import Shares

__all__ = ["tune"]

_LOOK_S = 0.02


def tune(ws: Workspace, name: str) -> None:
    """Work on a study until it has its trials, or until somebody asks to stop.

    Args:
        ws: the workspace.
        name: of the study, whose plan is written.

    Raises:
        ConflictError: another process works on it.
        LeptonError: it cannot go on; whoever follows it is told.
    """
    place = place_of(ws, name)
    try:
        with locked(place.folder / "lock", timeout=0.0):
            _recorded(ws, place)
    except ConflictError as cause:
        if place.process()[0] is None:
            raise
        raise ConflictError(f"study {name!r} is worked on by another process", hint=f"lepton stop {name}") from cause


def _recorded(ws: Workspace, place: Place) -> None:
    """Work, and say how it ended."""
    me = identify()
    signal.signal(signal.SIGTERM, lambda *_: place.ask_to_stop())
    signal.signal(signal.SIGINT, lambda *_: place.ask_to_stop())
    place.record(me, "running")
    try:
        plan = Plan.read(place.folder)
        os.chdir(plan.cwd if Path(plan.cwd).is_dir() else ws.root)
        sys.path.extend(one for one in plan.sys_path if one not in sys.path)
        status = _worked(ws, place, plan)
    except BaseException as cause:
        place.record(me, "failed", str(cause) or type(cause).__name__)
        raise
    place.record(me, status)


def _worked(ws: Workspace, place: Place, plan: Plan) -> str:
    if plan.on != "ray":
        return _Tuner(ws, place, plan).run()
    from .cluster import drive_on_cluster

    return drive_on_cluster(ws, place, plan)


class _Tuner:
    def __init__(self, ws: Workspace, place: Place, plan: Plan) -> None:
        self._ws, self._place, self._plan = ws, place, plan
        self._asked = Asked.read(ws, plan, place.folder)
        self._ledger = Ledger(place)
        self._shares = Shares(plan, place.folder / PREPARED)
        self._running: list[Attempt] = []
        self._storage: Storage | None = None
        self._search = Search(plan)

    def run(self) -> str:
        """Go on until there is nothing more to do; how it ended."""
        waiting = self._restore()
        if isinstance(self._asked.source, Data) and len(waiting) + self._left() > 1:
            self._shares.prepare(self._asked.source)
        try:
            while not self._place.is_asked_to_stop():
                self._step(waiting)
                if not self._running and not waiting and self._left() <= 0:
                    break
            return self._end()
        except BaseException:
            for one in self._running:
                one.stop()
            raise
        finally:
            # Trials that still read them keep what they have mapped.
            with contextlib.suppress(OSError):
                discard(self._ws, self._place.folder / PREPARED)

    def _restore(self) -> list[Trial]:
        """Learn what was done before; the trials that were under way then."""
        self._storage = Storage(self._plan, self._place.folder / DATABASE)
        known = self._storage.news()
        self._search = Search(self._plan, len(known))
        self._search.know(known)
        return self._ledger.restore(known)

    def _left(self) -> int:
        """Trials that are still to be begun."""
        return self._plan.trials - len(self._ledger.ended) - len(self._running)

    def _step(self, waiting: list[Trial]) -> None:
        for one in list(self._running):
            before = one.trial
            over = one.step()
            if one.trial is not before:
                self._ledger.put(one.trial)
            if over:
                self._running.remove(one)
                self._over(one)
        if (slot := self._shares.free([one.slot for one in self._running])) is not None:
            if waiting:
                self._again(waiting.pop(0), slot)
            elif self._left() > 0:
                self._begin(slot, None, None)
        self._ledger.write()
        time.sleep(_LOOK_S)

    def _begin(self, slot: int, params: dict[str, Any] | None, number: int | None) -> None:
        """Start a trial with new values and the next number, or with those that are given."""
        self._learn()
        number = self._ledger.next() if number is None else number
        asked = self._search.ask(params)
        trial = Trial(number, "running", {}, began=time.time())
        try:
            values = asked_of(self._asked.space, asked)
            # What a function of the notebook makes of what it was given is in the parameters of the run.
            shown = asked.params if self._plan.space is None else values
            trial = dataclasses.replace(trial, params=dict(shown))
            if self._plan.space is None:
                check_names(values, self._asked.net, self._asked.base)
            settings = settings_of(values, self._asked.base)
            spec = specified(self._asked.net, self._asked.source, settings.options, settings.lr)
            run_id, process = begin(
                self._ws,
                spec,
                self._asked.source,
                settings.fit,
                f"{self._plan.name}-{number}",
                callbacks=self._asked.callbacks,
                tags={"study": self._plan.name, "trial": str(number)},
                variables=self._shares.variables(slot),
            )
        except LeptonError as cause:
            tried = trial.params or dict(asked.params)
            self._keep(dataclasses.replace(trial, status="failed", params=tried, cause=printable(str(cause))), asked)
            return
        trial = dataclasses.replace(trial, run=run_id)
        self._follow(trial, asked, process, slot)

    def _again(self, trial: Trial, slot: int) -> None:
        """Go on with a trial that was under way when the study was left."""
        process = tracking.process_of(self._ws, trial.run) if trial.run else None
        run = tracking.recorded(self._ws, trial.run) if process is not None else None
        if process is None or run is None:
            self._begin(slot, self._params(trial), trial.number)
            return
        if run.status in ("stopped", "failed"):
            try:
                resume(self._ws, trial.run, detach=True, variables=self._shares.variables(slot))
                process = tracking.process_of(self._ws, trial.run) or process
            except LeptonError:
                self._begin(slot, self._params(trial), trial.number)
                return
        asked = self._search.ask(self._params(trial))
        with contextlib.suppress(LeptonError):
            # For the sampler alone: the run has its values.
            asked_of(self._asked.space, asked)
        self._follow(dataclasses.replace(trial, status="running"), asked, process, slot)

    def _params(self, trial: Trial) -> dict[str, Any]:
        """What was tried, as the sampler has it."""
        space = self._asked.space
        return space.asked(trial.params) if isinstance(space, Space) else dict(trial.params)

    def _follow(self, trial: Trial, asked: Any, process: Any, slot: int) -> None:
        self._running.append(Attempt(self._ws, self._plan, trial, asked, process, slot, self._search.report))
        self._ledger.put(trial)

    def _learn(self) -> None:
        """What others have added to a storage that is shared."""
        if self._storage is not None and self._storage.shared:
            self._search.know(self._ledger.foreign(self._storage.news()))

    def _over(self, one: Attempt) -> None:
        if one.trial.status == "stopped" and self._place.is_asked_to_stop():
            # It goes on when the study does.
            self._ledger.put(one.trial)
            return
        if one.trial.status == "stopped":
            # Somebody stopped this run alone.
            one.accept()
        self._keep(one.trial, one.asked)
        if one.trial.status == "pruned":
            tracking.set_tags(self._ws, one.trial.run, {"pruned": one.trial.cause})

    def _keep(self, trial: Trial, asked: Any) -> None:
        """A trial is over: first the storage knows, then those who look."""
        frozen = self._search.tell(asked, trial.status, [value for value in trial.values if value is not None])
        if self._storage is not None:
            self._storage.add(frozen, {"lepton": plain(trial)})
        self._ledger.put(trial)
        self._ledger.importance = self._search.importance()

    def _end(self) -> str:
        """Stop what runs, register the best, and say how it ended."""
        stopped = self._place.is_asked_to_stop()
        for one in self._running:
            one.stop()
        while self._running:
            for one in list(self._running):
                if one.step():
                    self._running.remove(one)
                    self._over(one)
            self._ledger.write()
            time.sleep(_LOOK_S)
        for trial in self._ledger.trials:
            # Whoever looks when the study has ended finds no run that still seems to go on.
            if trial.run and self._ws.run(trial.run).is_dir():
                with contextlib.suppress(LeptonError):
                    tracking.flush(self._ws, trial.run, wait=10.0)
        self._ledger.registered = register(self._ws, self._plan, self._ledger.trials)
        self._ledger.write(sync=True)
        return "stopped" if stopped and self._left() > 0 else "finished"
