"""A linear network over what stands beside each other in a text."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from .dropout import Dropout
from .learner import Learner, Schedule
from .sequences import PADDING

__all__ = ["NGrams"]

# Primes below 2^31, so that a product of two is an int64, and above all that `buckets` may be: a factor that it divides
# would leave the last token alone.
_PRIME, _FACTOR = 2**31 - 1, 1_000_000_007


class NGrams(Learner):
    """Which runs of 1 to `longest` tokens a text has, each with a weight for each class.

    As arXiv:1607.01759, without its hidden layer. A run is found by a hash of its tokens (as Weinberger et al.,
    arXiv:0902.2206, without signs); how often it stands there does not count, and the weights of a text are summed and
    divided by the root of how many there are. With a vocabulary that is hardly more than bytes (`--vocabulary 300`) the
    runs are pieces of words, which short texts are told apart by better than by words.

    It learns by gradient descent with momentum: steps as long as gradients keep the weights of runs that are rare, and
    tell little, small, where Adam's make them as large as those of frequent ones. So `lr` is far above what other
    networks take, and what is told rightly grows until the last epoch, though the loss of validation does not fall so
    long: `--monitor train_loss` takes the last epochs.

    Takes token ids int64 `[N, L]`, 0 behind the last token.

    Args:
        feature_shape: (tokens,).
        classes: number of classes or labels.
        task: `classification` or `multilabel`.
        vocabulary: how many token ids there are; they are hashed, so nothing here is as large.
        longest: tokens of a run at most.
        buckets: weights of each class; runs of the same hash share one.
        dropout: share of the runs left out in training.
        lr: the largest learning rate.
        weight_decay: L2 penalty of the weights.
        schedule: how the learning rate moves.
        label_smoothing: of classes.
        class_weights: of classes or labels.
    """

    def __init__(  # noqa: PLR0913 - the options of a network, by name
        self,
        feature_shape: Sequence[int],
        classes: int,
        task: str = "classification",
        *,
        vocabulary: int,
        longest: int = 5,
        buckets: int = 2**18,
        dropout: float = 0.0,
        lr: float = 8.0,
        weight_decay: float = 0.0,
        schedule: Schedule = "one_cycle",
        label_smoothing: float = 0.0,
        class_weights: str | Sequence[float] | None = None,
    ) -> None:
        network = _Bag(classes, longest, buckets, dropout)
        super().__init__(
            network,
            width=classes,
            task=task,
            lr=lr,
            weight_decay=weight_decay,
            schedule=schedule,
            label_smoothing=label_smoothing,
            class_weights=class_weights,
        )

    def make_optimizer(self) -> torch.optim.Optimizer:
        """Gradient descent with momentum, which `one_cycle` moves between 0.85 and 0.95."""
        return torch.optim.SGD(self.parameters(), lr=self.lr, momentum=0.9, weight_decay=self.weight_decay)


class _Bag(nn.Module):
    """Token ids int64 [N, L] to sums of weights, float32 [N, classes]."""

    def __init__(self, classes: int, longest: int, buckets: int, dropout: float) -> None:
        super().__init__()
        self.longest, self.buckets = longest, buckets
        self.weights = nn.Embedding(buckets, classes)
        nn.init.zeros_(self.weights.weight)
        self.bias = nn.Parameter(torch.zeros(classes))
        self.dropout = Dropout(dropout)

    def forward(self, ids: Tensor) -> Tensor:
        # Not by `len`, which would make the rows of an exported network a constant.
        rows = ids.shape[0]
        sums, counts = self.bias.new_zeros(rows, self.bias.shape[0]), ids.new_zeros(rows, 1)
        # A run that would end behind the last token holds padding, however short all rows are.
        padded, hashed = functional.pad(ids, (0, self.longest - 1), value=PADDING), torch.zeros_like(ids)
        for size in range(1, self.longest + 1):
            last = padded[:, size - 1 : size - 1 + ids.shape[1]]
            hashed = (hashed * _FACTOR + last) % _PRIME
            runs, is_run = _each_once(torch.where(last != PADDING, hashed % self.buckets, -1))
            sums = sums + (self.weights(runs) * self.dropout(is_run.float())[..., None]).sum(dim=1)
            counts = counts + is_run.sum(dim=1, keepdim=True)
        return sums / counts.clamp(min=1).sqrt() + self.bias


def _each_once(runs: Tensor) -> tuple[Tensor, Tensor]:
    """Buckets int64 [N, L] in order, and which of them there are and are not the one before, bool; -1 is none."""
    runs = runs.sort(dim=1).values
    is_new = functional.pad(runs[:, 1:] != runs[:, :-1], (1, 0), value=True)
    return runs.clamp(min=0), is_new & (runs >= 0)
