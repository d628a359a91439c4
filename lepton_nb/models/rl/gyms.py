"""Gymnasium's environments, many at once. This module imports gymnasium, so it is itself imported late."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np
from gymnasium import error, spaces
from numpy.typing import NDArray

from ...errors import MissingError, UsageError, near
from .worlds import Described, Stepped

__all__ = ["GymWorlds", "described", "own_described"]

_MISSING = (ImportError, error.DependencyNotInstalled)


def described(name: str) -> Described:
    """What gymnasium knows of an environment by its name.

    Raises:
        UsageError: it knows none, or the environment's actions are not countable.
        MissingError: what the environment needs is not installed.
    """
    try:
        spec = gymnasium.spec(name)
        made = gymnasium.make(name)
    except _MISSING as cause:
        raise MissingError(f"gym:{name} cannot be made", got=str(cause)) from cause
    except error.Error as cause:
        hint = near(name, gymnasium.registry)
        raise UsageError(f"gymnasium has no environment {name!r}", got=str(cause), hint=hint) from cause
    except Exception as cause:
        raise UsageError(f"gym:{name} cannot be made", got=f"{type(cause).__name__}: {cause}") from cause
    return _described(f"gym:{name}", made, spec.reward_threshold)


def own_described(name: str, source: Callable[[], Any]) -> Described:
    """What the environment says of itself that a function of a notebook makes.

    Raises:
        UsageError: it fails, makes something else, or the environment's actions are not countable.
    """
    try:
        made = source()
    except Exception as cause:
        raise UsageError(f"{name}() makes no environment", got=f"{type(cause).__name__}: {cause}") from cause
    if not isinstance(made, gymnasium.Env):
        raise UsageError(
            f"{name}() makes no environment",
            expected="a gymnasium.Env",
            got=f"a {type(made).__name__}",
            hint="give a function without arguments that makes a new one at each call",
        )
    return _described(name, made, made.spec.reward_threshold if made.spec else None)


class GymWorlds:
    """N environments of gymnasium; those that step together by themselves do.

    An observation that is a number of a few is a float32 vector with a 1 in its place; bytes are divided by 255; all
    others are float32 as they are.

    Args:
        name: as gymnasium knows it.
        source: makes one that gymnasium knows nothing of; None for one with a name.
        count: N.
        seed: of the environments.
    """

    def __init__(self, name: str, source: Callable[[], Any] | None, count: int, seed: int) -> None:
        self.count, self._seed = count, seed
        mode = gymnasium.vector.AutoresetMode.NEXT_STEP
        if source is not None:
            self._worlds: Any = gymnasium.vector.SyncVectorEnv([source] * count, autoreset_mode=mode)
        else:
            way = "vector_entry_point" if gymnasium.spec(name).vector_entry_point else "sync"
            self._worlds = gymnasium.make_vec(name, num_envs=count, vectorization_mode=way)
            if self._worlds.metadata.get("autoreset_mode", mode) is not mode:
                self._worlds = gymnasium.make_vec(
                    name, num_envs=count, vectorization_mode="sync", vector_kwargs={"autoreset_mode": mode}
                )
        self._space = self._worlds.single_observation_space

    def reset(self) -> NDArray[np.float32]:
        """The first observations, [N, ...]."""
        self._ended = np.zeros(self.count, bool)
        return self._told(self._worlds.reset(seed=self._seed)[0])

    def step(self, actions: NDArray[np.int64]) -> Stepped:
        """Take an action in each."""
        valid = ~self._ended
        raw, rewards, terminated, truncated, _ = self._worlds.step(actions)
        seen = self._told(raw)
        terminated, truncated = np.asarray(terminated, bool), np.asarray(truncated, bool)
        self._ended = terminated | truncated
        return Stepped(seen, np.asarray(rewards, np.float32), terminated, truncated & ~terminated, seen, valid)

    def close(self) -> None:
        """Let go of what they hold."""
        self._worlds.close()

    def shortest(self) -> None:
        """Nobody can say."""

    def _told(self, seen: Any) -> NDArray[np.float32]:
        if isinstance(self._space, spaces.Discrete):
            told = np.zeros((self.count, int(self._space.n)), np.float32)
            told[np.arange(self.count), np.asarray(seen, np.int64) - int(self._space.start)] = 1
            return told
        # What is a single number of each comes without a dimension for it.
        values = np.array(seen, np.float32).reshape(self.count, *(self._space.shape or (1,)))
        return values / np.float32(255) if self._space.dtype == np.uint8 else values


def _described(name: str, made: Any, threshold: float | None) -> Described:
    actions, seen = made.action_space, made.observation_space
    made.close()
    if not isinstance(actions, spaces.Discrete) or int(actions.start) != 0 or int(actions.n) < 2:
        raise UsageError(
            f"the actions of {name} are not of a kind that dqn chooses from",
            expected="Discrete(n), numbered from 0",
            got=str(actions),
            hint="an environment with discrete actions, or a wrapper that makes them so",
        )
    if isinstance(seen, spaces.Discrete):
        shape: tuple[int, ...] = (int(seen.n),)
    elif isinstance(seen, spaces.Box):
        shape = tuple(map(int, seen.shape)) or (1,)
    else:
        raise UsageError(
            f"the observations of {name} are not of a kind that dqn sees",
            expected="Box or Discrete",
            got=str(seen),
            hint="gymnasium.wrappers.FlattenObservation makes a Box of them",
        )
    names: Any = getattr(made.unwrapped, "actions", None)
    if not (isinstance(names, tuple) and len(names) == int(actions.n) and all(isinstance(one, str) for one in names)):
        names = tuple(map(str, range(int(actions.n))))
    return Described(shape, names, threshold)
