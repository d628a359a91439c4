"""A network for recommendation: a vector for who asks, a vector for each item."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from .dropout import Dropout
from .learner import Learner, Schedule
from .objectives import Classes

__all__ = ["TwoTower"]

_FEW = 10


class _Recalled(Classes):
    """Cross entropy over all items, judged by how often the right one is among the first ten."""

    def sums(self, scores: Tensor, targets: Tensor) -> dict[str, Tensor]:
        """`val_accuracy` and `val_recall_at_10`."""
        first = scores.topk(min(_FEW, scores.shape[1]), dim=1).indices
        recalled = (first == targets[:, None]).any(dim=1).float().mean()
        return super().sums(scores, targets) | {"val_recall_at_10": recalled}


class _Towers(nn.Module):
    def __init__(self, width: int, items: int, hidden: Sequence[int], size: int, dropout: float) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Flatten()]
        for before, after in pairwise([width, *hidden]):
            layers += [nn.Linear(before, after), nn.ReLU(), Dropout(dropout)]
        self.asks = nn.Sequential(*layers, nn.Linear([width, *hidden][-1], size))
        self.items = nn.Parameter(torch.randn(items, size) / math.sqrt(size))
        self.popularity = nn.Parameter(torch.zeros(items))

    def forward(self, features: Tensor) -> Tensor:
        vectors: Tensor = self.asks(features)
        return vectors @ self.items.T + self.popularity


class TwoTower(Learner):
    """What somebody takes next, out of all items: the inner product of two vectors (Yi et al., RecSys 2019).

    It is learned from what was taken (implicit feedback), with a softmax over all items.
    Takes float32 `[N, *feature_shape]`: who asks, such as the one-hot block of a user and whatever else is known, of
    data whose classes are the items. Answers logits `[N, items]`. `val_recall_at_10` is the share of rows whose item is
    among the first ten, as `recall_at_10` is on the test part. Items that somebody has already are not left out:
    whoever asks knows them.

    Args:
        feature_shape: shape of one row; more than one dimension is flattened.
        classes: number of items.
        task: always `classification`.
        hidden: widths of the layers of the tower that reads who asks; none for one vector per user.
        size: length of the vectors.
        dropout: share of hidden values dropped in training.
        lr: the largest learning rate.
        weight_decay: as the rest, see `Learner`.
        schedule: how the learning rate moves.
        label_smoothing: of items.
        class_weights: of items.
    """

    def __init__(  # noqa: PLR0913 - the options of a network, by name
        self,
        feature_shape: Sequence[int],
        classes: int,
        task: str = "classification",
        *,
        hidden: Sequence[int] = (),
        size: int = 32,
        dropout: float = 0.1,
        lr: float = 1e-2,
        weight_decay: float = 0.05,
        schedule: Schedule = "one_cycle",
        label_smoothing: float = 0.0,
        class_weights: str | Sequence[float] | None = None,
    ) -> None:
        network = _Towers(math.prod(feature_shape), classes, hidden, size, dropout)
        super().__init__(network, width=classes, task=task, lr=lr, weight_decay=weight_decay, schedule=schedule)
        self.objective = _Recalled(classes, class_weights, label_smoothing)
