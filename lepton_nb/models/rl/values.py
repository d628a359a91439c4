"""Networks from an observation to the value of each action. This module imports torch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["MLPValues", "PlannerValues"]

# What lies beyond the edge is worth less than anything within.
_BEYOND = -10.0
# What the sweeps before the last few have found is taken as it is: their gradients say little and cost the most.
_LEARNED = 4


class _Head(nn.Module):
    """Values of actions from hidden numbers.

    Args:
        width: of the hidden numbers.
        actions: how many.
        duelling: whether the value of the state and the advantages of the actions are told apart (arXiv:1511.06581).
    """

    def __init__(self, width: int, actions: int, *, duelling: bool) -> None:
        super().__init__()
        self.advantages = nn.Linear(width, actions)
        self.state = nn.Linear(width, 1) if duelling else None

    def forward(self, hidden: Tensor) -> Tensor:
        """float32 [N, width] to float32 [N, actions]."""
        told: Tensor = self.advantages(hidden)
        return told if self.state is None else self.state(hidden) + told - told.mean(dim=1, keepdim=True)


class MLPValues(nn.Module):
    """Fully connected layers.

    Args:
        feature_shape: shape of an observation; more than one dimension is flattened.
        actions: how many.
        hidden: widths of the hidden layers.
        duelling: as `_Head` has it.
    """

    def __init__(self, feature_shape: Sequence[int], actions: int, hidden: Sequence[int], *, duelling: bool) -> None:
        super().__init__()
        widths = [math.prod(feature_shape), *hidden]
        layers: list[nn.Module] = [nn.Flatten()]
        for before, after in pairwise(widths):
            layers += [nn.Linear(before, after), nn.ReLU()]
        self.body, self.head = nn.Sequential(*layers), _Head(widths[-1], actions, duelling=duelling)

    def forward(self, observation: Tensor) -> Tensor:
        """float32 [N, *feature_shape] to float32 [N, actions]."""
        told: Tensor = self.head(self.body(observation))
        return told


class PlannerValues(nn.Module):
    """Learned value iteration over the rooms of a grid (Tamar et al., arXiv:1602.02867; Nardelli et al., 1805.11199).

    A convolution looks at each room and what is around it, and says what the room is worth by itself, what a step to
    each of its four sides costs, and what it costs to try that and stay, on some channels. The same sweep is then done
    again and again: a room is worth the most of what it was, and of what each room beside it is worth less the step
    there. An action is worth what the room there is worth less the step, or what the agent's room is worth less
    staying; the mean over the channels is the answer. All weights are learned from rewards; how far a sweep reaches
    does not depend on them, so a larger maze takes more sweeps and no more weights.

    Args:
        planes: how many; the agent is on plane 1.
        channels: values of a room.
        width: what the convolution says of a room.
        sweeps: how often.
    """

    def __init__(self, planes: int, channels: int, width: int, sweeps: int) -> None:
        super().__init__()
        self.channels, self.sweeps = channels, sweeps
        self.look = nn.Sequential(nn.Conv2d(planes, width, 3, stride=2), nn.ReLU())
        self.worth, self.costs = nn.Conv2d(width, channels, 1), nn.Conv2d(width, 8 * channels, 1)
        # As long as nothing is known, a room is worth little whatever is in it, and a step costs something.
        for told, value in ((self.worth, -1.0), (self.costs, -2.0)):
            nn.init.normal_(told.weight, std=0.02)
            nn.init.constant_(told.bias, value)  # type: ignore[arg-type]  # it has a bias

    def forward(self, observation: Tensor) -> Tensor:
        """float32 [N, planes, 2 H + 1, 2 W + 1] to float32 [N, 4], in the order up, right, down, left."""
        rooms = self.look(observation)
        told = torch.split(functional.softplus(self.costs(rooms)), self.channels, dim=1)
        costs, stays, worth = told[:4], told[4:], self.worth(rooms)
        if torch.is_grad_enabled() and not torch.compiler.is_compiling():
            with torch.no_grad():
                before = _swept(worth, costs, self.sweeps - _LEARNED)
            values = _swept(torch.maximum(worth, before), costs, min(self.sweeps, _LEARNED))
        else:
            values = _swept(worth, costs, self.sweeps)
        agent = observation[:, 1:2, 1::2, 1::2]
        answers = [
            (torch.maximum(_beside(values, side) - costs[side], values - stays[side]) * agent).sum(dim=(2, 3))
            for side in range(4)
        ]
        return torch.stack(answers, dim=1).mean(dim=2)


def _swept(values: Tensor, costs: Sequence[Tensor], sweeps: int) -> Tensor:
    """Values [N, C, H, W] after some sweeps, each to the four sides one after the other."""
    for _ in range(sweeps):
        for side, cost in enumerate(costs):
            values = torch.maximum(values, _beside(values, side) - cost)
    return values


def _beside(values: Tensor, side: int) -> Tensor:
    """The values of the rooms above, to the right, below or to the left, [N, C, H, W]."""
    if side == 0:
        return functional.pad(values[:, :, :-1], (0, 0, 1, 0), value=_BEYOND)
    if side == 1:
        return functional.pad(values[:, :, :, 1:], (0, 1, 0, 0), value=_BEYOND)
    if side == 2:
        return functional.pad(values[:, :, 1:], (0, 0, 0, 1), value=_BEYOND)
    return functional.pad(values[:, :, :, :-1], (1, 0, 0, 0), value=_BEYOND)
