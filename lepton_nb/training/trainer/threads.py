"""How many threads a network's operators should use."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["CPUS", "cpu_count", "threads"]

# How many CPUs this process may use, where several trainings share the machine.
CPUS = "LEPTON_CPUS"
# Of a forward pass, for each thread. Two threads that spin where the machine is free take 0.6 to 0.75 of the time of
# one from here on; beside a busy process they sleep, and take up to half as long again.
_PRODUCTS = 40_000_000


def threads(cpus: int, batch_values: int, products: int = 0) -> int:
    """How many threads a network's operators should use.

    With little to compute between two barriers a second thread wins nothing on an idle machine, and loses a factor of
    thirty on a busy one, where each of the many barriers waits for a thread that is not running.

    Args:
        cpus: as `cpu_count` says.
        batch_values: numbers in one batch of features.
        products: multiplications in the large layers of a forward pass of one batch, as `large_products` says.

    Example:
        >>> threads(8, 64 * 64), threads(8, 64 * 784), threads(2, 64 * 784), threads(8, 64 * 64, 130_000_000)
        (1, 3, 2, 3)
    """
    return max(1, min(cpus, max(batch_values // 16384, products // _PRODUCTS)))


def cpu_count() -> int:
    """How many CPUs this process may use: its share, its affinity and its container's quota (cgroup v2 `cpu.max`)."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if (share := os.environ.get(CPUS, "")).isdecimal():
        count = max(1, min(count, int(share)))
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        return count if quota == "max" else max(1, min(count, -(-int(quota) // int(period))))
    except (OSError, ValueError):
        return count
