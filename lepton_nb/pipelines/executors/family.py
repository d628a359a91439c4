"""The processes of one step: its worker, its kernel, and what they started."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence

import psutil

from ..engine import resident

__all__ = ["Family"]

_KILL_S = 5.0


class Family:
    """Watches the processes of one step.

    Args:
        worker: process id of the worker, which has just started.

    Attributes:
        peak: MiB that they held at once, or None when nobody looked: the most that each one ever held, added up for
            those that lived at the same time. Of the worker and the kernel counts what came after the first cell had
            begun, so that a kernel whose imports were done before it began tells no less than another; of a process
            that was forked from the kernel counts what it did not share with it from the start.
    """

    def __init__(self, worker: int) -> None:
        self.peak: float | None = None
        self._worker, self._kernel = worker, 0
        self._known: dict[int, psutil.Process] = {}
        self._before: dict[int, int] = {}
        self._line = [""]
        with contextlib.suppress(psutil.Error):
            self._known[worker] = psutil.Process(worker)

    def look(self, told: Sequence[int]) -> None:
        """Look once: who is there, and how much memory they hold.

        Args:
            told: what the worker has told of its kernel: its process id (it is no child of the worker when it was
                forked from the template), and what the kernel and the worker held before the first cell, in KiB.
        """
        if told and told[0] not in self._known:
            with contextlib.suppress(psutil.Error):
                kernel = self._known[told[0]] = psutil.Process(told[0])
                self._kernel, self._line = told[0], kernel.cmdline()
        # All that a worker starts is the kernel; each search looks at every process of the machine.
        self._find((self._kernel or self._worker,))
        self.told(told)
        if len(told) >= 3:
            self._before |= {self._kernel: told[1], self._worker: told[2]}
            held = sum(map(self._held, self._known.values()))
            self.peak = max(self.peak or 0.0, held / 1024)

    def told(self, told: Sequence[int]) -> None:
        """Take what the worker knows better at the end: the most that the kernel and itself held."""
        self.peak = max(self.peak or 0.0, (told[3] + told[4] - told[1] - told[2]) / 1024 if len(told) == 5 else 0.0)

    def _held(self, process: psutil.Process) -> int:
        """The most KiB that a process ever held of its own, if it still lives."""
        pid = process.pid
        now, most = resident(pid)
        if pid not in (self._kernel, self._worker):
            try:
                # A copy of the kernel goes by its name, until it becomes another program.
                if process.cmdline() != self._line:
                    return most
            except psutil.Error:
                return 0
            self._before.setdefault(pid, min(now, resident(self._kernel)[0] or now))
        return max(0, most - self._before[pid])

    def kill(self) -> None:
        """End all of them; they are held still first, so that nothing starts meanwhile."""
        for _ in range(2):
            self._find(tuple(self._known))
            for process in self._known.values():
                with contextlib.suppress(psutil.Error):
                    process.suspend()
        for process in self._known.values():
            # psutil compares start times, so a reused id is never signalled.
            with contextlib.suppress(psutil.Error):
                process.kill()
        deadline = time.monotonic() + _KILL_S
        while any(map(_lives, self._known.values())) and time.monotonic() < deadline:
            time.sleep(0.01)

    def _find(self, roots: Sequence[int]) -> None:
        for pid in roots:
            with contextlib.suppress(psutil.Error, KeyError):
                for child in self._known[pid].children(recursive=True):
                    self._known.setdefault(child.pid, child)


def _lives(process: psutil.Process) -> bool:
    """Whether it still runs; a zombie, which its new parent has yet to take notice of, does not."""
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
