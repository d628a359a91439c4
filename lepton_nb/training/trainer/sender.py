"""Metrics on their way to the tracking store, beside the training and never in its way."""

from __future__ import annotations

import threading
import time
from types import TracebackType

from ... import tracking
from ...errors import LeptonError
from ...records import Note
from ...workspace import Workspace
from ..events import EventLog

__all__ = ["Sender"]


class Sender:
    """Sends what waits in the job folder every few seconds, while its block runs.

    Args:
        ws: the workspace.
        run_id: the run.
        log: told once when the store cannot be reached, and once when it refuses.
        interval: seconds between two sendings.
    """

    def __init__(self, ws: Workspace, run_id: str, log: EventLog, interval: float = 5.0) -> None:
        self._ws, self._run_id, self._log, self._interval = ws, run_id, log, interval
        self._ended = threading.Event()
        self._said: set[str] = set()
        self._thread = threading.Thread(target=self._run, name="lepton-sender", daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # A sending that hangs must not hold up the end: what it holds stays in the folder.
        self._ended.set()
        self._thread.join(timeout=15)

    def _run(self) -> None:
        while not self._ended.wait(self._interval):
            try:
                if not tracking.flush(self._ws, self._run_id, wait=1.0):
                    self._say("the tracking store is away or busy; training goes on, metrics wait in the job folder")
            except LeptonError as cause:
                self._say(f"metrics wait in the job folder: {cause}")

    def _say(self, text: str) -> None:
        if text not in self._said:
            self._said.add(text)
            self._log.write(Note(time.time(), text))
