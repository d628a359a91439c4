"""A run that is over goes on."""

from __future__ import annotations

import time

from ..errors import ConflictError
from ..processes import Identity
from ..workspace import Workspace
from . import spool
from .ending import ending, overlay, settling
from .liveness import mark_process
from .writing import flush

__all__ = ["reopen_run"]


def reopen_run(ws: Workspace, run_id: str, process: Identity | None = None) -> None:
    """Let a run that is over go on under the same id: it is `running` again, and its end is forgotten.

    What it has measured stays. Its next end is told by `finish_run`, or by the death of its process. A store whose
    server does not answer now is told later.

    Args:
        ws: the workspace.
        run_id: a run that was started here and has stopped, failed or finished.
        process: the one that it goes on in (default: this one).

    Raises:
        NotFoundError: no such run was started here.
        FormatError: a file of its folder is broken.
        ConflictError: it is running.
        TrackingError: the store refused.
    """
    record = spool.Record.read(ws, run_id)
    # A death that nobody has seen yet is told first.
    cause = overlay(ws, run_id)[1] if ending(ws, run_id) is None else ""
    with settling(ws, run_id):
        if ending(ws, run_id) is None:
            raise ConflictError(
                f"run {record.name} ({run_id[:8]}) is not over", got=cause, hint=f"lepton stop {run_id[:8]}"
            )
        count = 1 + sum(line["kind"] == "resume" for line in spool.lines(ws.run(run_id)))
        # In this order: a kill in between leaves a run that is over.
        mark_process(ws, run_id, process)
        spool.append(ws.run(run_id), "resume", {"time": time.time(), "count": count})
    flush(ws, run_id)
