"""Batches of a part that is larger than the memory. This module imports torch, so it is itself imported late."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import cast

import torch
from torch import Tensor

from .loaders import Loader

__all__ = ["StreamedBatches"]


class StreamedBatches(Loader):
    """One part, of which two files at most are in memory: the one that is used, and the next one, which is read ahead.

    An epoch takes the files in a new order, and the rows of each in a new order; a batch goes on from one file into
    the next.

    Args:
        counts: rows per file.
        load: reads a file by its number: features [n, *shape] and targets [n]. Called in another thread.
        batch_size: as the rest, see `Loader`.
        seed: of the order.
        rank: whose rows.
        world: ranks.
    """

    def __init__(
        self,
        counts: Sequence[int],
        load: Callable[[int], tuple[Tensor, Tensor]],
        batch_size: int,
        seed: int | None = None,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        super().__init__(sum(counts), batch_size, seed, rank, world)
        self._counts, self._load = counts, load

    def _rest(self, bounds: list[int]) -> Generator[tuple[Tensor, Tensor]]:
        with contextlib.closing(self._files(bounds[0])) as files:
            pieces: list[tuple[Tensor, Tensor]] = []
            features, targets, order = torch.empty(0), torch.empty(0), torch.empty(0)
            for start, stop in itertools.pairwise(bounds):
                taken = 0
                while taken < stop - start:
                    if not len(order):
                        # The file that is used up is let go before the one after the next is read.
                        del features, targets
                        features, targets, order = next(files)
                    rows, order = order[: stop - start - taken], order[stop - start - taken :]
                    own = rows[(self.rank - taken) % self.world :: self.world]
                    pieces.append((features.index_select(0, own), targets.index_select(0, own)))
                    taken += len(rows)
                yield (
                    pieces[0]
                    if len(pieces) == 1
                    else (torch.cat([x for x, _ in pieces]), torch.cat([y for _, y in pieces]))
                )
                pieces.clear()

    def _files(self, before: int) -> Generator[tuple[Tensor, Tensor, Tensor]]:
        """Each file of the epoch, and the order of its rows, without the first `before` rows."""
        left = []
        for number, seed in self._order():
            if before < self._counts[number]:
                left.append((number, seed, before))
            before = max(0, before - self._counts[number])
        # Left with this iteration, however it ends: at most one file is still read then.
        with ThreadPoolExecutor(1, "lepton-read-ahead") as reader:
            ahead = reader.submit(self._load, left[0][0]) if left else None
            for index, (number, seed, skipped) in enumerate(left):
                features, targets = cast("Future[tuple[Tensor, Tensor]]", ahead).result()
                ahead = reader.submit(self._load, left[index + 1][0]) if index + 1 < len(left) else None
                yield features, targets, self._rows(number, seed)[skipped:]
                del features, targets

    def _order(self) -> list[tuple[int, int]]:
        """The files of the epoch, each with the seed of its rows' order."""
        files = len(self._counts)
        if self.seed is None:
            return [(number, 0) for number in range(files)]
        generator = self._generator()
        order = torch.randperm(files, generator=generator).tolist()
        return list(zip(order, torch.randint(2**62, (files,), generator=generator).tolist(), strict=True))

    def _rows(self, number: int, seed: int) -> Tensor:
        if self.seed is None:
            return torch.arange(self._counts[number])
        return torch.randperm(self._counts[number], generator=torch.Generator().manual_seed(seed))
