"""A recurrent network for texts and sequences."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from .dropout import Dropout
from .learner import Learner, Schedule
from .recurrent import Cell, Recurrent
from .sequences import SequenceNetwork, Steps

__all__ = ["RNN"]


class RNN(Learner):
    """Recurrent layers in both directions, then the mean and the largest value over the steps of a row.

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
        dropout: share of the values dropped in training, of the vectors of steps and of what is pooled.
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
        width: int = 64,
        layers: int = 1,
        dropout: float = 0.3,
        word_dropout: float = 0.1,
        lr: float = 5e-3,
        weight_decay: float = 0.01,
        schedule: Schedule = "one_cycle",
        label_smoothing: float = 0.0,
        loss: str = "mse",
        class_weights: str | Sequence[float] | None = None,
    ) -> None:
        steps = Steps(feature_shape, vocabulary, size, dropout=dropout, word_dropout=word_dropout)
        head = nn.Sequential(Dropout(dropout), nn.Linear(4 * width, classes))
        network = SequenceNetwork(steps, Recurrent(cell, size, width, layers, dropout=dropout), head)
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
