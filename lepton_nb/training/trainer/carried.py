"""What a run that goes on needs besides what Lightning saves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from .randomness import random_state, set_random_state
from .ranks import Ranks
from .sums import Sums

__all__ = ["Carried", "plain"]

_LIBRARIES = ("pytorch_lightning.", "lightning.", "lepton_nb.")


class Carried:
    """The random state, where the loaders stand, the sums of the epoch, and what the network keeps in attributes.

    Args:
        ranks: the processes that share the batches; each has its own part.
    """

    def __init__(self, ranks: Ranks) -> None:
        self._ranks, self.sums = ranks, Sums()
        self.loaders: list[Any] = []
        self._state: dict[str, Any] = {}
        self._places: dict[int, Mapping[str, Any]] = {}
        self._owners: dict[str, Any] = {}
        # Whether the run goes on within an epoch, and what is still to be logged of the step before.
        self.within = False
        self.pending: tuple[dict[str, float], int] | None = None

    def state(self, trainer: Any, module: Any, *, within: bool) -> dict[str, Any]:
        """What to keep in a checkpoint: plain values and tensors.

        Args:
            trainer: Lightning's Trainer.
            module: the network.
            within: whether the checkpoint stands within an epoch.
        """
        own = {
            "random": random_state(),
            "sums": Sums.state(trainer, module) if within else None,
            "attributes": dict(_attributes(_owners(trainer, module))) if within else {},
        }
        return {
            "within": within,
            "pending": pending(trainer) if within else None,
            "accumulate": trainer.accumulate_grad_batches,
            "loaders": [one.state_dict() if within else one.fresh_state() for one in self.loaders],
            "ranks": self._ranks.gathered(own),
        }

    def load(self, trainer: Any, module: Any, state: dict[str, Any]) -> None:
        """Take it back; what the loaders, the sums and the network need is put back when they are there."""
        parts: list[dict[str, Any]] = state["ranks"]
        # A run may go on with more processes than it had.
        self._state = parts[self._ranks.rank % len(parts)]
        self._places = dict(enumerate(state["loaders"]))
        self.within, self.pending = state["within"], state["pending"]
        self._owners = _owners(trainer, module)
        if self.within:
            trainer.accumulate_grad_batches = state["accumulate"]
        if self._state["sums"]:
            self.sums.load(self._state["sums"], module)

    def place(self, number: int) -> Mapping[str, Any] | None:
        """Where the loader of that number goes on, told once; None for a run that begins."""
        return self._places.pop(number, None)

    def begin(self) -> bool:
        """The first batch is about to be loaded: from here on the run draws what it would have drawn.

        Returns:
            Whether this was that moment; each loader asks, and the last one decides.
        """
        if not self._state or self._places:
            return False
        state, self._state = self._state, {}
        for place, value in state["attributes"].items():
            owner, _, name = place.rpartition(":")
            if owner in self._owners:
                vars(self._owners[owner])[name] = _moved(value, self._owners[""])
        set_random_state(state["random"])
        return True


def pending(trainer: Any) -> tuple[dict[str, float], int] | None:
    """What Lightning will log of the step that has just been done, right after a checkpoint was made of it."""
    if not trainer._logger_connector.should_update_logs:  # noqa: SLF001
        return None
    values = trainer.fit_loop.epoch_loop._results.metrics(on_step=True)["log"]  # noqa: SLF001
    steps = int(trainer.fit_loop.epoch_loop._batches_that_stepped)  # noqa: SLF001
    return {name: float(value) for name, value in values.items()}, steps


def plain(value: Any) -> Any:
    """A checkpoint whose numbers of NumPy are Python's, and whose arrays are tensors: these load without code."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
        return torch.from_numpy(value.copy())
    if type(value) in (list, tuple):
        return type(value)(plain(one) for one in value)
    if isinstance(value, dict):
        for key in value:
            value[key] = plain(value[key])
    return value


def _owners(trainer: Any, module: Any) -> dict[str, Any]:
    """The network, its parts, and callbacks of somebody's own, by name."""
    parts = {name: one for name, one in module.named_modules() if not hasattr(one, "metric_state")}
    own = enumerate(trainer.callbacks)
    return parts | {f"callback {n}": one for n, one in own if not type(one).__module__.startswith(_LIBRARIES)}


def _attributes(owners: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """What networks keep in attributes as plain values, such as the losses of an epoch in a list."""
    kinds = [kind for kind in type(owners[""]).__mro__ if kind.__name__ == "LightningModule"]
    # What Lightning itself keeps is its own affair.
    standard = {name for kind in (nn.Module, *kinds) for name in vars(kind())} | {"_hparams", "_hparams_initial"}
    for owner, one in owners.items():
        for name, value in vars(one).items():
            if name not in standard and _is_plain(value):
                yield f"{owner}:{name}", _copied(value)


def _is_plain(value: Any, depth: int = 0) -> bool:
    if isinstance(value, (Tensor, bool, int, float, str, np.generic)) and not isinstance(value, nn.Parameter):
        return True
    if type(value) in (list, tuple, dict) and depth < 3:
        values = value.values() if isinstance(value, dict) else value
        return all(_is_plain(one, depth + 1) for one in values)
    return False


def _copied(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.detach().clone()
    if isinstance(value, dict):
        return {key: _copied(one) for key, one in value.items()}
    return type(value)(map(_copied, value)) if isinstance(value, (list, tuple)) else value


def _moved(value: Any, module: Any) -> Any:
    if isinstance(value, Tensor):
        return value.to(module.device)
    if isinstance(value, dict):
        return {key: _moved(one, module) for key, one in value.items()}
    return type(value)(_moved(one, module) for one in value) if isinstance(value, (list, tuple)) else value
