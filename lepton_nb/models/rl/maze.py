"""The maze as an environment of gymnasium. This module imports gymnasium, so it is itself imported late."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from numpy.typing import NDArray

from .environments import environment
from .layouts import ACTIONS
from .mazes import Mazes

__all__ = ["Maze"]


class Maze(gymnasium.Env[NDArray[np.float32], np.int64]):
    """A maze of H x W rooms with one agent and one goal, another one in each episode.

    Observation: float32 [3, 2 H + 1, 2 W + 1], 1 for walls, the agent and the goal on a plane each; room (r, c) lies at
    (2 r + 1, 2 c + 1). Actions: 0 up, 1 right, 2 down, 3 left; towards a wall the agent stays. Reward: -0.05 for each
    step, and 1 more for the one that reaches the goal, which ends the episode. It is cut off after 2 H W steps. `info`
    of `reset` says `shortest`, the steps of the shortest way.

    `reset(seed=N)` makes maze N; without a seed, the maze is drawn.

    Args:
        height: rooms from top to bottom.
        width: rooms from left to right.
        removed: share of the walls that are taken out of a maze with one way between any two rooms.

    Raises:
        UsageError: there is no such maze.
    """

    metadata = {"render_modes": ["ansi"]}  # noqa: RUF012 -- as gymnasium declares it
    actions = ACTIONS

    def __init__(self, height: int = 8, width: int = 8, removed: float = 0.1) -> None:
        described = environment(f"maze:{height}x{width}:{removed}")
        self._size = (height, width, removed)
        self.observation_space = gymnasium.spaces.Box(0.0, 1.0, described.feature_shape, np.float32)
        self.action_space = gymnasium.spaces.Discrete(len(ACTIONS))
        self.render_mode: str | None = "ansi"

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Begin an episode, in maze `seed` where one is given."""
        super().reset(seed=seed)
        number = int(self.np_random.integers(2**31)) if seed is None else seed
        self._worlds = Mazes(1, *self._size, seeds=[number], rng=self.np_random)
        self._seen = self._worlds.reset()[0]
        return self._seen, {"shortest": int(self._worlds.shortest()[0])}

    def step(self, action: int | np.int64) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """Move."""
        done = self._worlds.step(np.array([action], np.int64))
        self._seen = done.after[0]
        return self._seen, float(done.rewards[0]), bool(done.terminated[0]), bool(done.truncated[0]), {}

    def render(self) -> str:
        """The maze as text: `#` a wall, `A` the agent, `G` the goal."""
        letters = np.where(self._seen[0] > 0, "#", " ")
        letters[self._seen[2] > 0] = "G"
        letters[self._seen[1] > 0] = "A"
        return "\n".join("".join(line) for line in letters)
