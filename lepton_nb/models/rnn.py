"""A recurrent network for texts and sequences."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from .dropout import Dropout
from .learner import Learner, Schedule
from .recurrent import Cell, Recurrent
from .sequences import Grams, SequenceNetwork, Steps

__all__ = ["RNN"]


class RNN(Learner):
    """Vectors of steps, convolutions over them, and recurrent layers in both directions over both.

    The mean and the largest value over the steps of a row are taken of all three, so that what a few words say
    reaches the answer without passing through a state.

    Takes token ids int64 `[N, L]`, 0 behind the last token, or float32 sequences `[N, steps, features]`.

    Args:
        feature_shape: (steps,) of texts, (steps, features) of sequences.
        classes: number of classes, targets or labels.
        task: what they are.
        vocabulary: how many token ids there are; 0 for sequences of numbers.
        cell: `gru` (arXiv:1406.1078) or `lstm` (Hochreiter & Schmidhuber, 1997).
        size: length of the vector of a token, or of a step.
        width: of the state of each direction.
        layers: how many recurrent layers.
        kernels: how many steps each convolution sees, odd numbers; none for no convolutions.
        dropout: share of the pooled values dropped in training, and half of it of those of the vectors of steps.
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
        cell: Cell = "gru",
        size: int = 64,
        width: int = 32,
        layers: int = 1,
        kernels: Sequence[int] = (3, 5),
        dropout: float = 0.5,
        word_dropout: float = 0.1,
        lr: float = 3e-3,
        weight_decay: float = 0.01,
        schedule: Schedule = "one_cycle",
        label_smoothing: float = 0.0,
        loss: str = "mse",
        class_weights: str | Sequence[float] | None = None,
    ) -> None:
        if any(one % 2 == 0 for one in kernels):
            raise ValueError(f"kernels {list(kernels)} are not all odd")
        steps = Steps(feature_shape, vocabulary, size, dropout=dropout / 2, word_dropout=word_dropout)
        recurrent = Recurrent(cell, size, width, layers, dropout=dropout / 2)
        body = _Body(Grams(size, kernels) if len(kernels) else None, recurrent)
        pooled = 2 * (size + 2 * width + (size if len(kernels) else 0))
        network = SequenceNetwork(steps, body, nn.Sequential(Dropout(dropout), nn.Linear(pooled, classes)))
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


class _Body(nn.Module):
    """Vectors of steps [N, L, size], their convolutions, and the states over both, beside each other."""

    def __init__(self, grams: Grams | None, recurrent: Recurrent) -> None:
        super().__init__()
        self.grams, self.recurrent = grams, recurrent

    def forward(self, values: Tensor, is_step: Tensor) -> Tensor:
        if self.grams is None:
            return torch.cat([values, self.recurrent(values, is_step)], dim=2)
        seen = self.grams(values, is_step)
        return torch.cat([values, seen, self.recurrent(values + seen, is_step)], dim=2)
