"""The processes that share each batch of a training."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["ALONE", "Ranks"]


@dataclass(frozen=True)
class Ranks:
    """Where a process stands among those that train together.

    Args:
        rank: its number, 0 for the one that writes.
        world: how many there are.
        here: how many of them share the CPUs of this machine.
        arguments: gives, for the Lightning that the network is made of, what its Trainer must be told.
        sends: whether the first one sends the metrics to the tracking store; else somebody does who is nearer to it.
    """

    rank: int = 0
    world: int = 1
    here: int = 1
    arguments: Callable[[Any], Mapping[str, Any]] = lambda library: {}
    sends: bool = True

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
        return bool(self.gathered(wish)[0])

    def gathered(self, value: Any) -> list[Any]:
        """The values of all processes in the order of their numbers; all must ask at the same batch."""
        if self.alone:
            return [value]
        from torch import distributed

        values: list[Any] = [None] * self.world
        distributed.all_gather_object(values, value)
        return values

    def mean(self, metrics: Mapping[str, Any]) -> dict[str, float]:
        """Each metric's mean over the processes that have it; all must ask at the same batch.

        Of a mean over a process's own rows it is the mean over all rows of the batch, where they are shared evenly.
        """
        mine = {name: float(value) for name, value in metrics.items()}
        if self.alone:
            return mine
        every: dict[str, list[float]] = {}
        for one in self.gathered(mine):
            for name, value in one.items():
                every.setdefault(name, []).append(value)
        return {name: math.fsum(values) / len(values) for name, values in every.items()}


ALONE = Ranks()
