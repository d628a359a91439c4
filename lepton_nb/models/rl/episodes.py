"""Episodes that an agent plays as well as it can, and what came of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .environments import Environment, seeds_of

__all__ = ["Episodes", "Policy"]

# Observations [N, ...] to actions, int64 [N].
Policy = Callable[[NDArray[Any]], NDArray[np.int64]]

# An environment without a limit of its own would never let an agent that stands still come to an end.
_LONGEST = 10_000


class Episodes:
    """The first episodes of a part, one in each environment, played to their ends.

    Args:
        environment: which.
        part: whose seeds: `train`, `validation` or `test`.
        count: how many.
        seed: of the first one, in place of that of the part; the others follow.

    Attributes:
        returns: sum of the rewards, float64 [count].
        lengths: steps, int64 [count].
        reached: whether the episode ended for good and not by a limit, bool [count].
        shortest: steps of the shortest ways, int64 [count]; None where nobody can say.
        taken: actions of a single episode.
        rewards: of a single episode.
    """

    def __init__(self, environment: Environment, part: str, count: int, *, seed: int | None = None) -> None:
        self._environment, self.count = environment, count
        self._seeds = seeds_of(part, count) if seed is None else list(range(seed, seed + count))
        self.returns, self.lengths = np.zeros(count), np.zeros(count, np.int64)
        self.reached = np.zeros(count, bool)
        self.shortest: NDArray[np.int64] | None = None
        self.taken: list[int] = []
        self.rewards: list[float] = []

    def play(self, policy: Policy) -> Iterator[NDArray[Any]]:
        """Play on as long as somebody asks for more: the observations of the episodes that still run, at each step."""
        worlds = self._environment.worlds(self.count, self._seeds[0], self._seeds)
        try:
            seen, runs = worlds.reset(), np.ones(self.count, bool)
            self.shortest = worlds.shortest()
            for _ in range(_LONGEST):
                yield seen[runs]
                actions = policy(seen)
                stepped = worlds.step(actions)
                if self.count == 1:
                    self.taken.append(int(actions[0]))
                    self.rewards.append(float(stepped.rewards[0]))
                self.returns += np.where(runs, stepped.rewards, 0)
                self.lengths += runs
                self.reached |= runs & stepped.terminated
                runs = runs & ~(stepped.terminated | stepped.truncated)
                seen = stepped.observations
                if not runs.any():
                    break
        finally:
            worlds.close()

    def played(self, policy: Policy) -> Episodes:
        """Itself, with all episodes played."""
        for _ in self.play(policy):
            pass
        return self

    @property
    def solved(self) -> NDArray[np.bool_] | None:
        """Which episodes were solved, bool [count]: the goal reached, or as high a return as the environment asks for.

        None where it does not say.
        """
        if self._environment.maze is not None:
            return self.reached
        threshold = self._environment.threshold
        return None if threshold is None else self.returns >= threshold

    def metrics(self) -> dict[str, float]:
        """Means over the episodes.

        Returns:
            `return`, `return_std`, `length` (steps); `solved`, a share, where it can be told; and in mazes
            `solved_within_twice`, the share that was solved in at most twice the steps of the shortest way, and
            `steps_above_shortest`, of those that were solved.
        """
        found = {
            "return": float(self.returns.mean()),
            "return_std": float(self.returns.std()),
            "length": float(self.lengths.mean()),
        }
        if (solved := self.solved) is not None:
            found["solved"] = float(solved.mean())
        if self.shortest is not None:
            found["solved_within_twice"] = float((self.reached & (self.lengths <= 2 * self.shortest)).mean())
            if self.reached.any():
                found["steps_above_shortest"] = float((self.lengths - self.shortest)[self.reached].mean())
        return found
