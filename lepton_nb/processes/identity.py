"""Who a process is: its id alone is reused by the kernel, its id with its start time is not."""

from __future__ import annotations

import os
from dataclasses import dataclass

import psutil

__all__ = ["Identity", "identify", "is_alive"]

# The clock behind a start time may be stepped by NTP between two readings.
_TOLERANCE_S = 2.0


@dataclass(frozen=True)
class Identity:
    """A process that is told from a later one with the same id.

    Args:
        pid: process id.
        started: start time in seconds since the epoch.
    """

    pid: int
    started: float


def identify(pid: int | None = None) -> Identity:
    """The identity of a living process (default: this one).

    Raises:
        psutil.NoSuchProcess: there is no such process.
    """
    pid = os.getpid() if pid is None else pid
    return Identity(pid, psutil.Process(pid).create_time())


def is_alive(identity: Identity) -> bool:
    """Whether that very process still runs; a zombie does not."""
    try:
        process = psutil.Process(identity.pid)
        same = abs(process.create_time() - identity.started) <= _TOLERANCE_S
        return same and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
