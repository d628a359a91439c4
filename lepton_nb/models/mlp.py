"""A network for tables."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from torch import nn

from .dropout import Dropout
from .embeddings import Row
from .learner import Learner, Schedule

__all__ = ["MLP"]


class MLP(Learner):
    """Fully connected layers with batch normalisation, ReLU and dropout, over the values of a row or their embeddings.

    Args:
        feature_shape: shape of one row; more than one dimension is flattened.
        classes: number of classes, targets or labels.
        task: what they are.
        hidden: widths of the hidden layers.
        dropout: share of hidden values dropped in training.
        embedding: of numbers and categories (arXiv:2203.05556): `none` takes the values as they are.
        categories: widths of the one-hot blocks at the end of a row; known of loaded data.
        size: length of each column's vector.
        bins: per number, of `piecewise`; frequencies of `periodic`.
        lr: the largest learning rate.
        weight_decay: as the rest, see `Learner`.
        schedule: how the learning rate moves.
        label_smoothing: of classes.
        loss: of numbers.
        class_weights: of classes or labels.
    """

    def __init__(  # noqa: PLR0913 -- one argument per option
        self,
        feature_shape: Sequence[int],
        classes: int,
        task: str = "classification",
        *,
        hidden: Sequence[int] = (64, 64),
        dropout: float = 0.2,
        embedding: str = "none",
        categories: Sequence[int] = (),
        size: int = 16,
        bins: int = 64,
        lr: float = 5e-3,
        weight_decay: float = 0.01,
        schedule: Schedule = "one_cycle",
        label_smoothing: float = 0.0,
        loss: str = "mse",
        class_weights: str | Sequence[float] | None = None,
    ) -> None:
        first = math.prod(feature_shape)
        layers: list[nn.Module] = [nn.Flatten()]
        if embedding != "none":
            row = Row(first, categories, embedding, size, bins)
            layers += [row, nn.Flatten()]
            first = row.columns * size
        widths = [first, *hidden]
        for before, after in pairwise(widths):
            layers += [nn.Linear(before, after), nn.BatchNorm1d(after), nn.ReLU(), Dropout(dropout)]
        network = nn.Sequential(*layers, nn.Linear(widths[-1], classes))
        super().__init__(
            network,
            width=classes,
            task=task,
            lr=lr,
            weight_decay=weight_decay,
            schedule=schedule,
            label_smoothing=label_smoothing,
            loss=loss,
            class_weights=class_weights,
        )
