"""Does the process of a run still live?"""

from __future__ import annotations

import os
from pathlib import Path

import psutil

from ..errors import FormatError
from ..workspace import Workspace, read_json, write_json

__all__ = ["is_living", "last_words", "mark_process", "process_of"]

# The clock behind a start time may be stepped by NTP between two readings.
_TOLERANCE_S = 2.0


def mark_process(ws: Workspace, run_id: str, pid: int | None = None) -> None:
    """The run lives as long as this process does.

    Args:
        ws: the workspace.
        run_id: the run.
        pid: a living process (default: this one).
    """
    pid = os.getpid() if pid is None else pid
    body = {"pid": pid, "started": psutil.Process(pid).create_time()}
    write_json(ws.run(run_id) / "process.json", body, mode=0o600)


def process_of(ws: Workspace, run_id: str) -> tuple[int, float] | None:
    """Id and start time (seconds since the epoch) of a run's process; None for a run of another machine."""
    try:
        body = read_json(ws.run(run_id) / "process.json")
        return int(body["pid"]), float(body["started"])
    except (FileNotFoundError, FormatError, KeyError):
        return None


def is_living(pid: int, started: float) -> bool:
    """Whether that very process still runs; a zombie does not."""
    try:
        process = psutil.Process(pid)
        same = abs(process.create_time() - started) <= _TOLERANCE_S
        return same and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


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
