"""Runs that nobody needs any more."""

from __future__ import annotations

import os
import shutil
import time

from ..errors import ConflictError, FormatError, NotFoundError
from ..processes import is_alive
from ..records import Run
from ..workspace import Workspace
from .address import uri
from .liveness import process_of
from .reading import get
from .spool import Record
from .store import asking

__all__ = ["delete"]

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
    _wait_for_exit(ws, run.id)
    try:
        store_id = Record.read(ws, run.id).store_id or run.id
    except (FormatError, NotFoundError):
        # A broken folder can still be thrown away.
        store_id = run.id
    with asking(uri(ws)) as client:
        client.delete_run(store_id)
    for folder in (ws.artifacts / store_id, ws.run(run.id)):
        if folder.exists():
            shutil.rmtree(folder)
    return run


def _wait_for_exit(ws: Workspace, run_id: str) -> None:
    """A trainer that has said its last word still closes its files, and would make the folder anew."""
    process = process_of(ws, run_id)
    deadline = time.monotonic() + _EXIT_S
    while process is not None and process.pid != os.getpid() and is_alive(process) and time.monotonic() < deadline:
        time.sleep(0.05)
