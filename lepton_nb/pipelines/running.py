"""A plan becomes a run: which step may start, and what its end means for the others."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import NotFoundError, PipelineError, UsageError
from ..records import Failed, Finished, Graph, PipelineRun, Progress, Report, Started, silent
from ..workspace import Workspace
from .executors import Executor, LocalExecutor, StepJob
from .planning import Plan, Reference, StepSpec, find, load, plan, resolve
from .recording import Ledger, begin

__all__ = ["graph", "run"]

_WAIT_S = 1.0


def run(
    ws: Workspace,
    path: Path | str,
    parameters: Mapping[str, Any] | None = None,
    report: Report = silent,
    *,
    jobs: int = 2,
    executor: Executor | None = None,
) -> PipelineRun:
    """Run a pipeline and wait for it.

    The steps' kernels work in the project root (the folder that holds `.lepton`) and use this workspace.

    Args:
        ws: the workspace.
        path: the pipeline file.
        parameters: values that override its defaults.
        report: hears of every step's start and end, as done of total.
        jobs: how many steps may run at once.
        executor: who executes the steps (default: processes of this machine).

    Returns:
        The run, every step completed.

    Raises:
        PipelineError: the file is wrong, and nothing was run or written; or a step failed, and the run is recorded.
        NotFoundError: the file, a notebook or the project root does not exist.
        UsageError: a parameter that the pipeline does not have, or `jobs` below 1.
        KeyboardInterrupt: passed on after every running step was ended and recorded as failed.
    """
    todo = plan(load(path), parameters)
    if jobs < 1:
        raise UsageError(f"jobs={jobs}", expected="1 or more")
    if not ws.root.is_dir():
        raise NotFoundError(f"no project folder {ws.root}", hint="set LEPTON_HOME to the .lepton folder of a project")
    # Workers start elsewhere, where a relative path would mean another place.
    ws = Workspace(ws.home.resolve())
    return _Runner(ws, todo, report, jobs, executor or LocalExecutor()).run()


def graph(path: Path | str) -> Graph:
    """The steps of a pipeline file in layers; nothing runs.

    Raises:
        NotFoundError: the file or a notebook does not exist.
        PipelineError: the file is wrong.
    """
    todo = plan(load(path))
    depth: dict[str, int] = {}
    for step in todo.order:
        depth[step.name] = 1 + max((depth[name] for name in todo.needs[step.name]), default=-1)
    layers = tuple(tuple(n for n, d in depth.items() if d == layer) for layer in range(max(depth.values()) + 1))
    return Graph(todo.pipeline.name, layers, todo.needs)


class _Runner:
    def __init__(self, ws: Workspace, todo: Plan, report: Report, jobs: int, executor: Executor) -> None:
        self.ws, self.todo, self.report, self.jobs, self.executor = ws, todo, report, jobs, executor

    def run(self) -> PipelineRun:
        ledger = begin(self.ws, self.todo)
        total = len(ledger.steps)
        try:
            self.report(Started(time.time(), f"pipeline {self.todo.pipeline.name}", total))
            self._work(ledger)
        except BaseException as cause:
            try:
                self.executor.stop()
            finally:
                stopped = isinstance(cause, KeyboardInterrupt)
                ledger.give_up("interrupted" if stopped else f"{type(cause).__name__}: {cause}")
                ledger.close()
            self.report(Finished(time.time(), "stopped", "interrupted") if stopped else _failed(cause))
            raise
        done = ledger.close()
        if done.status != "completed":
            error = _failure(done, self.todo)
            self.report(_failed(error))
            raise error
        self.report(Finished(time.time(), text=f"{total} steps completed"))
        return done

    def _work(self, ledger: Ledger) -> None:
        """Start what is ready, take in what ended, until nothing is left."""
        while True:
            steps = ledger.steps
            running = [step for step in steps.values() if step.status == "running"]
            waiting = [spec for spec in self.todo.order if steps[spec.name].status == "waiting"]
            if not running and not waiting:
                return
            started = [self._advance(ledger, spec) for spec in waiting if len(running) < self.jobs]
            if any(started):
                continue
            if result := self.executor.wait(_WAIT_S):
                ledger.end_step(result)
                self._progress(ledger, result.name)

    def _advance(self, ledger: Ledger, spec: StepSpec) -> bool:
        """Start or skip a step if what it needs has ended; say whether its state changed."""
        needs = [ledger.steps[name].status for name in self.todo.needs[spec.name]]
        if "failed" in needs or "skipped" in needs:
            ledger.update(spec.name, status="skipped")
            self._progress(ledger, spec.name)
            return True
        running = sum(step.status == "running" for step in ledger.steps.values())
        if running >= self.jobs or any(status != "completed" for status in needs):
            return False
        try:
            parameters = self._parameters(ledger, spec)
        except PipelineError as error:
            ledger.update(spec.name, status="failed", error=f"PipelineError: {error}")
            self._progress(ledger, spec.name)
            return True
        folder = ledger.folder / spec.name
        folder.mkdir(mode=0o700)
        ledger.update(spec.name, status="running", parameters=parameters)
        self._progress(ledger, spec.name)
        environment = {"LEPTON_HOME": str(self.ws.home)}
        executed = ledger.steps[spec.name].notebook
        root = self.ws.root
        self.executor.start(
            StepJob(spec.name, spec.notebook, executed, folder, root, parameters, spec.timeout, environment)
        )
        return True

    def _parameters(self, ledger: Ledger, spec: StepSpec) -> dict[str, Any]:
        known = {Reference("", name): value for name, value in self.todo.parameters.items()}
        for name, step in ledger.steps.items():
            known |= {Reference(name, output): value for output, value in step.outputs.items()}
        for reference in find(dict(spec.parameters)):
            if reference not in known:
                reported = ", ".join(ledger.steps[reference.step].outputs) or "none"
                raise PipelineError(
                    f"step {spec.name!r} needs {reference}, which step {reference.step!r} did not report",
                    expected=f"one of its outputs ({reported})",
                    hint=f"run %lepton output {reference.name}=VALUE in {ledger.steps[reference.step].notebook.name}",
                )
        return {name: resolve(value, known) for name, value in spec.parameters.items()}

    def _progress(self, ledger: Ledger, name: str) -> None:
        ended = sum(step.status not in ("waiting", "running") for step in ledger.steps.values())
        self.report(Progress(time.time(), ended, len(ledger.steps), name))


def _failure(run: PipelineRun, plan: Plan) -> PipelineError:
    """The one line about a run of which a step failed."""
    first, *others = (step for step in run.steps if step.status == "failed")
    more = f" (and {', '.join(step.name for step in others)} failed too)" if others else ""
    place = f" in cell {first.cell} of {first.notebook}" if first.cell and first.notebook.exists() else ""
    source = next(spec.notebook for spec in plan.order if spec.name == first.name)
    # The step's own error often names the next step already.
    hint = "" if "next: " in first.error else f"mend {source} and run the pipeline again"
    return PipelineError(f"step {first.name!r} failed{place}{more}: {first.error}", hint=hint)


def _failed(cause: BaseException) -> Failed:
    return Failed(time.time(), type(cause).__name__, " ".join(str(cause).split()))
