"""Many environments that step together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["Described", "Stepped", "Worlds"]


@dataclass(frozen=True)
class Described:
    """What is known of an environment before anything is done in it.

    Args:
        feature_shape: shape of an observation, float32.
        actions: what may be done, in order.
        threshold: return from which an episode counts as solved; None where nobody says.
    """

    feature_shape: tuple[int, ...]
    actions: tuple[str, ...]
    threshold: float | None


@dataclass(frozen=True)
class Stepped:
    """What one step of N environments gave.

    Args:
        after: what each step led to, [N, ...]; of an episode that ended, its last observation.
        rewards: float32 [N].
        terminated: bool [N], whether the episode is over for good: nothing can come behind.
        truncated: bool [N], whether it was cut off by a limit.
        observations: what the next actions are chosen by, [N, ...]; of an episode that ended, the next one's first.
        valid: bool [N]; False where an environment only began a new episode, and the action did not count.
    """

    after: NDArray[Any]
    rewards: NDArray[np.float32]
    terminated: NDArray[np.bool_]
    truncated: NDArray[np.bool_]
    observations: NDArray[Any]
    valid: NDArray[np.bool_]


class Worlds(Protocol):
    """N environments of one kind; an episode that ends is followed by a new one."""

    count: int

    def reset(self) -> NDArray[Any]:
        """Begin the first episodes: observations [N, ...]."""

    def step(self, actions: NDArray[np.int64]) -> Stepped:
        """Take an action in each environment, int64 [N]."""

    def close(self) -> None:
        """Let go of what they hold."""

    def shortest(self) -> NDArray[np.int64] | None:
        """Least steps from the first episodes' starts to their goals, int64 [N]; None where nobody can say."""
