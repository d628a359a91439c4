"""Batches of whole tensors. This module imports torch and Lightning, so it is itself imported late."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytorch_lightning as pl
import torch
from torch import Tensor

from ..errors import UsageError
from ..records import Data
from .preprocessing import features
from .reading import Part

__all__ = ["BatchedData", "Batches"]


class Batches:
    """One part, in batches. Iterating again gives the next epoch.

    Args:
        features: [N, *shape].
        targets: [N].
        batch_size: rows per batch.
        seed: of the order of the rows, a new one each epoch; None keeps the order.
    """

    def __init__(self, features: Tensor, targets: Tensor, batch_size: int, seed: int | None = None) -> None:
        self.features, self.targets, self.batch_size, self.seed = features, targets, batch_size, seed
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Go on with the order of this epoch, as after a resume."""
        self.epoch = epoch

    def _bounds(self) -> list[int]:
        rows = len(self.targets)
        starts = list(range(0, rows, self.batch_size))
        # Batch normalisation cannot train on a single row: it joins the batch before it.
        if self.seed is not None and len(starts) > 1 and self.batch_size > 1 and rows - starts[-1] == 1:
            starts.pop()
        return [*starts, rows]

    def __len__(self) -> int:
        return len(self._bounds()) - 1

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        bounds = self._bounds()
        order = None
        if self.seed is not None:
            generator = torch.Generator().manual_seed(self.seed * 1_000_003 + self.epoch)
            order = torch.randperm(len(self.targets), generator=generator)
            self.epoch += 1
        for start, stop in itertools.pairwise(bounds):
            rows = slice(start, stop) if order is None else order[start:stop]
            yield self.features[rows], self.targets[rows]


class BatchedData(pl.LightningDataModule):
    """A loaded data set for Lightning's Trainer.

    Args:
        data: the data set.
        batch_size: rows per batch.
        seed: of the order of the training rows.
    """

    def __init__(self, data: Data, batch_size: int, seed: int) -> None:
        super().__init__()
        if batch_size < 1:
            raise UsageError(f"batch_size {batch_size} is too small", expected="at least 1")
        self.data, self.batch_size, self.seed = data, batch_size, seed
        self._parts: dict[str, Batches] = {}

    def _batches(self, part: Part) -> Batches:
        if part not in self._parts:
            values, targets = features(self.data, part)
            seed = self.seed if part == "train" else None
            self._parts[part] = Batches(torch.from_numpy(values), torch.from_numpy(targets), self.batch_size, seed)
        return self._parts[part]

    def train_dataloader(self) -> Batches:
        """The training part, in a new order each epoch."""
        return self._batches("train")

    def val_dataloader(self) -> Batches:
        """The validation part."""
        return self._batches("validation")

    def test_dataloader(self) -> Batches:
        """The test part."""
        return self._batches("test")
