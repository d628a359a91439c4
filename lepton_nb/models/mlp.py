"""A network for tables."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from torch import nn

from .classifier import Classifier, Schedule
from .dropout import Dropout

__all__ = ["MLP"]


class MLP(Classifier):
    """Fully connected layers with batch normalisation, ReLU and dropout.

    Args:
        feature_shape: shape of one row; more than one dimension is flattened.
        classes: number of classes.
        hidden: widths of the hidden layers.
        dropout: share of hidden values dropped in training.
        lr: the largest learning rate.
        weight_decay: AdamW's decoupled weight decay.
        schedule: how the learning rate moves.
        label_smoothing: share of each target spread over all classes.
    """

    def __init__(
        self,
        feature_shape: Sequence[int],
        classes: int,
        *,
        hidden: Sequence[int] = (64, 64),
        dropout: float = 0.2,
        lr: float = 5e-3,
        weight_decay: float = 0.01,
        schedule: Schedule = "one_cycle",
        label_smoothing: float = 0.0,
    ) -> None:
        widths = [math.prod(feature_shape), *hidden]
        layers: list[nn.Module] = [nn.Flatten()]
        for before, after in pairwise(widths):
            layers += [nn.Linear(before, after), nn.BatchNorm1d(after), nn.ReLU(), Dropout(dropout)]
        network = nn.Sequential(*layers, nn.Linear(widths[-1], classes))
        super().__init__(network, lr=lr, weight_decay=weight_decay, schedule=schedule, label_smoothing=label_smoothing)
