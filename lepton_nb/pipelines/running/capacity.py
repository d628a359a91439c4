"""What this machine has for the steps that run on it."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import psutil

from .scheduling import Room

__all__ = ["local_room"]


def local_room(jobs: int) -> Room:
    """Room for `jobs` steps on this machine, within what it grants to this process."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    memory = psutil.virtual_memory().total
    # A container may use less than the machine has.
    with contextlib.suppress(OSError, ValueError):
        memory = min(memory, int(Path("/sys/fs/cgroup/memory.max").read_text()))
    return Room(jobs, float(max(jobs, cores)), memory / 2**20, float(_gpus()))


def _gpus() -> int:
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return len([one for one in visible.split(",") if one.strip() not in ("", "-1")])
    with contextlib.suppress(OSError):
        return len(list(Path("/proc/driver/nvidia/gpus").iterdir()))
    return 0
