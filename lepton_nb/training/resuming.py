"""A run that was stopped, or has failed, goes on from its last good checkpoint."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

from .. import tracking
from ..errors import ConflictError, NotFoundError
from ..records import Note, Report, Resumed, Run, silent
from ..workspace import Workspace
from .attending import attended, result
from .checkpoints import Checkpoint, good_checkpoint
from .events import EventLog
from .job import Job, forget_request
from .launching import launch

__all__ = ["resume"]


def resume(
    ws: Workspace,
    ref: str,
    *,
    detach: bool = False,
    report: Report = silent,
    variables: Mapping[str, str] | None = None,
) -> Run:
    """Go on with a run that was stopped or has failed, under the same id.

    With a data set of the workspace, and with loaders over datasets that have rows by number, it goes on at the very
    batch; on a CPU the outcome is then, bit for bit, that of a run which was never interrupted. With other loaders it
    goes on at the epoch.

    Args:
        ws: the workspace.
        ref: id, unique prefix, name or `last`.
        detach: return at once, with the run running.
        report: told what happens.
        variables: of the trainer's environment, beside this process's own.

    Returns:
        The run, `finished` or `stopped` (or `running` when detached).

    Raises:
        NotFoundError: there is no such run, or its job folder is gone.
        ConflictError: it is running, or has finished.
        TrainingError: the training failed.
    """
    run = tracking.get(ws, ref)
    if run.status in ("running", "finished"):
        hint = f"lepton attach {run.name}" if run.status == "running" else "lepton train starts a new run"
        raise ConflictError(f"run {run.name} ({run.id[:8]}) is {run.status}", expected="stopped or failed", hint=hint)
    if not (run.path / "job" / "job.json").is_file():
        raise NotFoundError(f"{run.path} holds no job of run {run.name}", hint="train again")
    job = Job.read(run.path)
    found, broken = good_checkpoint(run.path)
    tracking.reopen_run(ws, run.id)
    forget_request(run.path)
    EventLog(run.path).write(Resumed(time.time()))
    for one in broken:
        text = f"checkpoint {one.file} is not what was written, it is {one.fault}; the one before it is taken"
        report(Note(time.time(), text))
    report(Note(time.time(), f"run {run.name} ({run.id[:8]}) {_where(job, found)}"))
    try:
        trainer = launch(ws, run.id, Path(job.cwd or Path.cwd()), variables)
    except BaseException as cause:
        tracking.finish_run(ws, run.id, "failed", f"{type(cause).__name__}: {cause}")
        raise
    return result(ws, run.id) if detach else attended(ws, run.id, trainer, report)


def _where(job: Job, found: Checkpoint | None) -> str:
    if found is None:
        return "has no checkpoint yet: it starts from its beginning"
    if found.exact:
        return f"goes on behind batch {found.batches}, in epoch {found.epoch + 1}"
    return f"goes on at the start of epoch {found.epoch + 1}, since its loaders cannot go on within one"
