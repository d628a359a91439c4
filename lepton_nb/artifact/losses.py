"""What a network's own steps count on some rows: the losses and other numbers that its training was told."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import inspect
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..models import Batch
from .named import Arrays, flattened

__all__ = ["counted"]

_STEPS = ("validation_step", "training_step")


def counted(
    network: Any, batches: Sequence[Batch], answering: Callable[[Arrays], Mapping[str, NDArray[Any]]] | None = None
) -> dict[str, float]:
    """The means of what a step of a network logs of some batches, each row with the same weight.

    Args:
        network: a LightningModule in eval mode; a copy of it is asked, for a step may keep what it saw.
        batches: held-out rows, as their loader gave them.
        answering: answers in place of forward, by the names of the outputs in its order.

    Returns:
        The numbers by their names, of `validation_step` where there is one, else of `training_step`: what it logs, or
        `loss`, which it returns; none where it cannot be asked outside of a training, or asks other parts of the
        network than `forward`, so that other answers cannot be given to it.
    """
    import pytorch_lightning as pl

    own = [name for name in _STEPS if getattr(type(network), name, None) is not getattr(pl.LightningModule, name)]
    if not own or not batches or not all(one.layout for one in batches):
        return {}
    sums: dict[str, float] = {}
    rows: dict[str, int] = {}
    try:
        asked = copy.deepcopy(network)
        for number, batch in enumerate(batches):
            for name, value in _of_batch(asked, own[0], batch, number, answering).items():
                sums[name] = sums.get(name, 0.0) + value * batch.rows
                rows[name] = rows.get(name, 0) + batch.rows
    except Exception:  # noqa: BLE001 - a step is anybody's, and may need what only a training has
        return {}
    return {name: value / rows[name] for name, value in sums.items() if np.isfinite(value)}


def _of_batch(
    network: Any, step: str, batch: Batch, number: int, answering: Callable[[Arrays], Mapping[str, NDArray[Any]]] | None
) -> dict[str, float]:
    told: dict[str, float] = {}

    def log(name: str, value: Any, *_: Any, **__: Any) -> None:
        if isinstance(value, (bool, int, float)) or (isinstance(value, torch.Tensor) and value.numel() == 1):
            told[str(name)] = float(value)

    def log_dict(values: Mapping[str, Any], *_: Any, **__: Any) -> None:
        for name, value in values.items():
            log(name, value)

    given, method = batch.given(), getattr(network, step)
    forward = _Answered(network, answering) if answering else None
    # A step may be written with or without the number of the batch.
    takes_number = len(inspect.signature(method).parameters) > 1
    with torch.no_grad(), warnings.catch_warnings(), _in_place(network, log=log, log_dict=log_dict):
        warnings.simplefilter("ignore")
        with _in_place(network, **({"forward": forward} if forward else {})):
            answer = method(given, number) if takes_number else method(given)
    if forward and not forward.asked:
        raise LookupError("the step does not ask forward")
    loss = answer.get("loss") if isinstance(answer, Mapping) else answer
    if not told and isinstance(loss, torch.Tensor) and loss.numel() == 1:
        told["loss"] = float(loss)
    return told


class _Answered:
    """A forward that gives other answers in the form of the network's own.

    Args:
        network: the network.
        answering: gives the answers.
    """

    def __init__(self, network: Any, answering: Callable[[Arrays], Mapping[str, NDArray[Any]]]) -> None:
        self._own, self._answering, self.asked = network.forward, answering, False
        self._names = inspect.signature(self._own)

    def __call__(self, *values: Any, **named: Any) -> Any:
        self.asked = True
        given = self._names.bind(*values, **named).arguments.items()
        found = self._answering({name: one.numpy() for name, one in given if one is not None})
        return _shaped(self._own(*values, **named), [torch.from_numpy(np.array(one)) for one in found.values()])


def _shaped(answer: Any, values: Sequence[torch.Tensor]) -> Any:
    """Tensors in the place of those of an answer."""
    made = iter(values)

    def put(old: Any) -> Any:
        return old if old is None else next(made).reshape(old.shape)

    if len(flattened(answer)) != len(values):
        raise ValueError("another number of outputs")
    if isinstance(answer, torch.Tensor):
        return put(answer)
    if isinstance(answer, Mapping):
        return {name: put(old) for name, old in answer.items()}
    if isinstance(answer, (tuple, list)):
        named = hasattr(answer, "_fields")
        return type(answer)(*map(put, answer)) if named else type(answer)(map(put, answer))
    changed = copy.copy(answer)
    for one in dataclasses.fields(answer):
        object.__setattr__(changed, one.name, put(getattr(answer, one.name)))
    return changed


@contextlib.contextmanager
def _in_place(network: Any, **methods: Any) -> Iterator[None]:
    """Methods of an instance replaced for a while."""
    own = {name: network.__dict__[name] for name in methods if name in network.__dict__}
    for name, method in methods.items():
        object.__setattr__(network, name, method)
    try:
        yield
    finally:
        for name in methods:
            object.__delattr__(network, name)
        for name, method in own.items():
            object.__setattr__(network, name, method)
