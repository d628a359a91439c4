"""Runs that nobody needs any more."""

from __future__ import annotations

import contextlib
import os
import time

from ..errors import ConflictError, FormatError, NotFoundError
from ..processes import is_alive
from ..records import Run
from ..workspace import Workspace, discard
from .address import uri
from .liveness import process_of
from .reading import get
from .spool import Record
from .store import asking

__all__ = ["delete", "remove"]

_EXIT_S = 10.0


def delete(ws: Workspace, ref: str) -> Run:
    """Delete a run: its entry in the store, its files there when they lie in the workspace, its job folder.

    Args:
        ws: the workspace.
        ref: as `get` takes it.

    Returns:
        The run as it was.

    Raises:
        NotFoundError: nothing fits.
        AmbiguousError: a prefix fits several runs.
        ConflictError: it is running.
        TrackingError: the store refused, or its server does not answer.
    """
    run = get(ws, ref)
    if run.status == "running":
        raise ConflictError(f"run {run.name} is running", hint=f"lepton stop {run.id[:8]}, then delete it")
    remove(ws, run.id, run.ended or time.time())
    return run


def remove(ws: Workspace, run_id: str, ended: float) -> None:
    """Remove what there is of a run that is over.

    The entry goes first, the job folder last: what a kill leaves in between is no run any more, and a clean-up finds
    it.

    Args:
        ws: the workspace.
        run_id: the run.
        ended: when it did, in seconds since the epoch.

    Raises:
        TrackingError: the store refused, or its server does not answer; nothing was removed.
    """
    _wait_for_exit(ws, run_id, ended)
    try:
        store_id = Record.read(ws, run_id).store_id or run_id
    except (FormatError, NotFoundError):
        # A broken folder can still be thrown away.
        store_id = run_id
    # Another process may have been faster.
    with contextlib.suppress(NotFoundError), asking(uri(ws)) as client:
        client.delete_run(store_id)
    discard(ws, ws.artifacts / store_id, ws.run(run_id))


def _wait_for_exit(ws: Workspace, run_id: str, ended: float) -> None:
    """A trainer that has said its last word still closes its files, and would make the folder anew."""
    process = process_of(ws, run_id)
    while process is not None and process.pid != os.getpid() and is_alive(process) and time.time() < ended + _EXIT_S:
        time.sleep(0.05)
