"""Does the process of a run still live?"""

from __future__ import annotations

import os
from pathlib import Path

from ..errors import FormatError
from ..processes import Identity, identify, is_alive
from ..workspace import Workspace, read_json, write_json

__all__ = ["last_words", "living", "mark_process", "process_of"]

_PIDS = 2**31


def mark_process(ws: Workspace, run_id: str, process: Identity | None = None) -> None:
    """The run lives as long as this process does.

    Args:
        ws: the workspace.
        run_id: the run.
        process: which may have ended already (default: this one).
    """
    process = identify() if process is None else process
    body = {"pid": process.pid, "started": process.started}
    write_json(ws.run(run_id) / "process.json", body, mode=0o600)


def process_of(ws: Workspace, run_id: str) -> Identity | None:
    """A run's process; None for a run of another machine, and when its file is broken."""
    try:
        body = read_json(ws.run(run_id) / "process.json")
        process = Identity(int(body["pid"]), float(body["started"]))
    except (FileNotFoundError, FormatError, KeyError, TypeError, ValueError, OverflowError):
        return None
    return process if 0 < process.pid < _PIDS else None


def living(ws: Workspace) -> tuple[str, ...]:
    """Ids of the runs whose process lives on this machine; the store is not asked."""
    ids = [folder.name for folder in sorted(ws.runs.glob("*")) if (folder / "process.json").is_file()]
    return tuple(one for one in ids if (process := process_of(ws, one)) and is_alive(process))


def last_words(job: Path) -> str:
    """The last line of a job's log, empty when it said nothing."""
    try:
        with (job / "log").open("rb") as stream:
            stream.seek(0, os.SEEK_END)
            stream.seek(max(0, stream.tell() - 4096))
            lines = stream.read().decode(errors="replace").split("\n")
    except FileNotFoundError:
        return ""
    return next((line.strip() for line in reversed(lines) if line.strip()), "")
