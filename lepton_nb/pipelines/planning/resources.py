"""What a step asks of the machine."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Resources"]


@dataclass(frozen=True)
class Resources:
    """What a step needs while it runs.

    Args:
        cpus: processor cores.
        memory_mb: MiB of memory; 0 when the file does not say.
        gpus: accelerators.
    """

    cpus: float = 1.0
    memory_mb: float = 0.0
    gpus: float = 0.0
