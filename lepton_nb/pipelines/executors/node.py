"""What a node of a cluster does for a step: the same as this machine would, in a place of its own."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path
from typing import Any

from ..planning import Resources
from .local import LocalExecutor
from .protocol import StepJob, StepResult
from .share import share_at

__all__ = ["execute", "packed", "unpacked"]

_WAIT_S = 1.0


def packed(job: StepJob) -> str:
    """A job as JSON."""
    return json.dumps(dataclasses.asdict(job), default=str, allow_nan=False)


def unpacked(text: str) -> StepJob:
    """The job that `packed` wrote."""
    fields = json.loads(text)
    paths = {name: Path(fields[name]) for name in ("notebook", "executed", "folder", "cwd")}
    lists = {name: tuple(map(Path, fields[name])) for name in ("inputs", "writes")}
    return StepJob(**{**fields, **paths, **lists, "resources": Resources(**fields["resources"])})


def execute(text: str, name: str, share: str | None, unwanted: str) -> tuple[str, dict[str, Any]]:
    """Execute a step on this node; Ctrl-C, or the end of this process, ends its processes too.

    Args:
        text: the packed job.
        name: under which its files were sent.
        share: where to, an fsspec URL; None when its folders are seen from here.
        unwanted: a folder that Ray imports from and the step does not.

    Returns:
        The attempt that ended, and the fields of its result.
    """
    job = unpacked(text)
    path = [part for part in os.environ.get("PYTHONPATH", "").split(os.pathsep) if part and part != unwanted]
    environment = {"PYTHONPATH": os.pathsep.join(path), **job.environment}
    with share_at(share).attempt(dataclasses.replace(job, environment=environment), name) as (here, attempt):
        result = _result(here)
    return attempt, dataclasses.asdict(result)


def _result(job: StepJob) -> StepResult:
    executor = LocalExecutor()
    try:
        executor.start(job)
        while True:
            if result := executor.wait(_WAIT_S):
                return result
    finally:
        executor.stop()
