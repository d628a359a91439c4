"""The processes of one step: its worker, its kernel, and what they started."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence

import psutil

__all__ = ["Family"]

_KILL_S = 5.0


class Family:
    """Watches the processes of one step.

    Args:
        worker: process id of the worker, which has just started.

    Attributes:
        peak: the most MiB that they held at once, or None when nobody looked. What forked processes have had in
            common with their template from the start is not counted.
    """

    def __init__(self, worker: int) -> None:
        self.peak: float | None = None
        self._known: dict[int, psutil.Process] = {}
        self._roots: list[int] = []
        self._inherited, self._line = 0, [""]
        with contextlib.suppress(psutil.Error):
            root = self._known[worker] = psutil.Process(worker)
            self._roots.append(worker)
            self._inherited, self._line = root.memory_info().rss, root.cmdline()

    def look(self, kernel: int | None) -> None:
        """Look once: who is there, and how much memory they hold.

        Args:
            kernel: process id of the kernel, which is no child of the worker when it was forked from the template.
        """
        if kernel is not None and kernel not in self._known:
            with contextlib.suppress(psutil.Error):
                self._known[kernel] = psutil.Process(kernel)
                # All that a worker starts is the kernel; each search looks at every process of the machine.
                self._roots = [kernel]
        held = 0
        self._find(self._roots)
        for process in self._known.values():
            with contextlib.suppress(psutil.Error):
                # A copy of the template goes by its name.
                shared = self._inherited if process.cmdline() == self._line else 0
                held += max(0, process.memory_info().rss - shared)
        self.peak = max(self.peak or 0.0, held / 2**20)

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
            with contextlib.suppress(psutil.Error):
                for child in self._known[pid].children(recursive=True):
                    self._known.setdefault(child.pid, child)


def _lives(process: psutil.Process) -> bool:
    """Whether it still runs; a zombie, which its new parent has yet to take notice of, does not."""
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
