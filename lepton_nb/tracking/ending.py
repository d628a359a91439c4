"""Whether a run is over, and how it ended: what its folder says, and whether its process lives."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from typing import Any

from ..processes import is_alive
from ..records import RunStatus
from ..workspace import Workspace, locked
from .liveness import last_words, process_of
from .spool import is_pending, lines, unsent
from .writing import finish_run, flush

__all__ = ["Ending", "ending", "news", "overlay", "settling"]

Ending = tuple[RunStatus, str, float | None]

# A life, an end and a new life are told apart under this lock, which is held for an instant.
_LOCK = "ending.lock"


def ending(ws: Workspace, run_id: str) -> Ending | None:
    """What the run's own folder says of its end: status, cause and moment; None when it says nothing.

    Raises:
        FormatError: a line of it is broken.
    """
    return _last(lines(ws.run(run_id)))[1]


def news(ws: Workspace, run_id: str) -> tuple[bool, Ending | None]:
    """What the store was not told yet of a run's end.

    Args:
        ws: the workspace.
        run_id: the run.

    Returns:
        Whether something of an end or of a new beginning waits in the folder; and the ending, None when the run was
        reopened.

    Raises:
        FormatError: a line that waits is broken.
    """
    job = ws.run(run_id)
    return _last(body for _, body in unsent(job)) if is_pending(job) else (False, None)


def _last(told: Iterable[Mapping[str, Any]]) -> tuple[bool, Ending | None]:
    """Whether an end or a new beginning was told, and the end that nothing has cancelled since."""
    any_told, last = False, None
    for line in told:
        if line["kind"] in ("finish", "resume"):
            any_told = True
            last = (line["status"], line["cause"], line["time"]) if line["kind"] == "finish" else None
    return any_told, last


def overlay(ws: Workspace, run_id: str) -> Ending:
    """The truth about a run that the store calls running: status, cause and end.

    A run of another machine has no process here, and is what the store says.

    Raises:
        NotFoundError: no such run was started here.
        FormatError: a file of its folder is broken.
    """
    process, file = process_of(ws, run_id), ws.run(run_id) / "process.json"
    if process is None and file.exists():
        return "failed", f"{file} is not readable: whether its process lives is not known", None
    if process is None or is_alive(process):
        return "running", "", None
    # It may have ended well a moment ago, before the store was told.
    if (told := ending(ws, run_id)) is not None:
        return told
    with settling(ws, run_id):
        if process_of(ws, run_id) != process:
            return "running", "", None
        if ending(ws, run_id) is None:
            finish_run(ws, run_id, "failed", _cause_of_death(ws, run_id, process.pid), send=False)
    # The lock is no place to wait for a server.
    flush(ws, run_id)
    return ending(ws, run_id) or ("running", "", None)


def settling(ws: Workspace, run_id: str) -> AbstractContextManager[None]:
    """The lock under which a run is found dead or made to live again, so that a new life gets no old death.

    Raises:
        ConflictError: another process holds it for a minute.
    """
    return locked(ws.run(run_id) / _LOCK)


def _cause_of_death(ws: Workspace, run_id: str, pid: int) -> str:
    words = last_words(ws.run(run_id))
    return f"its process {pid} ended without a word" + (f"; the log ends with: {words[:200]}" if words else "")
