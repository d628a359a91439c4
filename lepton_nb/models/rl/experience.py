"""The loader of an agent: it acts, remembers, and gives batches of what it remembers. This module imports torch."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .environments import Environment
from .episodes import Episodes
from .replay import Replay, Returns

__all__ = ["Agent", "Experience", "Greedy"]

# Bytes of transitions that are drawn ahead at most.
_AT_ONCE = 16 << 20


class Agent(Protocol):
    """Whoever acts and learns."""

    environment: Environment
    settings: dict[str, Any]
    learned: int

    @property
    def epsilon(self) -> float:
        """Share of the actions that are drawn at random."""

    @property
    def beta(self) -> float:
        """How far weights make up for drawing by priority."""

    def best(self, observations: NDArray[Any]) -> NDArray[np.int64]:
        """The actions that it thinks best, int64 [N]."""


class Experience:
    """Steps environments with the network as it is, and draws a batch for each gradient step.

    A batch is observations float32 [B, ...], actions int64 [B], rewards float32 [B], the observations that came after,
    float32 [B, ...], what their values count, float32 [B], weights float32 [B] and places int64 [B].

    A run that goes on fills its memory anew: `warmup` steps with the network as it stands. They count for nothing.

    Args:
        agent: the network.
        batches: of an epoch.
    """

    def __init__(self, agent: Agent, batches: int) -> None:
        self._agent, self._batches = agent, batches
        self.position = self._epoch = 0
        # Steps of environments that were taken to learn from, and the returns of the episodes that ended lately.
        self.taken = 0
        self.ended: list[float] = []
        self._replay: Replay | None = None
        self._owed = 0.0
        self._ahead: deque[tuple[Tensor, ...]] = deque()

    def __len__(self) -> int:
        return self._batches

    def state_dict(self) -> dict[str, Any]:
        """Where it stands."""
        return {"epoch": self._epoch, "position": self.position}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on there."""
        self._epoch, self.position = int(state["epoch"]), int(state["position"])

    def __iter__(self) -> Iterator[tuple[Tensor, ...]]:
        settings = self._agent.settings
        replay = self._begin() if self._replay is None else self._replay
        if self.position >= self._batches:
            # Nobody asks for more than the last batch of an epoch.
            self._epoch, self.position = self._epoch + 1, 0
        while self.position < self._batches:
            self._owed += settings["train_every"]
            while self._owed >= settings["envs"]:
                self._act(replay)
                self._owed -= settings["envs"]
            if not self._ahead:
                self._ahead.extend(self._drawn(replay, settings["batch"], self._until_next_act()))
            self.position += 1
            yield self._ahead.popleft()

    def judge(self, places: Tensor, errors: Tensor) -> None:
        """Say how wrong what was drawn is."""
        if self._replay is not None:
            self._replay.judge(places.cpu().numpy(), errors.detach().cpu().numpy())

    def close(self) -> None:
        """Let go of the environments and of what was remembered."""
        if self._replay is not None:
            self._worlds.close()
            self._ahead.clear()
            self._replay = None

    def _begin(self) -> Replay:
        settings = self._agent.settings
        # As everything that is drawn in a training, it follows from the seed of the run.
        self._rng = np.random.default_rng(int(torch.randint(2**31, ())))
        self._worlds = self._agent.environment.worlds(settings["envs"], int(self._rng.integers(2**31)))
        self._seen, self._sums = self._worlds.reset(), np.zeros(settings["envs"])
        replay = self._replay = Replay(settings["buffer"], self._rng, prioritised=settings["prioritised"])
        self._returns = Returns(settings["n_step"], settings["gamma"])
        goes_on = self._agent.learned > 0
        while len(replay) < min(settings["warmup"], settings["buffer"]):
            self._act(replay)
        if goes_on:
            self.taken = int(self._agent.learned * settings["train_every"]) + settings["warmup"]
        return replay

    def _until_next_act(self) -> int:
        """How many batches can be drawn at once: there is nothing new before, and no priority that a batch changes."""
        settings = self._agent.settings
        if settings["prioritised"]:
            return 1
        steps = math.ceil((settings["envs"] - self._owed) / settings["train_every"])
        # Twice as many float32 as there are numbers in an observation: what was seen, and what came after.
        bytes_each = 8 * self._seen[0].size * settings["batch"]
        most: int = min(steps, self._batches - self.position, _AT_ONCE // bytes_each)
        return max(1, most)

    def _act(self, replay: Replay) -> None:
        actions = self._chosen()
        stepped = self._worlds.step(actions)
        if (made := self._returns.add(self._seen, actions, stepped)) is not None:
            replay.add(made)
        self._sums += np.where(stepped.valid, stepped.rewards, 0)
        if (ended := stepped.terminated | stepped.truncated).any():
            self.ended.extend(self._sums[ended].tolist())
            self._sums[ended] = 0
        self._seen = stepped.observations
        self.taken += int(stepped.valid.sum())

    def _chosen(self) -> NDArray[np.int64]:
        """Mostly what the network thinks best, and sometimes anything."""
        epsilon, count = self._agent.epsilon, len(self._seen)
        drawn = self._rng.integers(len(self._agent.environment.actions), size=count)
        best = self._rng.random(count) >= epsilon
        if best.any():
            drawn[best] = self._agent.best(self._seen[best])
        return drawn

    def _drawn(self, replay: Replay, count: int, batches: int) -> Iterator[tuple[Tensor, ...]]:
        found, weights, places = replay.draw(count * batches, beta=self._agent.beta)
        seen, after = (torch.from_numpy(one).float() for one in (found.observations, found.after))
        rest = (found.actions, found.rewards, found.discounts, weights, places)
        actions, rewards, discounts, weighted, placed = map(torch.from_numpy, rest)
        whole = seen, actions, rewards, after, discounts, weighted, placed
        return zip(*(torch.split(one, count) for one in whole), strict=True)


class Greedy:
    """The loader of validation: it plays episodes that were never trained on, and gives what the agent sees in them.

    Args:
        agent: the network.
    """

    def __init__(self, agent: Agent) -> None:
        self._agent = agent
        self.episodes: Episodes | None = None

    def __iter__(self) -> Iterator[Tensor]:
        agent = self._agent
        self.episodes = Episodes(agent.environment, "validation", agent.settings["episodes"])
        for seen in self.episodes.play(agent.best):
            yield torch.from_numpy(seen)
