"""Batches that can be told where to go on. This module imports torch, so it is itself imported late."""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Generator, Iterator, Mapping

import torch
from torch import Tensor

from ..errors import DataError, FormatError, UsageError

__all__ = ["Loader", "batch_bounds"]


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


class Loader(ABC):
    """The batches of one part. Iterating again gives the next epoch.

    Each rank has every `world`-th row of each batch, from its own number on. Where the rows of a batch are a multiple
    of `world`, the mean over the ranks is that of the batch as a single process has it.

    Args:
        rows: rows of the part.
        batch_size: rows per batch, over all ranks.
        seed: of the order of the rows, a new one each epoch; None keeps the order.
        rank: whose rows these are, from 0 on.
        world: ranks.

    Raises:
        UsageError: the rank is none of `world`, or a batch has fewer rows than there are ranks.
        DataError: the part has.
    """

    def __init__(self, rows: int, batch_size: int, seed: int | None = None, rank: int = 0, world: int = 1) -> None:
        if not 0 <= rank < world:
            raise UsageError(f"rank {rank} of {world} does not exist", expected=f"0 to {world - 1}")
        self.batch_size, self.seed, self.rank, self.world = batch_size, seed, rank, world
        self.epoch = self.position = 0
        self._bounds = batch_bounds(rows, batch_size, world, ordered=seed is None)
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
        # Closed with this one, at once: what reads ahead does not outlive it.
        with contextlib.closing(self._rest(self._bounds[self.position :])) as batches:
            for batch in batches:
                self.position += 1
                yield batch
        self.epoch, self.position = self.epoch + 1, 0

    @abstractmethod
    def _rest(self, bounds: list[int]) -> Generator[tuple[Tensor, Tensor]]:
        """The batches between these bounds, in the order of `epoch`."""

    def _generator(self) -> torch.Generator:
        """What this epoch's order is drawn by."""
        return torch.Generator().manual_seed((self.seed or 0) * 1_000_003 + self.epoch)
