"""What a training takes of the machine."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import psutil
import torch

from ...records import Usage

__all__ = ["Meter"]


class Meter:
    """Measures this process and those that it has started, from one reading to the next."""

    def __init__(self) -> None:
        self._moment, self._cpu = time.monotonic(), self._seconds()
        self._gpu = torch.cuda.is_available()

    def read(self, rows: int) -> Usage:
        """What was taken since the last reading.

        Args:
            rows: rows that were trained on since then.
        """
        now, cpu = time.monotonic(), self._seconds()
        passed = max(1e-9, now - self._moment)
        share = max(0.0, cpu - self._cpu) / passed
        self._moment, self._cpu = now, cpu
        memory = sum(_memory(pid) for pid in self._family())
        gpu, taken = self._of_gpu()
        return Usage(time.time(), rows / passed, share, memory, gpu, taken)

    def _family(self) -> list[int]:
        found, new = [], [os.getpid()]
        while new:
            found += new
            new = [child for pid in new for child in _children(pid)]
        return found

    def _seconds(self) -> float:
        total = 0.0
        for pid in self._family():
            try:
                times = psutil.Process(pid).cpu_times()
            except psutil.Error:
                continue
            total += times.user + times.system
        return total

    def _of_gpu(self) -> tuple[float | None, int | None]:
        if not self._gpu:
            return None, None
        try:
            share: Any = torch.cuda.utilization() / 100
        except Exception:  # noqa: BLE001 -- NVIDIA's library may be absent or refuse; the training is not about it
            share = None
        return share, torch.cuda.memory_reserved()


def _children(pid: int) -> list[int]:
    """Asked of the system: to look at every process of the machine takes milliseconds."""
    try:
        return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except (OSError, ValueError):
        return []


def _memory(pid: int) -> int:
    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.Error:
        return 0
