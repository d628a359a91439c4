"""The steps of a run are done: taken over, started, tried again, recorded."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...errors import LeptonError, PipelineError
from ...records import FAILURES
from ...workspace import Workspace
from ..executors import Executor, StepJob, StepResult
from ..history import Ledger
from ..planning import StepSpec, holds, values_of
from .reuse import Reuse
from .scheduling import Room, fate
from .telling import Teller

__all__ = ["Conductor"]

_WAIT_S = 0.25


@dataclass
class _Ready:
    """A step whose turn has come.

    Args:
        parameters: with references resolved.
        key: names its result.
        looked: whether its result was looked for.
        note: what is to be said of it in its record.
    """

    parameters: Mapping[str, Any]
    key: str
    looked: bool = False
    note: str = ""


class Conductor:
    """Does the steps of a run, one call of its executor at a time.

    Args:
        ws: the workspace, absolute.
        ledger: of the run.
        reuse: what is here already.
        executor: who executes steps.
        teller: who hears of it.
        room: what may run at once.
        must_be_here: steps whose results are wanted but that may not run.
    """

    def __init__(
        self,
        ws: Workspace,
        ledger: Ledger,
        reuse: Reuse,
        executor: Executor,
        teller: Teller,
        room: Room,
        must_be_here: frozenset[str] = frozenset(),
    ) -> None:
        self.ws, self.ledger, self.reuse, self.executor = ws, ledger, reuse, executor
        self.teller, self.room, self.must_be_here = teller, room, must_be_here
        self.specs = {step.name: step for step in ledger.plan.order}
        self._ready: dict[str, _Ready] = {}
        self._running: dict[str, StepSpec] = {}
        self._tries: dict[str, int] = {}

    def work(self) -> None:
        """Do whatever waits, until nothing is left.

        Raises:
            PipelineError: a step that may not run has no result.
        """
        while True:
            waiting = [spec for name, spec in self.specs.items() if self.ledger.steps[name].status == "waiting"]
            moved = [self._advance(spec) for spec in waiting]
            if any(moved):
                continue
            if not waiting and not self._running:
                return
            if result := self.executor.wait(_WAIT_S):
                self._end(result)
            elif not self._running:
                # Another process does what is left, and an executor without steps need not wait.
                time.sleep(_WAIT_S / 5)
            self.teller.refresh()

    def stop(self, error: str, spared: frozenset[str] = frozenset()) -> None:
        """End what runs, and record that what waits will not be done.

        Args:
            error: why.
            spared: steps that may still be done.
        """
        try:
            self.executor.stop()
        finally:
            self.ledger.give_up(error, spared)
            for ready in self._ready.values():
                self.reuse.store.release(ready.key)
            self._ready.clear()
            self._running.clear()
        if spared:
            # What ended now is counted before these begin.
            self.teller.moved(error)

    def _advance(self, spec: StepSpec) -> bool:
        """Do what can be done with a step that waits; say whether it stands otherwise now."""
        found, why = fate(spec, self.ledger.plan.needs[spec.name], self.ledger.steps)
        if found == "wait":
            return False
        if found == "skip":
            return self._moved(spec, status="skipped", note=why)
        try:
            if spec.name not in self._ready and not self._prepare(spec):
                return self._moved(spec, status="skipped", note=f"its condition does not hold: {spec.when}")
        except LeptonError as error:
            return self._moved(spec, status="failed", error=f"{type(error).__name__}: {error}")
        ready = self._ready[spec.name]
        return (not ready.looked and self._taken(spec, ready)) or self._begun(spec, ready)

    def _begun(self, spec: StepSpec, ready: _Ready) -> bool:
        """Start a step, unless there is no room or somebody else computes the same."""
        if spec.name in self.must_be_here:
            raise PipelineError(
                f"step {spec.name!r} has no result of its present code, inputs and parameters",
                expected="one in the cache or in the last run of this file with these parameters",
                hint="run the pipeline without --only first",
            )
        if not self.room.fits([one.resources for one in self._running.values()], spec.resources):
            return False
        return self._claimed(spec, ready) and (self._taken(spec, ready) or self._start(spec, ready))

    def _prepare(self, spec: StepSpec) -> bool:
        """Find out with what a step runs; False when its condition does not hold."""
        outputs = {name: step.outputs for name, step in self.ledger.steps.items()}
        if not holds(self.ledger.plan, spec, outputs):
            return False
        parameters = values_of(self.ledger.plan, spec, outputs)
        key = self.reuse.key(spec, parameters)
        self._ready[spec.name] = _Ready(parameters, key)
        return True

    def _taken(self, spec: StepSpec, ready: _Ready) -> bool:
        """Whether the step's result is here already; it is recorded then."""
        ready.looked = True
        before = self.ledger.steps[spec.name]
        self.ledger.steps[spec.name] = dataclasses.replace(before, parameters=ready.parameters, key=ready.key)
        done, wrong = self.reuse.restore(spec, ready.key)
        if wrong:
            ready.note = f"{wrong}; the step is computed anew"
            self.teller.note(f"step {spec.name!r}: {ready.note}")
        if done:
            self.reuse.store.release(ready.key)
            del self._ready[spec.name]
            self.teller.moved(spec.name)
            return True
        if result := self.reuse.recovered(spec, ready.key):
            self._end(result)
            return True
        # Now, since what lies there is of the key that the record still names.
        self._set_aside(spec.name)
        return False

    def _claimed(self, spec: StepSpec, ready: _Ready) -> bool:
        """Whether the step's key is ours to compute; another process, or a step like this one, may be doing it."""
        if not ready.key or not self.reuse.cacheable(spec.name) or self.reuse.store.claim(ready.key):
            return True
        if "waited" not in ready.note:
            ready.note = "waited for another process, or another step, that computes the same"
            self.teller.note(f"step {spec.name!r} waits: another process, or another step, computes the same")
        return False

    def _start(self, spec: StepSpec, ready: _Ready) -> bool:
        before = self.ledger.steps[spec.name]
        folder = self.ledger.folder / spec.name
        # Before the folder is there: what lies in it is always of the record's key.
        self.ledger.update(
            spec.name, status="running", parameters=ready.parameters, key=ready.key, attempts=before.attempts + 1,
            note=ready.note,
        )  # fmt: skip
        folder.mkdir(mode=0o700)
        self.reuse.remember(spec)
        self._tries[spec.name] = self._tries.get(spec.name, 0) + 1
        self._running[spec.name] = spec
        self.teller.moved(spec.name)
        job = StepJob(
            spec.name,
            spec.notebook,
            before.notebook,
            folder,
            self.ws.root,
            ready.parameters,
            spec.timeout,
            {"LEPTON_HOME": str(self.ws.home)},
            spec.resources,
            spec.inputs,
            spec.writes,
        )
        self.executor.start(job)
        return True

    def _set_aside(self, name: str) -> None:
        """Keep what an earlier attempt left, under the first number that is free."""
        folder = self.ledger.folder
        left = [path for path in (folder / name, folder / f"{name}.ipynb") if path.exists()]
        number = 1
        while left and any(folder.glob(f"{name}.attempt-{number}*")):
            number += 1
        for path in left:
            path.rename(path.with_name(f"{name}.attempt-{number}{path.suffix}"))

    def _end(self, result: StepResult) -> None:
        """Take in how a step ended, and try it again where that was asked for."""
        spec, ready = self.specs[result.name], self._ready.pop(result.name)
        self._running.pop(result.name, None)
        written: dict[str, str] = {}
        if result.status == "completed":
            try:
                written = self.reuse.written(spec)
            except LeptonError as error:
                result = dataclasses.replace(result, status="failed", error=f"{type(error).__name__}: {error}")
        if result.status in FAILURES and self._tries.get(spec.name, 0) <= spec.retries:
            self.teller.note(f"step {spec.name!r} is tried again: {result.error}")
            self.ledger.update(spec.name, status="waiting", note=f"an attempt failed: {result.error}")
        else:
            # The result first, then its record: a kill between the two costs nothing.
            wrong = self.reuse.keep(spec, ready.key, ready.parameters, result) if not result.error else ""
            if wrong:
                self.teller.note(f"step {spec.name!r} is {wrong}")
            note = "; ".join(text for text in (ready.note, wrong) if text)
            self.ledger.end_step(result, note, written)
        self.reuse.store.release(ready.key)
        self.teller.moved(spec.name)

    def _moved(self, spec: StepSpec, **changes: Any) -> bool:
        self.ledger.update(spec.name, **changes)
        self.teller.moved(spec.name)
        return True
