"""Batches of whole tensors. This module imports torch and Lightning, so it is itself imported late."""

from __future__ import annotations

import itertools
from collections.abc import Generator, Iterator, Mapping
from pathlib import Path

import numpy as np
import pytorch_lightning as pl
import torch
from torch import Tensor

from ..errors import UsageError
from ..records import Data
from .augmenting import augmentation_of, refuse_augmentation
from .kept import kept_buckets
from .loaders import Loader
from .prepared import given
from .preprocessing import features, file_features, frame_of, preprocessing
from .reading import Part, sample
from .streamed_batches import StreamedBatches
from .varied import varied

__all__ = ["BatchedData", "Batches", "Loader"]

# Gathering a whole epoch at once costs half of gathering batch by batch, until the copy is so large that the
# allocator asks the system for fresh pages each time (glibc: from 32 MiB on); then it costs three times as much.
_AT_ONCE = 24 << 20
# Batches whose texts are sorted by length together.
_SORTED = 16


class Batches(Loader):
    """One part, whole in memory.

    Args:
        features: [N, *shape].
        targets: [N].
        batch_size: as the rest, see `Loader`.
        seed: of the order.
        rank: whose rows.
        world: ranks.

    Example:
        >>> batches = Batches(torch.arange(6.0)[:, None], torch.arange(6), 2)
        >>> [targets.tolist() for _, targets in batches]
        [[0, 1], [2, 3], [4, 5]]
    """

    def __init__(
        self, features: Tensor, targets: Tensor, batch_size: int, seed: int | None = None, rank: int = 0, world: int = 1
    ) -> None:
        super().__init__(len(targets), batch_size, seed, rank, world)
        self.features, self.targets = features, targets

    def _rest(self, bounds: list[int]) -> Generator[tuple[Tensor, Tensor]]:
        if self.seed is not None:
            yield from self._gathered(bounds, torch.randperm(len(self.targets), generator=self._generator()))
            return
        for start, stop in itertools.pairwise(bounds):
            rows = slice(start + self.rank, stop, self.world)
            yield self.features[rows], self.targets[rows]

    def _gathered(self, bounds: list[int], order: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        batches = [order[start + self.rank : stop : self.world] for start, stop in itertools.pairwise(bounds)]
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


class TextBatches(Batches):
    """One part of token ids, whole in memory; a batch is as long as its longest text.

    Training batches are of texts of about one length: rows are drawn in a random order, those of some batches are
    sorted by length, and these batches come in a random order again.

    Args:
        features: int64 [N, L], 0 behind the last token of each row.
        targets: as the rest, see `Batches`.
    """

    def __init__(
        self, features: Tensor, targets: Tensor, batch_size: int, seed: int | None = None, rank: int = 0, world: int = 1
    ) -> None:
        super().__init__(features, targets, batch_size, seed, rank, world)
        self._sizes = (features != 0).sum(dim=1)

    def _rest(self, bounds: list[int]) -> Generator[tuple[Tensor, Tensor]]:
        order = torch.arange(len(self.targets)) if self.seed is None else self._order()
        for start, stop in itertools.pairwise(bounds):
            rows = order[start + self.rank : stop : self.world]
            longest = int(self._sizes[rows].max())
            yield self.features[rows, :longest], self.targets[rows]

    def _order(self) -> Tensor:
        """Rows in the order of the epoch; those of a batch lie between its bounds."""
        generator = self._generator()
        order = torch.randperm(len(self.targets), generator=generator)
        stretches = torch.split(order, _SORTED * self.batch_size)
        order = torch.cat([rows[self._sizes[rows].sort(stable=True).indices] for rows in stretches])
        # The last batch may be of another size, and stays where it is.
        whole = (len(self) - 1) * self.batch_size
        batches = order[:whole].view(-1, self.batch_size)
        mixed = batches[torch.randperm(len(batches), generator=generator)].reshape(-1)
        return torch.cat([mixed, order[whole:]])


class PictureBatches(Batches):
    """One part of pictures, whole in memory; each is varied anew whenever it is given.

    What is drawn hangs on the seed, the epoch and the number of the batch alone, so whoever goes on within an epoch
    draws the same.

    Args:
        features: float32 [N, channels, height, width].
        targets: as the rest, see `Batches`.
        amounts: how they are varied, as `augmentation_of` gives it.
    """

    def __init__(
        self,
        features: Tensor,
        targets: Tensor,
        batch_size: int,
        seed: int | None,
        rank: int = 0,
        world: int = 1,
        *,
        amounts: Mapping[str, float],
    ) -> None:
        super().__init__(features, targets, batch_size, seed, rank, world)
        self._amounts = amounts

    def _rest(self, bounds: list[int]) -> Generator[tuple[Tensor, Tensor]]:
        epoch = ((self.seed or 0) * 1_000_003 + self.epoch + 1) * 1_000_003
        batches = zip(itertools.pairwise(bounds), super()._rest(bounds), strict=True)
        for number, ((start, stop), (values, targets)) in enumerate(batches, len(self) + 1 - len(bounds)):
            # Not the number that the order of an epoch is drawn by.
            generator = torch.Generator().manual_seed((epoch + number + 1) % 2**63)
            yield varied(values, self._amounts, generator, stop - start, self.rank, self.world), targets


class BatchedData(pl.LightningDataModule):
    """A loaded data set for Lightning's Trainer.

    Args:
        data: the data set.
        batch_size: rows per batch, over all ranks.
        seed: of the order of the training rows.
        rank: whose rows these are, from 0 on.
        world: ranks.
        augment: how pictures of the training part are varied, as `augmentation_of` takes it; empty for not at all.
        prepared: the folder of `prepare`; None for none.
    """

    def __init__(
        self,
        data: Data,
        batch_size: int,
        seed: int,
        rank: int = 0,
        world: int = 1,
        augment: str = "",
        prepared: Path | None = None,
    ) -> None:
        super().__init__()
        if batch_size < 1:
            raise UsageError(f"batch_size {batch_size} is too small", expected="at least 1")
        refuse_augmentation(data, augment)
        self._amounts, self._prepared = augmentation_of(augment), prepared
        self.data, self.batch_size, self.seed, self.rank, self.world = data, batch_size, seed, rank, world
        self._parts: dict[str, Loader] = {}

    def _batches(self, part: Part) -> Loader:
        if part not in self._parts:
            seed = self.seed if part == "train" else None
            files = kept_buckets(self.data, part) if self.data.streamed else []
            if len(files) > 1:
                self._parts[part] = self._streamed(files, seed)
            else:
                arrays = given(self.data, part, self._prepared) or features(self.data, part)
                values, targets = map(torch.from_numpy, arrays)
                about = values, targets, self.batch_size, seed, self.rank, self.world
                kind = TextBatches if self.data.kind == "text" else Batches
                if seed is not None and self._amounts:
                    self._parts[part] = PictureBatches(*about, amounts=self._amounts)
                else:
                    self._parts[part] = kind(*about)
        return self._parts[part]

    def _streamed(self, files: list[tuple[Path, int]], seed: int | None) -> Loader:
        fitted = preprocessing(self.data)

        def load(number: int) -> tuple[Tensor, Tensor]:
            path, rows = files[number]
            values, targets = file_features(self.data, fitted, [path], rows)
            return torch.from_numpy(values), torch.from_numpy(targets)

        counts = [rows for _, rows in files]
        return StreamedBatches(counts, load, self.batch_size, seed, self.rank, self.world)

    def sample(self, most: int = 100_000) -> tuple[Tensor, Tensor]:
        """Rows of the training part, before any training: all of them, or a fair sample of what is streamed."""
        batches = self._batches("train")
        if isinstance(batches, Batches):
            return batches.features, batches.targets
        raw, targets = sample(self.data, "train", most)
        values = preprocessing(self.data).transform(frame_of(raw))
        return torch.from_numpy(np.asarray(values, np.float32)), torch.from_numpy(targets)

    def train_dataloader(self) -> Loader:
        """The training part, in a new order each epoch."""
        return self._batches("train")

    def val_dataloader(self) -> Loader:
        """The validation part."""
        return self._batches("validation")

    def test_dataloader(self) -> Loader:
        """The test part."""
        return self._batches("test")
