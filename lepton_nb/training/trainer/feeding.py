"""What Lightning's Trainer is fed with. This module imports torch."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from torch.utils._pytree import tree_flatten, tree_map, tree_unflatten
from torch.utils.data import DataLoader, Dataset, IterableDataset

from ... import data
from ...models import is_agent
from ...records import Data
from ...workspace import Workspace
from ..job import Job
from .loaders import GoingOn, can_go_on
from .ranks import Ranks
from .rows import prepared_rows
from .shares import shared

__all__ = ["Feeding", "feed"]


@dataclass
class Feeding:
    """The data of a training.

    Args:
        arguments: of `Trainer.fit`, besides the network.
        values_per_row: numbers in one row of features; 0 when that is not known.
        loaders: those of the training part, as they are used now.
    """

    arguments: dict[str, Any] = field(default_factory=dict)
    values_per_row: int = 0
    loaders: list[Any] = field(default_factory=list)

    def current(self) -> Any:
        """The batch that is worked on; None where that is not known."""
        return self.loaders[0].current if len(self.loaders) == 1 else None


def feed(job: Job, library: Any, module: Any, recorder: Any, ranks: Ranks) -> Feeding:
    """Make the loaders of a job, those of the training part so that they can go on within an epoch.

    Args:
        job: the job.
        library: the Lightning that the network is made of.
        module: the network, which may have loaders of its own.
        recorder: keeps where the loaders stand.
        ranks: the processes that share the batches.
    """
    feeding = Feeding()

    def going_on(loaders: Any) -> Any:
        leaves, shape = tree_flatten(loaders)
        leaves = [shared(one, ranks, job.fit.seed, training=True) for one in leaves]
        recorder.saver.exact = all(map(can_go_on, leaves))
        if not recorder.saver.exact:
            return tree_unflatten(leaves, shape)
        feeding.loaders[:] = recorder.carried.loaders[:] = [
            GoingOn(one, partial(recorder.carried.place, number), recorder.begin) for number, one in enumerate(leaves)
        ]
        return tree_unflatten(feeding.loaders, shape)

    if not job.loaders:
        handle = data.find(Workspace(job.home), job.data)
        feeding.values_per_row = math.prod(handle.feature_shape)
        source: Any = _rows(job, handle, ranks)
        if getattr(module, "needs_rows", False):
            module.learn_from(*source.sample())
    else:
        source = module if job.loaders == "own" else job.shipped_loaders()
        # An agent computes little at a time, and often.
        feeding.values_per_row = int(is_agent(job.net["name"]))
    if job.loaders in ("loaders", "datasets"):
        train, validation = (_loader(one, job, training=place == 0) for place, one in enumerate(source))
        feeding.arguments = {"train_dataloaders": going_on(train)}
        if validation is not None:
            feeding.arguments["val_dataloaders"] = shared(validation, ranks, job.fit.seed, training=False)
        return feeding
    if source is not module and not isinstance(source, library.LightningDataModule):
        # A data module of the one library is a stranger to the other; loaders are welcome to both.
        feeding.arguments = {"train_dataloaders": going_on(source.train_dataloader())}
        feeding.arguments["val_dataloaders"] = source.val_dataloader()
        return feeding
    _wrap(source, "train_dataloader", going_on)
    if not ranks.alone:
        to_validate = partial(shared, ranks=ranks, seed=job.fit.seed, training=False)
        _wrap(source, "val_dataloader", lambda loaders: tree_map(to_validate, loaders))
    feeding.arguments = {} if source is module else {"datamodule": source}
    return feeding


def _rows(job: Job, handle: Data, ranks: Ranks) -> Any:
    """The data module of a loaded data set."""
    about = job.fit.batch_size, job.fit.seed, ranks.rank, ranks.world, job.fit.augment
    return data.module(handle, *about, prepared=prepared_rows())


def _wrap(owner: Any, name: str, around: Callable[[Any], Any]) -> None:
    """Have a method of an object give something else; the object's class stays as it is."""
    own = getattr(owner, name)
    vars(owner)[name] = lambda: around(own())


def _loader(value: Any, job: Job, *, training: bool) -> Any:
    """A loader for a dataset; a loader as it is."""
    if not isinstance(value, Dataset):
        return value
    shuffled = training and not isinstance(value, IterableDataset)
    return DataLoader(value, batch_size=job.fit.batch_size, shuffle=shuffled)
