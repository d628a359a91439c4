"""Batches of whole tensors. This module imports torch and Lightning, so it is itself imported late."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import Protocol

import pytorch_lightning as pl
import torch
from torch import Tensor

from ..errors import DataError, FormatError, UsageError
from ..records import Data
from .preprocessing import features
from .reading import Part

__all__ = ["BatchedData", "Batches", "Loader", "batch_bounds"]

# Gathering a whole epoch at once costs half of gathering batch by batch, until the copy is so large that the
# allocator asks the system for fresh pages each time (glibc: from 32 MiB on); then it costs three times as much.
_AT_ONCE = 24 << 20


class Loader(Protocol):
    """Batches that can be told where to go on, from memory or from a disk."""

    epoch: int
    position: int

    def __len__(self) -> int:
        """Batches of a whole epoch."""

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        """The rest of a loaded epoch, else the next whole epoch."""

    def set_epoch(self, epoch: int) -> None:
        """Start with this epoch, from its first batch."""

    def state_dict(self) -> dict[str, int]:
        """Where iteration stands: `epoch`, and `position`, the batches of it that were given."""

    def load_state_dict(self, state: Mapping[str, int]) -> None:
        """Go on exactly there, in the order of an iteration that was never interrupted."""


def batch_bounds(rows: int, batch_size: int, world: int = 1, *, ordered: bool = False) -> list[int]:
    """Where each batch of all ranks begins, and after them the number of rows.

    Args:
        rows: rows of the part.
        batch_size: rows per batch over all ranks, at least `world`.
        world: ranks.
        ordered: nothing is trained on these rows.

    Raises:
        UsageError: a batch has fewer rows than there are ranks.
        DataError: the part has.

    Example:
        >>> batch_bounds(10, 4), batch_bounds(9, 4)
        ([0, 4, 8, 10], [0, 4, 9])
    """
    if batch_size < world:
        raise UsageError(f"batch_size {batch_size} is too small", expected=f"at least {world}, one row for each rank")
    if 0 < rows < world:
        raise DataError(f"{rows} rows cannot be shared among {world} ranks", expected="a row for each rank")
    starts = list(range(0, rows, batch_size))
    # Every rank has a row of every batch, or the others would wait for it; and batch normalisation cannot train on
    # a single row. A last batch that is too small for that joins the batch before it.
    least = world if ordered or batch_size < 2 * world else 2 * world
    if len(starts) > 1 and rows - starts[-1] < least:
        starts.pop()
    return [*starts, rows]


class Batches:
    """One part, in batches. Iterating again gives the next epoch.

    Each rank has every `world`-th row of each batch, from its own number on. Where the rows of a batch are a multiple
    of `world`, the mean over the ranks is that of the batch as a single process has it.

    Args:
        features: [N, *shape].
        targets: [N].
        batch_size: rows per batch, over all ranks.
        seed: of the order of the rows, a new one each epoch; None keeps the order.
        rank: whose rows these are, from 0 on.
        world: ranks.

    Raises:
        UsageError: the rank is none of `world`, or a batch has fewer rows than there are ranks.
        DataError: the part has.

    Example:
        >>> batches = Batches(torch.arange(6.0)[:, None], torch.arange(6), 2)
        >>> [targets.tolist() for _, targets in batches]
        [[0, 1], [2, 3], [4, 5]]
    """

    def __init__(
        self, features: Tensor, targets: Tensor, batch_size: int, seed: int | None = None, rank: int = 0, world: int = 1
    ) -> None:
        if not 0 <= rank < world:
            raise UsageError(f"rank {rank} of {world} does not exist", expected=f"0 to {world - 1}")
        self.features, self.targets, self.batch_size, self.seed = features, targets, batch_size, seed
        self.rank, self.world = rank, world
        self.epoch = self.position = 0
        self._bounds = batch_bounds(len(targets), batch_size, world, ordered=seed is None)
        self._loaded = False

    def set_epoch(self, epoch: int) -> None:
        """Start with the first batch of this epoch."""
        self.load_state_dict({"epoch": epoch, "position": 0})

    def state_dict(self) -> dict[str, int]:
        """Where iteration stands.

        Returns:
            `epoch`, and `position`: the batches of it that were given. When an epoch is exhausted, the first
            position of the next.
        """
        return {"epoch": self.epoch, "position": self.position}

    def load_state_dict(self, state: Mapping[str, int]) -> None:
        """Go on exactly there: what is iterated next is the rest of that epoch.

        Args:
            state: of `state_dict`; with every batch given, the rest is empty, and its end begins the next epoch.

        Raises:
            FormatError: it is no state of these batches.
        """
        epoch, position = state.get("epoch", -1), state.get("position", -1)
        if epoch < 0 or not 0 <= position <= len(self):
            raise FormatError(
                f"batches cannot go on at epoch {epoch}, batch {position}",
                expected=f"a batch from 0 to {len(self)}",
                hint="resume with the data and the batch size of the run",
            )
        self.epoch, self.position, self._loaded = epoch, position, True

    def __len__(self) -> int:
        return len(self._bounds) - 1

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        # This runs at the first `next`, so that a state loaded after `iter` still counts. Who left an epoch half
        # way (a limit on its batches) and loaded no state wants the next one.
        if self.position and not self._loaded:
            self.epoch, self.position = self.epoch + 1, 0
        self._loaded = False
        pairs = itertools.pairwise(self._bounds[self.position :])
        order = self._order()
        for batch in self._slices(pairs) if order is None else self._gathered(pairs, order):
            self.position += 1
            yield batch
        self.epoch, self.position = self.epoch + 1, 0

    def _order(self) -> Tensor | None:
        if self.seed is None:
            return None
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + self.epoch)
        return torch.randperm(len(self.targets), generator=generator)

    def _slices(self, pairs: Iterator[tuple[int, int]]) -> Iterator[tuple[Tensor, Tensor]]:
        for start, stop in pairs:
            rows = slice(start + self.rank, stop, self.world)
            yield self.features[rows], self.targets[rows]

    def _gathered(self, pairs: Iterator[tuple[int, int]], order: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        batches = [order[start + self.rank : stop : self.world] for start, stop in pairs]
        if not batches:
            return
        if self.features.nbytes // self.world <= _AT_ONCE:
            sizes = [len(rows) for rows in batches]
            rows = torch.cat(batches)
            features, targets = self.features.index_select(0, rows), self.targets.index_select(0, rows)
            yield from zip(torch.split(features, sizes), torch.split(targets, sizes), strict=True)
            return
        for rows in batches:
            yield self.features.index_select(0, rows), self.targets.index_select(0, rows)


class BatchedData(pl.LightningDataModule):
    """A loaded data set for Lightning's Trainer.

    Args:
        data: the data set.
        batch_size: rows per batch, over all ranks.
        seed: of the order of the training rows.
        rank: whose rows these are, from 0 on.
        world: ranks.
    """

    def __init__(self, data: Data, batch_size: int, seed: int, rank: int = 0, world: int = 1) -> None:
        super().__init__()
        if batch_size < 1:
            raise UsageError(f"batch_size {batch_size} is too small", expected="at least 1")
        self.data, self.batch_size, self.seed, self.rank, self.world = data, batch_size, seed, rank, world
        self._parts: dict[str, Loader] = {}

    def _batches(self, part: Part) -> Loader:
        if part not in self._parts:
            values, targets = (torch.from_numpy(array) for array in features(self.data, part))
            seed = self.seed if part == "train" else None
            self._parts[part] = Batches(values, targets, self.batch_size, seed, self.rank, self.world)
        return self._parts[part]

    def train_dataloader(self) -> Loader:
        """The training part, in a new order each epoch."""
        return self._batches("train")

    def val_dataloader(self) -> Loader:
        """The validation part."""
        return self._batches("validation")

    def test_dataloader(self) -> Loader:
        """The test part."""
        return self._batches("test")
