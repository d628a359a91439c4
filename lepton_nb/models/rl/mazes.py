"""Many mazes that are walked through together, in NumPy alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .layouts import Layouts, distances, layouts, neighbours, planes
from .worlds import Stepped

__all__ = ["GOAL_REWARD", "STEP_REWARD", "Mazes", "limit_of"]

STEP_REWARD, GOAL_REWARD = -0.05, 1.0
# Mazes are made some hundred at a time: one by one they would take longer than the steps in them.
_MADE_AT_ONCE = 256
_SEEDS = 2**31


def limit_of(height: int, width: int) -> int:
    """After how many steps an episode is cut off: two for each room."""
    return 2 * height * width


class Mazes:
    """N mazes of H x W rooms, each with an agent; a new maze follows on one that is solved or given up.

    An action is one of `layouts.ACTIONS`; towards a wall the agent stays where it is. Each step costs 0.05, and the one
    that reaches the goal earns 1 besides. After `2 H W` steps an episode is cut off.

    Args:
        count: N.
        height: rooms from top to bottom.
        width: rooms from left to right.
        removed: share of the walls that are taken out of a perfect maze.
        seeds: of the first N mazes; None draws them.
        rng: where seeds, below 2^31, are drawn from.
    """

    def __init__(
        self,
        count: int,
        height: int,
        width: int,
        removed: float,
        *,
        seeds: Sequence[int] | None = None,
        rng: np.random.Generator,
    ) -> None:
        self.count, self._height, self._width, self._removed, self._rng = count, height, width, removed, rng
        self._limit, self._beside = limit_of(height, width), neighbours(height, width)
        self._rows = np.arange(count)
        self._first = self._drawn(count) if seeds is None else layouts(seeds, height, width, removed)
        self._pool: tuple[Layouts, NDArray[np.float32]] | None = None
        self._taken = 0

    def reset(self) -> NDArray[np.float32]:
        """The first mazes, as `layouts.planes` tells them: float32 [N, 3, 2 H + 1, 2 W + 1]."""
        self._passages, self._agents = self._first.passages.copy(), self._first.starts.copy()
        self._goals, self._seen = self._first.goals.copy(), planes(self._first)
        self._steps = np.zeros(self.count, np.int64)
        return self._seen.copy()

    def step(self, actions: NDArray[np.int64]) -> Stepped:
        """Move each agent."""
        rows, width = self._rows, self._width
        open_way = self._passages[rows, self._agents, actions]
        moved = np.where(open_way, self._beside[self._agents, actions], self._agents)
        self._seen[rows, 1, 2 * (self._agents // width) + 1, 2 * (self._agents % width) + 1] = 0
        self._seen[rows, 1, 2 * (moved // width) + 1, 2 * (moved % width) + 1] = 1
        self._agents = moved
        self._steps += 1
        solved = moved == self._goals
        truncated = (self._steps >= self._limit) & ~solved
        rewards = np.where(solved, np.float32(GOAL_REWARD + STEP_REWARD), np.float32(STEP_REWARD))
        after = self._seen.copy()
        if (ended := np.flatnonzero(solved | truncated)).size:
            self._begin(ended)
        return Stepped(after, rewards, solved, truncated, self._seen.copy(), np.ones(self.count, bool))

    def close(self) -> None:
        """Nothing is held."""

    def shortest(self) -> NDArray[np.int64]:
        """Steps of the shortest ways through the first mazes."""
        return distances(self._first)[self._rows, self._first.starts]

    def _begin(self, ended: NDArray[np.int64]) -> None:
        mazes, seen = self._next(len(ended))
        self._passages[ended], self._agents[ended], self._goals[ended] = mazes.passages, mazes.starts, mazes.goals
        self._seen[ended], self._steps[ended] = seen, 0

    def _next(self, count: int) -> tuple[Layouts, NDArray[np.float32]]:
        if self._pool is None or self._taken + count > len(self._pool[0]):
            made = self._drawn(max(_MADE_AT_ONCE, count))
            self._pool, self._taken = (made, planes(made)), 0
        part = slice(self._taken, self._taken + count)
        self._taken += count
        return self._pool[0].at(part), self._pool[1][part]

    def _drawn(self, count: int) -> Layouts:
        seeds = self._rng.integers(_SEEDS, size=count, dtype=np.uint64)
        return layouts(seeds, self._height, self._width, self._removed)
