"""A plan becomes a run: what of earlier runs it goes on from, and how it ends."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...errors import FormatError, NotFoundError, PipelineError, UsageError
from ...records import Graph, PipelineRun, Report, layered, silent
from ...workspace import Workspace, write_atomic
from ..executors import Executor, LocalExecutor
from ..history import REPORT, Asked, Earlier, Ledger, begin, newest, page, read_step, reopen
from ..planning import Plan, load, plan
from .capacity import local_room
from .conducting import Conductor
from .reuse import Reuse
from .scheduling import Room, ahead, behind, instances, restricted
from .telling import Teller

__all__ = ["graph", "run"]


def run(
    ws: Workspace,
    path: Path | str,
    parameters: Mapping[str, Any] | None = None,
    report: Report = silent,
    *,
    jobs: int = 2,
    executor: Executor | None = None,
    start: str | None = None,
    only: str | None = None,
    force: bool = False,
) -> PipelineRun:
    """Run a pipeline and wait for it; what is done already is not done again.

    The steps' kernels work in the project root (the folder that holds `.lepton`) and use this workspace. When the
    newest run of the file with these parameters did not complete, this one goes on with it.

    Args:
        ws: the workspace.
        path: the pipeline file.
        parameters: values that override its defaults.
        report: hears of every step's start and end, as done of total, and of the graph when it changes.
        jobs: how many steps may run at once.
        executor: who executes the steps (default: processes of this machine, within what it has).
        start: this step and all behind it are done anew.
        only: this step alone is done, anew, with what it needs taken from the cache or from the last run.
        force: every step is done anew.

    Raises:
        PipelineError: the file is wrong, or a step asks for more than there is, and nothing was written; or a step
            failed, and the run is recorded.
        NotFoundError: the file, a notebook, the project root or the named step does not exist.
        UsageError: a parameter that the pipeline does not have, `jobs` below 1, or options that exclude each other.
        KeyboardInterrupt: passed on after all that ran was ended and recorded, and the `finally` steps have run.
    """
    todo = plan(load(path), parameters)
    if jobs < 1:
        raise UsageError(f"jobs={jobs}", expected="1 or more")
    if not ws.root.is_dir():
        raise NotFoundError(f"no project folder {ws.root}", hint="set LEPTON_HOME to the .lepton folder of a project")
    # Workers start elsewhere, where a relative path would mean another place.
    ws = Workspace(ws.home.absolute())
    todo, here, asked = _asked(todo, start or "", only or "", force=force)
    room = Room(jobs) if executor else local_room(jobs)
    room.check(todo.order)
    ledger = _opened(ws, todo, asked)
    teller = Teller(report, ledger)
    reuse = Reuse(ws, ledger, _anew(ledger), _donor(ws, ledger))
    return _conducted(Conductor(ws, ledger, reuse, executor or LocalExecutor(), teller, room, here), ledger, teller)


def _asked(todo: Plan, start: str, only: str, *, force: bool) -> tuple[Plan, frozenset[str], Asked]:
    """The steps to see to, those of them that may not run, and what is asked of the others."""
    if sum(map(bool, (start, only, force))) > 1:
        raise UsageError("--from, --only and --force exclude each other", expected="one of them")
    if only:
        alone = instances(todo, only)
        return restricted(todo, alone), ahead(todo, alone).difference(alone), Asked(only=only, anew=alone)
    anew = behind(todo, instances(todo, start)) if start else frozenset(todo.needs) if force else frozenset[str]()
    return todo, frozenset(), Asked(start=start, anew=tuple(sorted(anew)))


def graph(path: Path | str) -> Graph:
    """The steps of a pipeline file in layers; nothing runs.

    Raises:
        NotFoundError: the file or a notebook does not exist.
        PipelineError: the file is wrong.
    """
    todo = plan(load(path))
    needs = {step.name: todo.needs[step.name] for step in todo.order}
    return Graph(todo.pipeline.name, layered(needs), needs)


def _opened(ws: Workspace, todo: Plan, asked: Asked) -> Ledger:
    """The ledger of a new run, or of the newest one when that did not complete and is what was asked for."""
    last = None if asked.force else newest(ws, todo.pipeline.path, todo.parameters)
    if not last:
        return begin(ws, todo, asked)
    folder, run = last
    before = run["asked"]
    # With --from, only what --from began is gone on with: else its steps might be thought done.
    if run["status"] != "completed" and not asked.only and asked.start in ("", before["start"]):
        ledger = reopen(todo, folder)
        if ledger:
            return ledger
    if asked.start or asked.only:
        asked = dataclasses.replace(asked, donor=run["id"], nonce=before["nonce"])
    return begin(ws, todo, asked)


def _anew(ledger: Ledger) -> frozenset[str]:
    """The steps that are still to be done anew: not those that this run did itself before it went on."""
    done = (old.step for old in ledger.earlier.values() if old.step.status == "completed" and not old.step.cached)
    return frozenset(ledger.asked.anew).difference(step.name for step in done)


def _donor(ws: Workspace, ledger: Ledger) -> dict[str, Earlier]:
    """The steps of the run whose results this one may take."""
    found: dict[str, Earlier] = {}
    for name in ledger.steps if ledger.asked.donor else ():
        # It may be gone, or never have had the step.
        with contextlib.suppress(FileNotFoundError, FormatError, KeyError, TypeError):
            found[name] = read_step(ws.pipelines / ledger.asked.donor, name)
    return found


def _conducted(conductor: Conductor, ledger: Ledger, teller: Teller) -> PipelineRun:
    """Do the steps, whatever happens write down how it ended, and say so."""
    finals = frozenset(step.name for step in ledger.plan.order if step.always)
    cause: BaseException | None = None
    done_before = sum(old.step.status == "completed" for name, old in ledger.earlier.items() if name not in finals)
    try:
        teller.begun()
        if ledger.earlier:
            teller.note(f"going on with run {ledger.run['id']}: {done_before} of {len(ledger.steps)} steps are done")
        conductor.work()
    except BaseException as stopped:  # noqa: BLE001 - raised again when the books are closed
        cause = stopped
        why = "interrupted" if isinstance(cause, KeyboardInterrupt) else f"{type(cause).__name__}: {cause}"
        conductor.stop(why, finals)
        cause = _last_steps(conductor, cause, why)
    done = ledger.close()
    # An error may name what no file can hold.
    write_atomic(ledger.folder / REPORT, page(done).encode("utf-8", "backslashreplace"), sync=False)
    ledger.save()
    if cause is None and done.status != "completed":
        cause = _failure(done, ledger.plan)
    teller.ended(cause)
    if cause is not None:
        raise cause
    return done


def _last_steps(conductor: Conductor, cause: BaseException, why: str) -> BaseException:
    """The `finally` steps of a run that was cut short; a second interrupt ends them too."""
    try:
        conductor.work()
    except BaseException as again:  # noqa: BLE001 - the first cause is the one that is raised
        conductor.stop(why)
        return again if isinstance(again, KeyboardInterrupt) else cause
    return cause


def _failure(run: PipelineRun, plan: Plan) -> PipelineError:
    """The one line about a run of which a step failed."""
    first, *others = (step for step in run.steps if step.failed)
    more = f" (and {', '.join(step.name for step in others)} failed too)" if others else ""
    place = f" in cell {first.cell} of {first.notebook}" if first.cell and first.notebook.exists() else ""
    source = next(spec.notebook for spec in plan.order if spec.name == first.name)
    # The step's own error often names the next step already.
    hint = "" if "next: " in first.error else f"mend {source} and run the pipeline again"
    return PipelineError(f"step {first.name!r} failed{place}{more}: {first.error}", hint=hint)
