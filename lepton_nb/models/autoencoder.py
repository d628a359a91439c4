"""A network that knows what is normal, and tells what is not."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from .dropout import Dropout
from .learner import Learner, Schedule

__all__ = ["Autoencoder"]

_LEAST = 1e-8


class _Reconstruction(nn.Module):
    """Rows through a narrow middle and back.

    Args:
        widths: from the row to the middle.
        noise: standard deviation of what is added to rows in training, in their own units.
        dropout: share of hidden values dropped in training.
    """

    def __init__(self, widths: Sequence[int], noise: float, dropout: float) -> None:
        super().__init__()
        self.noise = noise
        there_and_back = [*widths, *reversed(widths[:-1])]
        layers: list[nn.Module] = []
        for before, after in pairwise(there_and_back[:-1]):
            layers += [nn.Linear(before, after), nn.ReLU(), Dropout(dropout)]
        self.layers = nn.Sequential(nn.Flatten(), *layers, nn.Linear(there_and_back[-2], there_and_back[-1]))

    def forward(self, features: Tensor) -> Tensor:
        """The mean squared error of each row's reconstruction, [N]."""
        given = features + self.noise * torch.randn_like(features) if self.training and self.noise else features
        errors: Tensor = (self.layers(given) - features.flatten(1)).square().mean(dim=1)
        return errors


class Autoencoder(Learner):
    """Learns to rebuild normal rows alone; what it rebuilds badly is an anomaly (denoising, Vincent et al. 2008).

    Takes float32 `[N, *feature_shape]` of data with two classes, one of which is normal; rows of the other one are
    never learned from, they only tell `val_auc`. Answers logits `[N, 2]`: an error of the logarithm, in standard
    deviations above the mean of normal validation rows, less `threshold`. A probability of one half is thus a row
    whose error is `threshold` deviations above the usual one.

    Args:
        feature_shape: shape of one row; more than one dimension is flattened.
        classes: always 2.
        task: always `classification`.
        normal: which class is normal, 0 or 1; -1 for the one with more training rows.
        hidden: widths of the layers down to the middle, the last of which is the middle.
        noise: standard deviation of the noise that rows get in training.
        threshold: see above.
        dropout: share of hidden values dropped in training.
        lr: the largest learning rate.
        weight_decay: as the rest, see `Learner`.
        schedule: how the learning rate moves.
    """

    normality: Tensor

    def __init__(  # noqa: PLR0913 - the options of a network, by name
        self,
        feature_shape: Sequence[int],
        classes: int,
        task: str = "classification",
        *,
        normal: int = -1,
        hidden: Sequence[int] = (128, 32),
        noise: float = 0.2,
        threshold: float = 2.5,
        dropout: float = 0.0,
        lr: float = 3e-3,
        weight_decay: float = 1e-4,
        schedule: Schedule = "one_cycle",
    ) -> None:
        if classes != 2:
            raise ValueError(f"{classes} classes, but anomalies are one of two: normal, and everything else")
        network = _Reconstruction([math.prod(feature_shape), *hidden], noise, dropout)
        super().__init__(network, width=classes, task=task, lr=lr, weight_decay=weight_decay, schedule=schedule)
        self.threshold = threshold
        # The normal class, then mean and deviation of the logarithm of its errors.
        self.register_buffer("normality", torch.tensor([float(normal), 0.0, 1.0]))
        self._seen: list[tuple[Tensor, Tensor]] = []

    @property
    def needs_rows(self) -> bool:
        """Whether the normal class has to be found out."""
        return bool(self.normality[0] < 0)

    def learn_from(self, features: Tensor, targets: Tensor) -> None:
        """Take the class with more rows for the normal one."""
        if self.needs_rows:
            self.normality[0] = float(torch.bincount(targets, minlength=2).argmax())

    def forward(self, features: Tensor) -> Tensor:
        """Logits float32 [N, 2]."""
        normal, mean, deviation = self.normality
        off = ((self.network(features) + _LEAST).log() - mean) / deviation - self.threshold
        signs = torch.stack([torch.where(normal == 0, -0.5, 0.5), torch.where(normal == 0, 0.5, -0.5)])
        logits: Tensor = off[:, None] * signs
        return logits

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        """The mean error of the normal rows of a batch; of none, nothing is learned."""
        features, targets = batch
        is_normal = (targets == self.normality[0]).float()
        count = is_normal.sum()
        loss: Tensor = (self.network(features) * is_normal).sum() / count.clamp(min=1)
        self._add(int(count), train_loss=loss.detach())
        return loss

    def on_validation_epoch_start(self) -> None:
        """Begin to collect."""
        super().on_validation_epoch_start()
        self._seen = []

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        """Collect the errors of a batch."""
        features, targets = batch
        self._seen.append((self.network(features), targets == self.normality[0]))

    def on_validation_epoch_end(self) -> None:
        """What is usual is known from rows that were not learned from."""
        errors, is_normal = (torch.cat(parts) for parts in zip(*self._seen, strict=True))
        self._seen = []
        usual, others = errors[is_normal], errors[~is_normal]
        if not len(usual):
            return
        logs = (usual + _LEAST).log()
        deviation = logs.std(unbiased=False)
        self.normality[1] = logs.mean()
        self.normality[2] = torch.where(deviation > 0, deviation, torch.ones_like(deviation))
        self.log("val_loss", usual.mean())
        if len(others):
            self.log("val_auc", _auc(usual, others))

    def _log_means(self) -> None:
        if self._rows:
            super()._log_means()
        self._clear()


def _auc(low: Tensor, high: Tensor) -> Any:
    """Share of pairs in which the second one is larger; ties count half (Mann & Whitney)."""
    ordered = low.sort().values
    below = torch.searchsorted(ordered, high, right=False) + torch.searchsorted(ordered, high, right=True)
    return below.double().mean() / (2 * len(low))
