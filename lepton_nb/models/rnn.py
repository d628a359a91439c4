"""A recurrent network for texts and sequences."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from .classifier import Classifier, Schedule
from .dropout import Dropout
from .recurrent import Cell, Recurrent
from .sequences import SequenceNetwork, Steps

__all__ = ["RNN"]


class RNN(Classifier):
    """Recurrent layers in both directions, then the mean and the largest value over the steps of a row.

    Takes token ids int64 `[N, L]`, 0 behind the last token, or float32 sequences `[N, steps, features]`.

    Args:
        feature_shape: (steps,) of texts, (steps, features) of sequences.
        classes: number of classes.
        vocabulary: how many token ids there are; 0 for sequences of numbers.
        cell: `gru` (arXiv:1406.1078) or `lstm` (Hochreiter & Schmidhuber, 1997).
        embedding: width of the vector of a token, or of a step.
        width: of the state of each direction.
        layers: how many recurrent layers.
        dropout: share of the values dropped in training, of the vectors of steps and of what is pooled.
        word_dropout: share of the tokens left out in training.
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
        vocabulary: int = 0,
        cell: Cell = "gru",
        embedding: int = 64,
        width: int = 64,
        layers: int = 1,
        dropout: float = 0.3,
        word_dropout: float = 0.1,
        lr: float = 5e-3,
        weight_decay: float = 0.01,
        schedule: Schedule = "one_cycle",
        label_smoothing: float = 0.0,
    ) -> None:
        steps = Steps(feature_shape, vocabulary, embedding, dropout=dropout, word_dropout=word_dropout)
        head = nn.Sequential(Dropout(dropout), nn.Linear(4 * width, classes))
        network = SequenceNetwork(steps, Recurrent(cell, embedding, width, layers, dropout=dropout), head)
        super().__init__(network, lr=lr, weight_decay=weight_decay, schedule=schedule, label_smoothing=label_smoothing)
