"""Loaders of a notebook's own, of which each of several processes takes its share. This module imports torch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch.utils.data import DataLoader, IterableDataset

from .randomness import random_state, seed_all, set_random_state
from .ranks import Ranks

__all__ = ["shared"]


def shared(loader: Any, ranks: Ranks, seed: int, *, training: bool) -> Any:
    """A loader of this process's share of the rows of each batch, where several train together.

    A batch is what it would be for one process, whatever draws it; each process loads every `world`-th row of it. A
    loader without rows by number, or without an end, stays as it is: each process reads the whole of it.

    Args:
        loader: of one process.
        ranks: the processes.
        seed: of the order of the rows, if that is drawn at random.
        training: whether the rows are trained on.
    """
    if ranks.alone or not isinstance(loader, DataLoader) or isinstance(loader.dataset, IterableDataset):
        return loader
    try:
        len(loader.batch_sampler)  # type: ignore[arg-type]  # that is the question
    except (TypeError, NotImplementedError):
        return loader
    return DataLoader(
        loader.dataset,
        batch_sampler=_Share(loader.batch_sampler, ranks, seed, 2 if training else 1),
        num_workers=loader.num_workers,
        collate_fn=loader.collate_fn,
        pin_memory=loader.pin_memory,
        worker_init_fn=loader.worker_init_fn,
        multiprocessing_context=loader.multiprocessing_context,
        persistent_workers=loader.persistent_workers,
    )


class _Share:
    """Every `world`-th row of each batch.

    Args:
        batches: of all processes; their order is drawn from the global generators, or from one of their own.
        ranks: the processes.
        seed: of the orders; each epoch has another one.
        least: rows that a process has at least, if some of them twice: batch normalisation cannot train on one.
    """

    def __init__(self, batches: Any, ranks: Ranks, seed: int, least: int) -> None:
        self._batches, self._ranks, self._least = batches, ranks, least
        # All processes draw the same from it, however different their global generators are. Its name is where a
        # loader that goes on looks for a state to keep.
        self.generator = torch.Generator().manual_seed(seed)

    def __len__(self) -> int:
        return len(self._batches)

    def __iter__(self) -> Iterator[list[int]]:
        for batch in self._drawn():
            rows = batch[self._ranks.rank :: self._ranks.world]
            lack = min(self._least, len(batch)) - len(rows)
            others = [row for row in batch if row not in rows] if lack > 0 else []
            yield rows + others[: max(0, lack)]

    def _drawn(self) -> list[list[int]]:
        drawn = int(torch.randint(2**31, (), generator=self.generator))
        state = random_state()
        seed_all(drawn)
        try:
            whole = [list(batch) for batch in self._batches]
        finally:
            set_random_state(state)
        return whole
