"""The records of a pipeline run, beside its executed notebooks: they, never the notebooks, say what was done.

`<run>/run.json` is the run, `<run>/<step>.json` a step, `<run>/<step>.ipynb` its executed notebook, `<run>/<step>/`
what its executor keeps, `<step>.attempt-1` an attempt that was followed by another, and `<run>/report.html` the page
about it.
"""

from __future__ import annotations

import dataclasses
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...errors import FormatError
from ...processes import Identity, identify, is_alive
from ...records import PipelineRun, Step
from ...workspace import Workspace, locked, read_json, write_json
from ..executors import StepResult
from ..planning import Plan

__all__ = ["REPORT", "RUN", "Asked", "Earlier", "Ledger", "begin", "read_step", "reopen", "waiting", "write_step"]

RUN, REPORT = "run.json", "report.html"


@dataclass(frozen=True)
class Earlier:
    """What the records say of a step beyond what people see.

    Args:
        step: its record.
        started: when it was started last, in seconds since the epoch.
        written: hashes of the declared files and folders that it made, by their path relative to the project root.
        cache: whether the file lets it be taken from the cache.
    """

    step: Step
    started: float | None = None
    written: Mapping[str, str] = field(default_factory=dict)
    cache: bool = True


@dataclass(frozen=True)
class Asked:
    """What was asked of a run, which holds when it goes on.

    Args:
        start: the step from which on all is done anew, when one was named.
        only: the step that runs alone, when one was named.
        anew: all steps that are done anew.
        donor: id of the run whose results it may take.
        nonce: names it in the keys of its live steps; those of its donor keep theirs.
    """

    start: str = ""
    only: str = ""
    anew: tuple[str, ...] = ()
    donor: str = ""
    nonce: str = ""

    @property
    def force(self) -> bool:
        """Whether it was to do everything anew."""
        return bool(self.anew) and not self.start and not self.only


class Ledger:
    """Writes the records of one run while it goes on.

    Args:
        folder: of the run.
        plan: what runs.
        run: content of `run.json`.
        earlier: steps that this run has tried before it went on.
    """

    def __init__(self, folder: Path, plan: Plan, run: dict[str, Any], earlier: Mapping[str, Earlier]) -> None:
        self.folder, self.plan, self.run, self.earlier = folder, plan, run, dict(earlier)
        self.steps: dict[str, Step] = {}
        self.written: dict[str, Mapping[str, str]] = {}
        self._cache = {step.name: step.cache for step in plan.order}
        self._started: dict[str, float | None] = {}
        for name in self._cache:
            old = self.earlier.get(name)
            self.steps[name] = waiting(folder, name)
            if not old:
                continue
            self.steps[name] = dataclasses.replace(
                self.steps[name], attempts=old.step.attempts, key=old.step.key, parameters=old.step.parameters
            )
            self._started[name] = old.started
            # The record of what completed stands until its turn comes: a kill meanwhile takes nothing away.
            if old.step.status != "completed":
                self.write(name)

    @property
    def asked(self) -> Asked:
        """What was asked when it began."""
        return Asked(**{**self.run["asked"], "anew": tuple(self.run["asked"]["anew"])})

    def update(self, name: str, **changes: Any) -> None:
        """Change a step and write its record."""
        self.steps[name] = dataclasses.replace(self.steps[name], **changes)
        if changes.get("status") == "running":
            self._started[name] = time.time()
        self.write(name)

    def write(self, name: str) -> None:
        """Write the record of a step."""
        written = self.written.get(name, {})
        write_step(self.folder, Earlier(self.steps[name], self._started.get(name), written, self._cache[name]))

    def restore(self, name: str, old: Earlier, **changes: Any) -> None:
        """Let an earlier record of a step stand."""
        self._started[name], self.written[name] = old.started, old.written
        self.steps[name] = dataclasses.replace(old.step, notebook=self.steps[name].notebook, **changes)
        self.write(name)

    def end_step(self, result: StepResult, note: str = "", written: Mapping[str, str] | None = None) -> None:
        """Record how a step ended."""
        changes = {one.name: getattr(result, one.name) for one in dataclasses.fields(result)}
        self.written[result.name] = dict(written or {})
        self.update(changes.pop("name"), **changes | {"outputs": dict(result.outputs), "note": note})

    def give_up(self, error: str, spared: frozenset[str] = frozenset()) -> None:
        """Record that the run was cut short: what ran failed, what waited is skipped."""
        self.run["cut"] = error
        for step in tuple(self.steps.values()):
            if step.status == "running":
                seconds = time.time() - (self._started[step.name] or 0.0)
                self.update(step.name, status="failed", error=error, seconds=seconds)
            elif step.status == "waiting" and step.name not in spared:
                self._skip_unless_done(step.name, error)

    def _skip_unless_done(self, name: str, note: str) -> None:
        old = self.earlier.get(name)
        if old and old.step.status == "completed":
            # Its turn to be looked at did not come; what it did before remains done.
            self.restore(name, old)
        else:
            self.update(name, status="skipped", note=note)

    def told(self) -> PipelineRun:
        """The run as it stands."""
        run = self.run
        seconds = run["spent"] + (run["ended"] or time.time()) - run["began"]
        report = self.folder / REPORT if run["status"] != "running" else None
        steps = tuple(self.steps[name] for name in run["order"])
        return PipelineRun(
            run["id"], run["pipeline"], run["status"], steps, self.folder, seconds, self.plan.needs, report
        )

    def close(self) -> PipelineRun:
        """The run is over; it is written by `save`, when all else is."""
        done = not self.run["cut"] and not any(step.failed for step in self.steps.values())
        self.run |= {"status": "completed" if done else "failed", "ended": time.time()}
        return self.told()

    def save(self) -> None:
        """Write `run.json`; a run that did nothing yet, or nothing at all, need not outlast a loss of power."""
        write_json(self.folder / RUN, self.run, sync=any(step.attempts for step in self.steps.values()))


def begin(ws: Workspace, plan: Plan, asked: Asked) -> Ledger:
    """Make the folder of a new run, with every step waiting.

    Args:
        ws: the workspace.
        plan: what runs.
        asked: of it.
    """
    now = time.time()
    stamp, part = time.strftime("%Y%m%d-%H%M%S", time.gmtime(now)), int(now % 1 * 1e6)
    # In the order of their names runs are in the order of their beginnings.
    run_id = f"{stamp}-{part:05x}{secrets.randbelow(16):x}"
    folder = ws.pipelines / run_id
    folder.mkdir(parents=True, mode=0o700)
    known = dataclasses.asdict(asked) | {"nonce": asked.nonce or run_id}
    run = {"id": run_id, "asked": known, "created": now, "spent": 0.0, **_session(plan, now)}
    ledger = Ledger(folder, plan, run, {})
    # Last, since a folder without it is no run yet.
    ledger.save()
    return ledger


def reopen(plan: Plan, folder: Path) -> Ledger | None:
    """Go on with a run that did not complete; None when another process does already.

    Raises:
        FormatError: its records are broken.
    """
    with locked(folder / ".lock"):
        run = read_json(folder / RUN)
        if run["status"] == "completed" or (run["status"] == "running" and is_alive(Identity(**run["runner"]))):
            return None
        run.pop("format")
        ended = run["ended"] or max(file.stat().st_mtime for file in folder.glob("*.json"))
        run["spent"] += max(0.0, ended - run["began"])
        run |= _session(plan, time.time())
        write_json(folder / RUN, run)
    earlier = {}
    for step in plan.order:
        try:
            earlier[step.name] = read_step(folder, step.name)
        except (FileNotFoundError, FormatError, KeyError, TypeError):
            # It is new in the file, or nobody knows what it did: it has not been done.
            continue
    (folder / REPORT).unlink(missing_ok=True)
    return Ledger(folder, plan, run, earlier)


def _session(plan: Plan, now: float) -> dict[str, Any]:
    runner = identify()
    return {
        "pipeline": plan.pipeline.name,
        "file": str(plan.pipeline.path),
        "status": "running",
        "cut": "",
        "runner": {"pid": runner.pid, "started": runner.started},
        "parameters": dict(plan.parameters),
        "order": [step.name for step in plan.order],
        "needs": {name: list(needs) for name, needs in plan.needs.items()},
        "began": now,
        "ended": None,
    }


def waiting(folder: Path, name: str) -> Step:
    """A step that has no record yet."""
    return Step(name, "waiting", folder / f"{name}.ipynb", {}, {})


def read_step(folder: Path, name: str) -> Earlier:
    """The record of a step.

    Raises:
        FileNotFoundError: there is none.
        FormatError: it is broken.
        KeyError: it is broken.
        TypeError: it is broken.
    """
    body = read_json(folder / f"{name}.json")
    values = {one.name: body[one.name] for one in dataclasses.fields(Step)}
    if body["status"] == "running":
        values["seconds"] = time.time() - body["started"]
    step = Step(**{**values, "notebook": folder / body["notebook"]})
    return Earlier(step, body["started"], body["written"], body["cache"])


def write_step(folder: Path, record: Earlier) -> None:
    """Write the record of a step; what can be found out again need not outlast a loss of power."""
    step = record.step
    body: dict[str, Any] = {one.name: getattr(step, one.name) for one in dataclasses.fields(step)}
    # Relative, so that the folder can be moved.
    body |= {"notebook": step.notebook.name, "cache": record.cache}
    body |= {"started": record.started, "written": dict(record.written)}
    done = step.failed or (step.status == "completed" and not step.cached)
    write_json(folder / f"{step.name}.json", body, sync=done)
