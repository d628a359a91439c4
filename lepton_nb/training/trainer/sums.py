"""What a network has summed up in an epoch so far, kept across an interruption.

Lightning keeps none of it: the mean of an epoch that was resumed would be that of its second part.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

__all__ = ["Sums"]


class Sums:
    """The sums of a checkpoint, put back as soon as there is something to add them to."""

    def __init__(self) -> None:
        self._waiting: dict[str, dict[str, Any]] = {}

    @staticmethod
    def state(trainer: Any, module: Any) -> dict[str, Any]:
        """The sums as plain values and tensors.

        Args:
            trainer: Lightning's Trainer, within a training epoch.
            module: the network.
        """
        logged = {
            name: {
                "value": one.value,
                "count": getattr(one, "cumulated_batch_size", None),
                "mean": one.meta.is_mean_reduction,
                "name": one.meta.forked_name(on_step=False),
                "where": {"logger": one.meta.logger, "prog_bar": one.meta.prog_bar},
            }
            for name, one in trainer.fit_loop.epoch_loop._results.items()  # noqa: SLF001 -- there is no other way to it
            if one.is_tensor and one.meta.on_epoch and not one.has_reset
        }
        metrics = {
            name: {"count": one._update_count, "state": dict(one.metric_state)}  # noqa: SLF001
            for name, one in _metrics(module).items()
            if _is_plain(one.metric_state)
        }
        return {"logged": logged, "metrics": metrics}

    def load(self, state: Mapping[str, Any], module: Any) -> None:
        """Put back what torchmetrics has gathered; what was logged waits until it is logged again.

        Args:
            state: what `state` returned.
            module: the network.
        """
        self._waiting = dict(state["logged"])
        for name, one in _metrics(module).items():
            if name in state["metrics"]:
                kept = state["metrics"][name]
                for part, value in kept["state"].items():
                    setattr(one, part, value)
                one._update_count = kept["count"]  # noqa: SLF001

    def restore(self, trainer: Any) -> None:
        """Add what waits to what was logged just now; called at the end of each batch."""
        if not self._waiting:
            return
        results = trainer.fit_loop.epoch_loop._results  # noqa: SLF001
        for name in [name for name in self._waiting if name in results]:
            one, kept = results[name], self._waiting.pop(name)
            if one.meta.is_mean_reduction:
                one.value = kept["value"] + one.value
                one.cumulated_batch_size = kept["count"] + one.cumulated_batch_size
            elif one.meta.is_sum_reduction:
                one.value = kept["value"] + one.value
            elif one.meta.is_max_reduction or one.meta.is_min_reduction:
                one.value = one.meta.reduce_fx(kept["value"], one.value)

    def tell(self, module: Any) -> None:
        """An epoch has ended: what was not logged again since the run went on is logged now as it was."""
        for kept in self._waiting.values():
            value = kept["value"] / kept["count"] if kept["mean"] else kept["value"]
            module.log(kept["name"], value, on_step=False, on_epoch=True, batch_size=1, **kept["where"])
        self._waiting = {}


def _metrics(module: Any) -> dict[str, Any]:
    """The torchmetrics of a network, by their place in it."""
    return {name: one for name, one in module.named_modules() if hasattr(one, "metric_state")}


def _is_plain(state: Mapping[str, Any]) -> bool:
    return all(
        isinstance(value, torch.Tensor) or (isinstance(value, list) and all(isinstance(v, torch.Tensor) for v in value))
        for value in state.values()
    )
