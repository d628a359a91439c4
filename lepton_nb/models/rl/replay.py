"""What an agent has seen, to learn from again."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .worlds import Stepped

__all__ = ["Replay", "Returns", "Transitions"]


@dataclass(frozen=True)
class Transitions:
    """Some steps, or some runs of steps.

    Args:
        observations: [B, ...], what the action was chosen by.
        actions: int64 [B].
        rewards: float32 [B], discounted sums over the steps.
        after: [B, ...], what the last step led to.
        discounts: float32 [B], what the value of `after` counts; 0 where the episode was over for good.
    """

    observations: NDArray[Any]
    actions: NDArray[np.int64]
    rewards: NDArray[np.float32]
    after: NDArray[Any]
    discounts: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.actions)

    def at(self, places: Any) -> Transitions:
        """Some of them."""
        return Transitions(
            self.observations[places],
            self.actions[places],
            self.rewards[places],
            self.after[places],
            self.discounts[places],
        )


class Returns:
    """Makes runs of n steps out of single ones (Sutton, doi:10.1007/BF00115009); a run ends with its episode.

    Args:
        steps: n.
        gamma: what a reward of the next step counts.
    """

    def __init__(self, steps: int, gamma: float) -> None:
        self._gamma = gamma
        self._kept: deque[tuple[NDArray[Any], NDArray[np.int64], Stepped]] = deque(maxlen=steps)

    def add(self, observations: NDArray[Any], actions: NDArray[np.int64], stepped: Stepped) -> Transitions | None:
        """The runs that are complete with one more step of each environment; None before the first n."""
        self._kept.append((observations, actions, stepped))
        if len(self._kept) < (self._kept.maxlen or 0):
            return None
        first, chosen, start = self._kept[0]
        goes_on, rewards = start.valid.copy(), np.zeros(len(chosen), np.float32)
        last, factor = np.zeros(len(chosen), np.int64), np.ones(len(chosen), np.float32)
        over = np.zeros(len(chosen), bool)
        for place, (_, _, one) in enumerate(self._kept):
            rewards += np.where(goes_on, factor * one.rewards, np.float32(0))
            factor = np.where(goes_on, factor * np.float32(self._gamma), factor)
            last[goes_on] = place
            over |= goes_on & one.terminated
            goes_on = goes_on & ~(one.terminated | one.truncated)
            if not goes_on.any():
                break
        after = start.after.copy()
        for place in range(1, len(self._kept)):
            if (those := last == place).any():
                after[those] = self._kept[place][2].after[those]
        whole = Transitions(first, chosen, rewards, after, np.where(over, np.float32(0), factor))
        return whole if start.valid.all() else whole.at(start.valid)


class Replay:
    """The newest transitions, drawn at random, or by how wrong they were (Schaul et al., arXiv:1511.05952).

    Observations are kept as bytes as long as there is nothing but 0 and 1 in them.

    Args:
        capacity: transitions that are kept.
        rng: what is drawn with.
        prioritised: whether what was wrong is drawn more often.
        alpha: how much more often; 0 is not at all.
    """

    def __init__(
        self, capacity: int, rng: np.random.Generator, *, prioritised: bool = False, alpha: float = 0.6
    ) -> None:
        self._capacity, self._rng, self._alpha = capacity, rng, alpha
        self._kept: Transitions | None = None
        self._size = self._next = 0
        self._priorities = _Sums(capacity) if prioritised else None
        self._largest = 1.0

    def __len__(self) -> int:
        return self._size

    def add(self, made: Transitions) -> None:
        """Keep them, in place of the oldest."""
        made = made.at(slice(max(0, len(made) - self._capacity), None))
        kept = self._kept = _fitting(self._kept or _room(made, self._capacity), made)
        places = (self._next + np.arange(len(made))) % self._capacity
        for name in ("observations", "actions", "rewards", "after", "discounts"):
            getattr(kept, name)[places] = getattr(made, name)
        self._next = int((self._next + len(made)) % self._capacity)
        self._size = min(self._capacity, self._size + len(made))
        if self._priorities is not None:
            self._priorities.put(places, np.full(len(places), self._largest))

    def draw(self, count: int, beta: float = 1.0) -> tuple[Transitions, NDArray[np.float32], NDArray[np.int64]]:
        """Some of them.

        Args:
            count: how many; the same one may come twice.
            beta: how far the weights make up for drawing by priority; 1 is in full.

        Returns:
            The transitions, what the loss of each counts, float32 [count], and their places, int64 [count].

        Raises:
            LookupError: nothing was added yet.
        """
        if self._kept is None:
            raise LookupError("nothing was added yet")
        if self._priorities is None:
            places = self._rng.integers(self._size, size=count)
            weights = np.ones(count, np.float32)
        else:
            total = self._priorities.total
            points = (np.arange(count) + self._rng.random(count)) * (total / count)
            places = np.minimum(self._priorities.find(points), self._size - 1)
            shares = np.maximum(self._priorities.at(places) / total, 1e-12)
            raw = (self._size * shares) ** -beta
            weights = (raw / raw.max()).astype(np.float32)
        return self._kept.at(places), weights, places

    def judge(self, places: NDArray[np.int64], errors: NDArray[np.floating[Any]]) -> None:
        """Say how wrong what was drawn is: absolute errors [count]."""
        if self._priorities is not None:
            values = (np.abs(errors).astype(np.float64) + 1e-3) ** self._alpha
            self._largest = max(self._largest, float(values.max()))
            self._priorities.put(places, values)


def _is_binary(seen: NDArray[Any]) -> bool:
    return bool(((seen == 0) | (seen == 1)).all())


def _fitting(kept: Transitions, made: Transitions) -> Transitions:
    """What is kept, as numbers of the observations' own type from the first one on that is no 0 or 1."""
    dtype = made.observations.dtype
    if kept.observations.dtype == dtype or (_is_binary(made.observations) and _is_binary(made.after)):
        return kept
    return replace(kept, observations=kept.observations.astype(dtype), after=kept.after.astype(dtype))


def _room(made: Transitions, capacity: int) -> Transitions:
    seen = made.observations
    dtype = np.uint8 if seen.ndim > 2 and _is_binary(seen) else seen.dtype
    shape = (capacity, *seen.shape[1:])
    return Transitions(
        np.zeros(shape, dtype),
        np.zeros(capacity, np.int64),
        np.zeros(capacity, np.float32),
        np.zeros(shape, dtype),
        np.zeros(capacity, np.float32),
    )


class _Sums:
    """Numbers with the sums of their halves, quarters and so on, to draw by size in a logarithm's time.

    Args:
        capacity: how many.
    """

    def __init__(self, capacity: int) -> None:
        self._leaves = 1 << max(0, capacity - 1).bit_length()
        self._tree = np.zeros(2 * self._leaves)

    @property
    def total(self) -> float:
        return float(self._tree[1])

    def at(self, places: NDArray[np.int64]) -> NDArray[np.float64]:
        return self._tree[self._leaves + places]

    def put(self, places: NDArray[np.int64], values: NDArray[np.float64]) -> None:
        nodes = self._leaves + places
        self._tree[nodes] = values
        while nodes[0] > 1:
            nodes = np.unique(nodes >> 1)
            self._tree[nodes] = self._tree[2 * nodes] + self._tree[2 * nodes + 1]

    def find(self, points: NDArray[np.float64]) -> NDArray[np.int64]:
        """The places where the running sum passes each point."""
        nodes, points = np.ones(len(points), np.int64), points.copy()
        while nodes[0] < self._leaves:
            left = self._tree[2 * nodes]
            right = points >= left
            points -= np.where(right, left, 0.0)
            nodes = 2 * nodes + right
        return nodes - self._leaves
