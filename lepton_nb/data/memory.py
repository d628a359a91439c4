"""How much memory is free for rows."""

from __future__ import annotations

from pathlib import Path

__all__ = ["available_memory"]

# Of the container, where there is one (cgroup v2, then v1): the limit, and what is used of it.
_CGROUPS = (
    (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.current")),
    (
        Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
        Path("/sys/fs/cgroup/memory/memory.usage_in_bytes"),
    ),
)


def available_memory() -> int:
    """Bytes that can be taken without swapping, and without leaving what the container may use."""
    import psutil

    free = int(psutil.virtual_memory().available)
    for limit, used in _CGROUPS:
        try:
            left = int(limit.read_text()) - int(used.read_text())
        except (OSError, ValueError):
            # There is no such file, or it says `max`.
            continue
        free = min(free, max(0, left))
    return free
