"""A Transformer over the columns of a table."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from .embeddings import Row
from .learner import Learner, Schedule

__all__ = ["TabTransformer"]


class TabTransformer(Learner):
    """Each column of a row becomes a vector, and layers of attention let columns look at each other.

    FT-Transformer (arXiv:2106.11959), whose attention reaches numbers too, where TabTransformer's (arXiv:2012.06678) is
    among categories alone; numbers by embeddings of arXiv:2203.05556. A vector of its own is read out at the end.

    Args:
        feature_shape: shape of one row; more than one dimension is flattened.
        classes: number of classes, targets or labels.
        task: what they are.
        embedding: of numbers: `linear`, `periodic` or `piecewise`.
        categories: widths of the one-hot blocks at the end of a row; known of loaded data.
        size: length of each column's vector, a multiple of `heads`.
        bins: per number, of `piecewise`; frequencies of `periodic`.
        layers: of attention.
        heads: of each layer.
        dropout: share of values dropped in training, of attention and between layers.
        lr: the largest learning rate.
        weight_decay: as the rest, see `Learner`.
        schedule: how the learning rate moves.
        label_smoothing: of classes.
        loss: of numbers.
        class_weights: of classes or labels.

    Raises:
        ValueError: `size` is no multiple of `heads`.
    """

    def __init__(  # noqa: PLR0913 -- one argument per option
        self,
        feature_shape: Sequence[int],
        classes: int,
        task: str = "classification",
        *,
        embedding: str = "piecewise",
        categories: Sequence[int] = (),
        size: int = 32,
        bins: int = 64,
        layers: int = 2,
        heads: int = 4,
        dropout: float = 0.1,
        lr: float = 1e-3,
        weight_decay: float = 0.01,
        schedule: Schedule = "one_cycle",
        label_smoothing: float = 0.0,
        loss: str = "mse",
        class_weights: str | Sequence[float] | None = None,
    ) -> None:
        if size % heads:
            raise ValueError(f"size {size} is no multiple of heads {heads}")
        row = Row(math.prod(feature_shape), categories, embedding, size, bins)
        network = nn.Sequential(
            nn.Flatten(),
            row,
            _ReadOut(size),
            *(_Layer(size, heads, dropout) for _ in range(layers)),
            _First(),
            nn.LayerNorm(size),
            nn.ReLU(),
            nn.Linear(size, classes),
        )
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


class _ReadOut(nn.Module):
    """Puts one more vector in front of those of the columns."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.vector = nn.Parameter(torch.empty(1, 1, size).uniform_(-1, 1) / math.sqrt(size))

    def forward(self, columns: Tensor) -> Tensor:
        """Float32 `[N, T, D]` to float32 `[N, 1 + T, D]`."""
        return torch.cat([self.vector.expand(columns.shape[0], -1, -1), columns], dim=1)


class _First(nn.Module):
    """The vector in front."""

    def forward(self, columns: Tensor) -> Tensor:
        """Float32 `[N, T, D]` to float32 `[N, D]`."""
        return columns[:, 0]


class _Layer(nn.Module):
    """Attention and a gated layer, each behind a normalisation (ReGLU, arXiv:2002.05202)."""

    def __init__(self, size: int, heads: int, dropout: float) -> None:
        super().__init__()
        self._heads, self._dropout = heads, dropout
        self.norm, self.asked, self.told = nn.LayerNorm(size), nn.Linear(size, 3 * size), nn.Linear(size, size)
        inner = 4 * size // 3
        self.norm2, self.wide, self.narrow = nn.LayerNorm(size), nn.Linear(size, 2 * inner), nn.Linear(inner, size)
        self.drop = nn.Dropout(dropout)

    def forward(self, columns: Tensor) -> Tensor:
        """Float32 `[N, T, D]` to the same."""
        rows, count, size = columns.shape
        asked = self.asked(self.norm(columns)).view(rows, count, 3, self._heads, size // self._heads)
        query, key, value = asked.permute(2, 0, 3, 1, 4)
        dropped = self._dropout if self.training else 0.0
        seen = functional.scaled_dot_product_attention(query, key, value, dropout_p=dropped)
        columns = columns + self.drop(self.told(seen.transpose(1, 2).reshape(rows, count, size)))
        gate, value = self.wide(self.norm2(columns)).chunk(2, dim=2)
        whole: Tensor = columns + self.drop(self.narrow(torch.relu(gate) * value))
        return whole
