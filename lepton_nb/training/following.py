"""Watching a trainer from outside, and ending it."""

from __future__ import annotations

import signal
import time
from pathlib import Path

from .. import kernels
from ..processes import Identity, is_alive
from ..processes import stop as end_process
from ..records import Event, Failed, Finished, Note, Report
from .events import Tail
from .job import ask_to_stop

__all__ = ["Watch", "cause_of_death"]

_LOOK_S = 0.03


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
            # Looked at before the file: what a process wrote before it died is then read for sure.
            alive = is_alive(self._trainer)
            for event in self._tail.read():
                self._report(event)
                if isinstance(event, (Finished, Failed)):
                    return event
            if not alive:
                return None
            time.sleep(_LOOK_S)
        return None


def cause_of_death(trainer: Identity) -> str:
    """Why a trainer that said nothing is gone, as far as its parent can know."""
    code = kernels.exit_status(trainer)
    if code is None:
        return f"the trainer (pid {trainer.pid}) is gone"
    if code >= 0:
        return f"the trainer ended with exit status {code}"
    name = signal.Signals(-code).name
    return f"the trainer was killed by {name}" + (", perhaps for lack of memory" if name == "SIGKILL" else "")
