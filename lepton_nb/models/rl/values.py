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
_BEYOND = -100.0


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

    A convolution looks at each room and what is around it, and says what the room is worth by itself and what a step to
    each of its four sides costs, on some channels. The same sweep is then done again and again: a room is worth the
    most of what it was, and of what each room beside it is worth less the step there. What the rooms beside the agent's
    are worth then gives the values of its actions. All weights are learned from rewards; how far a sweep reaches does
    not depend on them, so a larger maze takes more sweeps and no more weights.

    Args:
        feature_shape: planes, 2 H + 1, 2 W + 1; the agent is on plane 1.
        actions: how many.
        channels: values of a room.
        width: what the convolution says of a room.
        sweeps: how many steps ahead it sees.
        duelling: as `_Head` has it.
    """

    def __init__(
        self, feature_shape: Sequence[int], actions: int, channels: int, width: int, sweeps: int, *, duelling: bool
    ) -> None:
        super().__init__()
        self.channels, self.sweeps = channels, sweeps
        self.look = nn.Sequential(nn.Conv2d(feature_shape[0], width, 3, stride=2), nn.ReLU())
        self.worth = nn.Conv2d(width, channels, 1)
        self.costs = nn.Conv2d(width, 4 * channels, 1)
        self.head = _Head(5 * channels + width, actions, duelling=duelling)
        # As long as nothing is known, a room is worth little, and a step costs something.
        nn.init.constant_(self.worth.bias, -1.0)  # type: ignore[arg-type]  # it has a bias

    def forward(self, observation: Tensor) -> Tensor:
        """float32 [N, planes, 2 H + 1, 2 W + 1] to float32 [N, actions]."""
        rooms = self.look(observation)
        values = self.worth(rooms)
        costs = functional.softplus(self.costs(rooms)).unflatten(1, (4, self.channels))
        for _ in range(self.sweeps):
            values = torch.maximum(values, (_beside(values) - costs).amax(dim=1))
        beside = (_beside(values) - costs).flatten(1, 2)
        agent = observation[:, 1:2, 1::2, 1::2]
        here = (torch.cat([beside.clamp(min=_BEYOND), values, rooms], dim=1) * agent).sum(dim=(2, 3))
        told: Tensor = self.head(here)
        return told


def _beside(values: Tensor) -> Tensor:
    """The values of the rooms above, to the right, below and to the left: [N, C, H, W] to [N, 4, C, H, W]."""
    padded = functional.pad(values, (1, 1, 1, 1), value=_BEYOND)
    return torch.stack(
        [padded[:, :, :-2, 1:-1], padded[:, :, 1:-1, 2:], padded[:, :, 2:, 1:-1], padded[:, :, 1:-1, :-2]], dim=1
    )
