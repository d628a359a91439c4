"""A loss that is no number ends a training before the weights are spoilt, and says where it came from."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import torch
from torch import Tensor, nn

from ...errors import TrainingError

__all__ = ["Finite", "first_non_finite", "silent"]


class Finite:
    """Looks at every loss before it is propagated.

    Args:
        batch: gives the batch that is worked on, for the search of the layer; None where it is not known.
        step: gives the number of the batch.
    """

    def __init__(self, batch: Callable[[], Any], step: Callable[[], int]) -> None:
        self._batch, self._step = batch, step

    def on_before_backward(self, trainer: Any, pl_module: Any, loss: Tensor) -> None:
        """Refuse a loss that is NaN or infinite.

        Raises:
            TrainingError: it is; nothing was propagated.
        """
        value = loss.item() if loss.numel() == 1 else float(loss.sum())
        if math.isfinite(value):
            return
        where = first_non_finite(pl_module, self._batch(), trainer.fit_loop.batch_idx)
        raise TrainingError(
            f"the loss is {value} at step {self._step() + 1}, in epoch {trainer.current_epoch + 1}",
            expected="a finite loss",
            got=where,
            hint="a smaller --lr, --clip 1.0, or look for such values in the data; --allow-nan goes on all the same",
        )


def first_non_finite(module: Any, batch: Any, index: int) -> str:
    """Which layer gives the first value that is not finite, told in words.

    The step is done again with an eye on every layer. What it logs this time is lost, and its weights stay.

    Args:
        module: a LightningModule.
        batch: what its training step is to be done with.
        index: number of the batch.
    """
    spoilt = [name for name, value in module.named_parameters() if not torch.isfinite(value).all()]
    found: list[str] = []
    # A step that cannot be done twice leaves what was found by then.
    with suppress(Exception), _watched(module, found), silent(module), torch.no_grad():
        module.training_step(batch, index)
    if found:
        more = f"; weights that are not finite already: {', '.join(spoilt[:3])}" if spoilt else ""
        return found[0] + more
    if spoilt:
        return f"weights {', '.join(spoilt[:3])} are not finite"
    return "the outputs of all layers are finite: the loss itself makes it"


@contextmanager
def _watched(module: nn.Module, found: list[str]) -> Iterator[None]:
    names = {one: name for name, one in module.named_modules() if not list(one.children()) and name}

    def look(layer: nn.Module, inputs: Any, outputs: Any) -> None:
        if not found and not _finite(outputs):
            given = "its input is finite" if _finite(inputs) else "its input is not finite either: look at the data"
            found.append(f"layer {names[layer]!r} ({type(layer).__name__}) gives the first such value, {given}")

    hooks = [layer.register_forward_hook(look) for layer in names]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


@contextmanager
def silent(module: Any) -> Iterator[None]:
    """A step that is done once more logs nothing and propagates nothing."""
    names = ("log", "log_dict", "manual_backward")
    for name in names:
        vars(module)[name] = lambda *args, **kwargs: None
    try:
        yield
    finally:
        for name in names:
            vars(module).pop(name, None)


def _finite(values: Any) -> bool:
    if isinstance(values, Tensor):
        return bool(torch.isfinite(values).all()) if values.is_floating_point() else True
    if isinstance(values, dict):
        values = values.values()
    return all(_finite(one) for one in values) if hasattr(values, "__iter__") and not isinstance(values, str) else True
