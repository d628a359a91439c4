"""Loaders that a resumed training goes on with at the very batch where it stood. This module imports torch."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch.utils.data import DataLoader, IterableDataset

from .randomness import random_state, set_random_state

__all__ = ["GoingOn", "can_go_on"]

_SAMPLERS = ("torch.utils.data.", "lepton_nb.")


def can_go_on(loader: Any) -> bool:
    """Whether a loader can go on within an epoch: ours, and those whose datasets have rows by number."""
    if isinstance(loader, DataLoader):
        if isinstance(loader.dataset, IterableDataset) or loader.persistent_workers:
            return False
        # A sampler of somebody's own may draw from anywhere, and whenever it likes.
        samplers = [one for one in (loader.sampler, loader.batch_sampler) if one is not None]
        return all(type(one).__module__.startswith(_SAMPLERS) for one in samplers)
    return hasattr(loader, "position") and hasattr(loader, "load_state_dict")


class GoingOn:
    """A loader that knows how far it is, and can start there.

    An epoch is known by the random state at its start: the order of the rows is drawn from that. To go on, the order
    is drawn again and what was given already is left out; with worker processes it is loaded again and thrown away,
    since each worker has a random state of its own. Then the state at the interruption is put back.

    Args:
        loader: a DataLoader, or batches of ours.
        state: gives where to go on, None for the beginning; asked when the first batch is about to be loaded.
        begin: called once, right before that batch is loaded; it puts back the random state.
    """

    def __init__(self, loader: Any, state: Callable[[], Mapping[str, Any] | None], begin: Callable[[], None]) -> None:
        self.loader, self._state, self._begin = loader, state, begin
        self._own = not isinstance(loader, DataLoader)
        self._epoch_state: dict[str, Any] = {}
        self._position = 0
        self._has_begun = False
        # The batch that is worked on, for whoever looks for the cause of an error.
        self.current: Any = None

    def __len__(self) -> int:
        return len(self.loader)

    def __getattr__(self, name: str) -> Any:
        # Lightning looks for samplers and the like.
        if name.startswith("__") or name == "loader":
            raise AttributeError(name)
        return getattr(self.loader, name)

    def state_dict(self) -> dict[str, Any]:
        """Where it stands: plain values and tensors."""
        if self._own:
            return {"position": self._position, "own": dict(self.loader.state_dict())}
        return {"position": self._position, "epoch_state": self._epoch_state}

    def fresh_state(self) -> dict[str, Any]:
        """Where the next epoch starts, whether this one was given to its end or not."""
        if self._own:
            own = dict(self.loader.state_dict())
            return {"position": 0, "own": {"epoch": own["epoch"] + (own["position"] > 0), "position": 0}}
        return {"position": 0, "generators": [one.get_state() for one in self._generators()]}

    def __iter__(self) -> Iterator[Any]:
        # A generator: nothing is drawn before the first batch is asked for.
        state, begin = (None, None) if self._has_begun else (self._state(), self._begin)
        self._has_begun = True
        if state and self._own:
            self.loader.load_state_dict(state["own"])
        if state and begin and state["position"]:
            batches = self._rest(state)
            begin()
        else:
            for generator, its in zip(self._generators(), (state or {}).get("generators", ()), strict=False):
                generator.set_state(its)
            if begin:
                begin()
            self._position = 0
            self._epoch_state = {} if self._own else random_state(self._generators())
            batches = iter(self.loader)
        for batch in batches:
            self._position += 1
            self.current = batch
            yield batch
        self._position = 0

    def _rest(self, state: Mapping[str, Any]) -> Iterator[Any]:
        """The batches behind those that were given."""
        self._position = int(state["position"])
        if self._own:
            return iter(self.loader)
        self._epoch_state = state["epoch_state"]
        set_random_state(self._epoch_state, self._generators())
        own_way = type(self.loader).__iter__ is not DataLoader.__iter__
        if self.loader.num_workers or self.loader.batch_sampler is None or own_way:
            whole: Iterator[Any] = iter(self.loader)
            for _ in range(self._position):
                next(whole, None)
            return whole
        return iter(_without_first(self.loader, self._position))

    def _generators(self) -> list[torch.Generator]:
        """The generators of its own that a loader draws from, each once."""
        if self._own:
            return []
        samplers = (self.loader, self.loader.sampler, self.loader.batch_sampler)
        found = [
            generator for one in samplers if isinstance(generator := getattr(one, "generator", None), torch.Generator)
        ]
        return [one for place, one in enumerate(found) if all(one is not other for other in found[:place])]


def _without_first(loader: DataLoader[Any], given: int) -> DataLoader[Any]:
    """The rest of an epoch whose order is drawn now, as the loader itself would draw it: first its workers' seed."""
    torch.empty((), dtype=torch.int64).random_(generator=loader.generator)
    order: Any = loader.batch_sampler
    # Not beyond the last one: some samplers draw once more before they end, and nobody asks them to.
    return DataLoader(
        loader.dataset,
        batch_sampler=list(itertools.islice(order, given, len(order))),
        collate_fn=loader.collate_fn,
        pin_memory=loader.pin_memory,
    )
