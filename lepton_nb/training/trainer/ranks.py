"""The processes that share each batch of a training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

__all__ = ["ALONE", "Ranks"]


@dataclass(frozen=True)
class Ranks:
    """Where a process stands among those that train together.

    Args:
        rank: its number, 0 for the one that writes.
        world: how many there are.
        interval: batches between two moments at which all agree whether to stop or to save.
    """

    rank: int = 0
    world: int = 1
    interval: int = 10

    @property
    def alone(self) -> bool:
        """Whether there is no other."""
        return self.world == 1

    @property
    def first(self) -> bool:
        """Whether it is the one that writes."""
        return self.rank == 0

    def any(self, wish: bool) -> bool:
        """What the first process wishes; all must ask at the same batch."""
        if self.alone:
            return wish
        import torch
        from torch import distributed

        told = torch.tensor([int(wish)], device="cuda" if distributed.get_backend() == "nccl" else "cpu")
        distributed.broadcast(told, src=0)
        return bool(told.item())

    def arguments(self, accelerator: str) -> dict[str, Any]:
        """What Lightning's Trainer must be told."""
        return {}


ALONE = Ranks()
