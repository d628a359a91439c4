"""How a pipeline run stands, by the records of whoever runs it."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...errors import AmbiguousError, FormatError, NotFoundError
from ...processes import Identity, is_alive
from ...records import PipelineRun
from ...workspace import Workspace, locked, read_json, write_json
from .recording import REPORT, RUN, Earlier, read_step, waiting, write_step

__all__ = ["newest", "status"]

_BROKEN = (FormatError, KeyError, TypeError, ValueError, AttributeError)


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


def newest(ws: Workspace, file: Path, parameters: Mapping[str, Any]) -> tuple[Path, dict[str, Any]] | None:
    """The newest run of a pipeline's steps with the same parameters, and what its `run.json` says; else None.

    A run of one step alone is none of the pipeline.
    """
    wanted = json.dumps(parameters, sort_keys=True)
    for folder in sorted(ws.pipelines.glob("*/"), reverse=True):
        try:
            run = read_json(folder / RUN)
            same = run["file"] == str(file) and json.dumps(run["parameters"], sort_keys=True) == wanted
            if same and not run["asked"]["only"]:
                return folder, run
        except (*_BROKEN, OSError):
            # A broken run, or one of an older version, is gone on with by nobody.
            continue
    return None


def _listed(ws: Workspace) -> tuple[dict[Path, str], list[Path]]:
    """The folders of the runs with their pipelines, newest first, and those whose record is broken."""
    found, broken = [], []
    for file in ws.pipelines.glob(f"*/{RUN}"):
        try:
            run = read_json(file)
            found.append((float(run["created"]), file.parent, str(run["pipeline"])))
        except _BROKEN:
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
    run = read_json(folder / RUN)
    if _is_dead(run):
        with locked(folder / ".lock"):
            # Another process may have gone on with it meanwhile.
            run = read_json(folder / RUN)
            if _is_dead(run):
                run = _bury(folder, run)
    steps = tuple(_step(folder, run, name).step for name in run["order"])
    began = run.get("began", run["created"])
    seconds = run.get("spent", 0.0) + (run["ended"] or time.time()) - began
    needs = {name: tuple(wanted) for name, wanted in run["needs"].items()}
    page = folder / REPORT
    report = page if page.exists() else None
    return PipelineRun(run["id"], run["pipeline"], run["status"], steps, folder, seconds, needs, report)


def _step(folder: Path, run: Mapping[str, Any], name: str) -> Earlier:
    """The record of a step; one that a run has not come to yet has none."""
    try:
        return read_step(folder, name)
    except FileNotFoundError:
        if run["status"] != "running":
            raise
        return Earlier(waiting(folder, name))


def _is_dead(run: Mapping[str, Any]) -> bool:
    return run["status"] == "running" and not is_alive(Identity(**run["runner"]))


def _bury(folder: Path, run: dict[str, Any]) -> dict[str, Any]:
    # The run lasted at least as long as its steps are said to have.
    ended = max(file.stat().st_mtime for file in folder.glob("*.json"))
    death = "the pipeline's runner died"
    for name in run["order"]:
        old = _step(folder, run, name)
        step = old.step
        if step.status == "running":
            step = dataclasses.replace(step, status="failed", error=f"ChildProcessError: {death}")
        elif step.status == "waiting":
            step = dataclasses.replace(step, status="skipped", note=death)
        if old.started is not None:
            ended = max(ended, old.started + (step.seconds or 0.0))
        write_step(folder, dataclasses.replace(old, step=step))
    run |= {"status": "failed", "cut": death, "ended": ended}
    write_json(folder / RUN, {key: value for key, value in run.items() if key != "format"})
    return run
