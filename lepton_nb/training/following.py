"""Watching a trainer from outside, and ending it."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import time
from pathlib import Path

from .. import kernels
from ..processes import Identity, is_alive
from ..processes import stop as end_process
from ..records import Event, Failed, Finished, Note, Report, Resumed, printable
from ..workspace import mask
from .events import Tail
from .job import ask_to_stop

__all__ = ["Watch", "cause_of_death", "last_lines", "oom_kills"]

_LOOK_S = 0.03
_LOG_BYTES, _LINE = 16384, 300
_NO_ROOM = 2**20


class Watch:
    """Follows one run.

    Args:
        folder: the run's folder.
        trainer: its process.
        report: told every event.
    """

    def __init__(self, folder: Path, trainer: Identity, report: Report) -> None:
        self._folder, self._trainer, self._report = folder, trainer, report
        self._tail = Tail(folder)

    def attend(self) -> Event | None:
        """Wait for the end. The first interrupt asks the trainer to stop, the second kills it.

        Returns:
            The last event, or None when the trainer died, or was killed, without one.
        """
        try:
            return self.follow()
        except KeyboardInterrupt:
            ask_to_stop(self._folder)
        try:
            text = "stopping after this batch, the best weights are kept; interrupt again to kill the trainer"
            self._report(Note(time.time(), text))
            return self.follow()
        except KeyboardInterrupt:
            end_process(self._trainer, grace=0.0)
            return Finished(time.time(), "stopped", "killed at the second interrupt")

    def follow(self, seconds: float | None = None) -> Event | None:
        """Report events until the last one, until the process has died, or for so many seconds."""
        deadline = None if seconds is None else time.monotonic() + seconds
        while deadline is None or time.monotonic() < deadline:
            over, last = self.look()
            if over:
                return last
            time.sleep(_LOOK_S)
        return None

    def look(self) -> tuple[bool, Event | None]:
        """Report what is new.

        Returns:
            Whether it is over, and the last event then; None when the process has died without one.
        """
        # Looked at before the file: what a process wrote before it died is then read for sure.
        alive = is_alive(self._trainer)
        events = self._tail.read()
        over = max((place for place, event in enumerate(events) if isinstance(event, Resumed)), default=-1)
        for place, event in enumerate(events):
            is_end = isinstance(event, (Finished, Failed))
            if not (is_end and place < over):
                self._report(event)
                if is_end:
                    return True, event
        return not alive, None


def cause_of_death(trainer: Identity, folder: Path) -> str:
    """Why a trainer that said nothing is gone, as far as its parent can know.

    Args:
        trainer: its process.
        folder: the run's folder.
    """
    if shutil.disk_usage(folder).free < _NO_ROOM:
        return f"the disk of {folder} is full; the trainer (pid {trainer.pid}) is gone"
    code = kernels.exit_status(trainer)
    if code is None:
        return f"the trainer (pid {trainer.pid}) is gone" + _short_of_memory(folder)
    if code >= 0:
        return f"the trainer ended with exit status {code}"
    name = signal.Signals(-code).name
    return f"the trainer was killed by {name}" + (_short_of_memory(folder) if name == "SIGKILL" else "")


def last_lines(folder: Path, most: int) -> list[str]:
    """The last lines of a run's log, those that only frame a traceback left out.

    Args:
        folder: the run's folder.
        most: how many at most.
    """
    try:
        with (folder / "log").open("rb") as stream:
            stream.seek(max(0, stream.seek(0, os.SEEK_END) - _LOG_BYTES))
            lines = stream.read().decode(errors="replace").splitlines()
    except FileNotFoundError:
        return []
    said = [mask(printable(line))[:_LINE] for line in lines]
    return [line for line in said if line.strip("^~ ")][-most:]


def _short_of_memory(folder: Path) -> str:
    """What the system says of processes that it killed for lack of memory since the run began."""
    kills = oom_kills()
    try:
        before = int((folder / "oom_kills").read_text())
    except (FileNotFoundError, ValueError):
        before = None
    if kills is None or before is None:
        return ", perhaps for lack of memory"
    return ": this machine was out of memory, try a smaller batch size" if kills > before else ""


def oom_kills() -> int | None:
    """How many processes the system has killed for lack of memory; None where it does not say."""
    with contextlib.suppress(OSError, ValueError):
        for line in Path("/proc/vmstat").read_text().splitlines():
            if line.startswith("oom_kill "):
                return int(line.split()[1])
    return None
