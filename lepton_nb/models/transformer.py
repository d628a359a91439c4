"""A Transformer encoder for texts and sequences."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from .dropout import Dropout
from .learner import Learner, Schedule
from .sequences import SequenceNetwork, Steps

__all__ = ["Positions", "Transformer"]

Positions = Literal["learned", "sinusoidal"]


class Transformer(Learner):
    """Layers of attention and of two linear maps (arXiv:1706.03762), each normalised in front (arXiv:2002.04745).

    Takes token ids int64 `[N, L]`, 0 behind the last token, or float32 sequences `[N, steps, features]`; padding is
    attended to by no step. Behind the layers stand the mean and the largest value over the steps of a row.

    Args:
        feature_shape: (steps,) of texts, (steps, features) of sequences.
        classes: number of classes, targets or labels.
        task: what they are.
        vocabulary: how many token ids there are; 0 for sequences of numbers.
        width: of the vector of a step; a multiple of `heads`.
        heads: of the attention.
        layers: how many.
        positions: vectors that tell where a step stands, `learned` or `sinusoidal`.
        dropout: share of the values dropped in training.
        word_dropout: share of the tokens left out in training.
        lr: the largest learning rate.
        weight_decay: as the rest, see `Learner`.
        schedule: how the learning rate moves.
        label_smoothing: of classes.
        loss: of numbers.
        class_weights: of classes or labels.
    """

    def __init__(  # noqa: PLR0913 - the options of a network, by name
        self,
        feature_shape: Sequence[int],
        classes: int,
        task: str = "classification",
        *,
        vocabulary: int = 0,
        width: int = 64,
        heads: int = 4,
        layers: int = 2,
        positions: Positions = "learned",
        dropout: float = 0.1,
        word_dropout: float = 0.1,
        lr: float = 2e-3,
        weight_decay: float = 0.01,
        schedule: Schedule = "one_cycle",
        label_smoothing: float = 0.0,
        loss: str = "mse",
        class_weights: str | Sequence[float] | None = None,
    ) -> None:
        if width % heads:
            raise ValueError(f"width {width} is no multiple of heads {heads}")
        steps = Steps(feature_shape, vocabulary, width, dropout=dropout, word_dropout=word_dropout)
        body = _Encoder(feature_shape[0], width, heads, layers, positions, dropout=dropout)
        head = nn.Sequential(Dropout(dropout), nn.Linear(2 * width, classes))
        network = SequenceNetwork(steps, body, head)
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


class _Encoder(nn.Module):
    """float32 [N, L, width], L being `steps` at most, to the same."""

    places: Tensor

    def __init__(
        self, steps: int, width: int, heads: int, layers: int, positions: Positions, *, dropout: float
    ) -> None:
        super().__init__()
        if positions == "learned":
            self.places = nn.Parameter(torch.randn(steps, width) * 0.02)
        else:
            self.register_buffer("places", _waves(steps, width), persistent=False)
        self.layers = nn.ModuleList(_Layer(width, heads, dropout) for _ in range(layers))
        self.norm = nn.LayerNorm(width)

    def forward(self, values: Tensor, is_step: Tensor) -> Tensor:
        values = values + self.places[: values.shape[1]]
        for layer in self.layers:
            values = layer(values, is_step)
        normed: Tensor = self.norm(values)
        return normed


class _Layer(nn.Module):
    """Attention, then two linear maps with GELU between them; each adds to what came in."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.before, self.between = nn.LayerNorm(width), nn.LayerNorm(width)
        self.asked, self.answered = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.maps = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), Dropout(dropout), nn.Linear(4 * width, width))
        self.dropout = Dropout(dropout)

    def forward(self, values: Tensor, is_step: Tensor) -> Tensor:
        values = values + self.dropout(self._attended(self.before(values), is_step))
        changed: Tensor = values + self.dropout(self.maps(self.between(values)))
        return changed

    def _attended(self, values: Tensor, is_step: Tensor) -> Tensor:
        parts = self.asked(values).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        asked, known, told = parts.unbind(0)
        found = functional.scaled_dot_product_attention(asked, known, told, attn_mask=is_step[:, None, None, :])
        answered: Tensor = self.answered(found.transpose(1, 2).flatten(2))
        return answered


def _waves(steps: int, width: int) -> Tensor:
    """Sines and cosines of the number of a step, of wavelengths from 2 pi to 10000 * 2 pi."""
    rates = torch.exp(torch.arange(0, width, 2) * (-math.log(10_000.0) / width))
    angles = torch.arange(steps)[:, None] * rates
    return torch.stack([angles.sin(), angles.cos()], dim=2).flatten(1)[:, :width]
