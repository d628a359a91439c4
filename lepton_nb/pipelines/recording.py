"""The records of a pipeline run, beside its executed notebooks: they, never the notebooks, say what was done.

`<run>/run.json` is the run, `<run>/<step>.json` a step, `<run>/<step>.ipynb` its executed notebook and
`<run>/<step>/` what its executor keeps.
"""

from __future__ import annotations

import dataclasses
import secrets
import time
from pathlib import Path
from typing import Any

from ..errors import AmbiguousError, FormatError, NotFoundError
from ..processes import Identity, identify, is_alive
from ..records import PipelineRun, Step
from ..workspace import Workspace, read_json, write_json
from .executors import StepResult
from .planning import Plan

__all__ = ["Ledger", "begin", "status"]

_RUN = "run.json"


class Ledger:
    """Writes the records of one run while it goes on.

    Args:
        folder: of the run.
        plan: what runs.
        run: content of `run.json`.
        steps: the steps by name.
    """

    def __init__(self, folder: Path, plan: Plan, run: dict[str, Any], steps: dict[str, Step]) -> None:
        self.folder, self.plan, self.run, self.steps = folder, plan, run, steps
        self._cache = {step.name: step.cache for step in plan.order}
        self._started: dict[str, float] = {}

    def update(self, name: str, **changes: Any) -> None:
        """Change a step and write its record."""
        self.steps[name] = dataclasses.replace(self.steps[name], **changes)
        if changes.get("status") == "running":
            self._started[name] = time.time()
        self.write(name)

    def write(self, name: str) -> None:
        """Write the record of a step."""
        _write_step(self.folder, self.steps[name], self._cache[name], self._started.get(name))

    def end_step(self, result: StepResult) -> None:
        """Record how a step ended."""
        changes = {field.name: getattr(result, field.name) for field in dataclasses.fields(result)}
        changes["outputs"] = dict(result.outputs)
        self.update(changes.pop("name"), **changes)

    def give_up(self, error: str) -> None:
        """Record that the run was cut short: what ran failed, what waited is skipped."""
        for step in tuple(self.steps.values()):
            if step.status == "running":
                self.update(step.name, status="failed", error=error, seconds=time.time() - self._started[step.name])
            elif step.status == "waiting":
                self.update(step.name, status="skipped")

    def close(self) -> PipelineRun:
        """Record the end of the run."""
        done = all(step.status == "completed" for step in self.steps.values())
        self.run |= {"status": "completed" if done else "failed", "ended": time.time()}
        write_json(self.folder / _RUN, self.run)
        return _read(self.folder)


def begin(ws: Workspace, plan: Plan) -> Ledger:
    """Make the folder of a new run, with every step waiting."""
    stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
    run_id = f"{stamp}-{secrets.token_hex(3)}"
    folder = ws.pipelines / run_id
    folder.mkdir(parents=True, mode=0o700)
    runner = identify()
    run = {
        "id": run_id,
        "pipeline": plan.pipeline.name,
        "file": str(plan.pipeline.path),
        "status": "running",
        "runner": {"pid": runner.pid, "started": runner.started},
        "parameters": dict(plan.parameters),
        "order": [step.name for step in plan.order],
        "needs": {name: list(needs) for name, needs in plan.needs.items()},
        "created": time.time(),
        "ended": None,
    }
    steps = {s.name: Step(s.name, "waiting", folder / f"{s.name}.ipynb", {}, {}) for s in plan.order}
    ledger = Ledger(folder, plan, run, steps)
    for name in steps:
        ledger.write(name)
    # Last, since a folder without it is no run yet.
    write_json(folder / _RUN, run)
    return ledger


def status(ws: Workspace, ref: str | None = None) -> PipelineRun:
    """How a pipeline run stands.

    Args:
        ws: the workspace.
        ref: its id, a unique prefix of it, the pipeline's name (its newest run), or `last` (the default).

    Raises:
        NotFoundError: there is no such run.
        AmbiguousError: a prefix fits more than one.
        FormatError: the run's records are broken.
    """
    runs, broken = _listed(ws)
    if not runs and not broken:
        raise NotFoundError("no pipeline has run yet", hint="lepton pipeline run FILE")
    if ref in (None, "last"):
        return _read([*runs, *broken][0])
    text = str(ref)
    fits = [folder for folder in (*runs, *broken) if folder.name.startswith(text)]
    named = [folder for folder, pipeline in runs.items() if pipeline == text]
    exact = [folder for folder in fits if folder.name == text]
    if exact or named:
        return _read((exact or named)[0])
    if len(fits) > 1:
        raise AmbiguousError(f"{text!r} fits {len(fits)} pipeline runs", expected=", ".join(f.name for f in fits[:5]))
    if not fits:
        known = ", ".join(folder.name for folder in [*runs, *broken][:5])
        raise NotFoundError(f"no pipeline run {text!r}", expected=f"last, a pipeline's name, or one of {known}")
    return _read(fits[0])


def _listed(ws: Workspace) -> tuple[dict[Path, str], list[Path]]:
    """The folders of the runs with their pipelines, newest first, and those whose record is broken."""
    found, broken = [], []
    for file in ws.pipelines.glob(f"*/{_RUN}"):
        try:
            run = read_json(file)
            found.append((float(run["created"]), file.parent, str(run["pipeline"])))
        except (FormatError, KeyError, TypeError, ValueError):
            broken.append(file.parent)
        except FileNotFoundError:
            # It was deleted meanwhile.
            continue
    return {folder: pipeline for _, folder, pipeline in sorted(found, reverse=True)}, sorted(broken, reverse=True)


def _read(folder: Path) -> PipelineRun:
    """The run in a folder; when its runner died, that is written down first.

    Raises:
        FormatError: a record is broken or is not there.
    """
    try:
        return _told(folder)
    except (FileNotFoundError, KeyError, TypeError, ValueError, AttributeError) as cause:
        raise FormatError(
            f"{folder} is not readable",
            expected="the records of a pipeline run",
            got=" ".join(f"{type(cause).__name__}: {cause}".split()),
            hint="move the folder away; other runs are not touched by it",
        ) from cause


def _told(folder: Path) -> PipelineRun:
    run = read_json(folder / _RUN)
    if run["status"] == "running" and not is_alive(Identity(**run["runner"])):
        run = _bury(folder, run)
    steps = tuple(_read_step(folder, name)[0] for name in run["order"])
    seconds = (run["ended"] or time.time()) - run["created"]
    return PipelineRun(run["id"], run["pipeline"], run["status"], steps, folder, seconds)


def _bury(folder: Path, run: dict[str, Any]) -> dict[str, Any]:
    # The run lasted at least as long as its steps are said to have.
    ended = max(file.stat().st_mtime for file in folder.glob("*.json"))
    for name in run["order"]:
        step, body = _read_step(folder, name)
        if step.status == "running":
            step = dataclasses.replace(step, status="failed", error="ChildProcessError: the pipeline's runner died")
        elif step.status == "waiting":
            step = dataclasses.replace(step, status="skipped")
        if body["started"] is not None:
            ended = max(ended, body["started"] + (step.seconds or 0.0))
        _write_step(folder, step, body["cache"], body["started"])
    run |= {"status": "failed", "ended": ended}
    write_json(folder / _RUN, {key: value for key, value in run.items() if key != "format"})
    return run


def _read_step(folder: Path, name: str) -> tuple[Step, dict[str, Any]]:
    body = read_json(folder / f"{name}.json")
    values = {field.name: body[field.name] for field in dataclasses.fields(Step)}
    if body["status"] == "running":
        values["seconds"] = time.time() - body["started"]
    return Step(**{**values, "notebook": folder / body["notebook"]}), body


def _write_step(folder: Path, step: Step, cache: bool, started: float | None) -> None:
    body: dict[str, Any] = {f.name: getattr(step, f.name) for f in dataclasses.fields(step)}
    # Relative, so that the folder can be moved.
    body |= {"notebook": step.notebook.name, "cache": cache, "started": started}
    write_json(folder / f"{step.name}.json", body)
