"""What a network is fitted to: a loaded data set, or loaders of the notebook's own that travel with the job."""

from __future__ import annotations

import copy
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..data import refuse_augmentation
from ..errors import DataError, UsageError
from ..models import Environment
from ..records import Data

__all__ = ["Loaders", "about", "loaders_of", "refuse_varied", "travels"]

_LIBRARIES = ("pytorch_lightning.", "lightning.pytorch.")
_COUNTS = ("num_classes", "n_classes")


@dataclass(frozen=True)
class Loaders:
    """Data that is not kept in the workspace.

    Args:
        kind: `module` (a LightningDataModule), `loaders`, `datasets`, or `own` (the network has loaders itself, such
            as an agent, whose value is its environment).
        name: for people.
        value: the data module, or the training part and the validation part (which may be None).
    """

    kind: str
    name: str
    value: Any = None

    def shape(self) -> tuple[int, ...] | None:
        """Shape of one row's features; None when it cannot be known."""
        row = _first(_dataset(self))
        features = row[0] if isinstance(row, (tuple, list)) and row else row
        found = getattr(features, "shape", None)
        return None if found is None else tuple(int(one) for one in found)

    def classes(self) -> int | None:
        """Number of classes; None when it cannot be known."""
        for owner in (self.value, dataset := _dataset(self)):
            for name in _COUNTS:
                if isinstance(count := getattr(owner, name, None), int):
                    return count
        if isinstance(names := getattr(dataset, "classes", None), Sequence):
            return len(names)
        targets: Any = getattr(dataset, "targets", None)
        if targets is None and (tensors := getattr(dataset, "tensors", None)):
            targets = tensors[-1]
        whole = targets is not None and getattr(targets, "ndim", 0) == 1 and not _is_fractional(targets)
        return int(targets.max()) + 1 if whole and len(targets) else None


def travels(value: object) -> bool:
    """Whether it is data for `loaders_of`; everything else is loaded into the workspace first.

    torch is not imported to tell: without it there are no loaders.
    """
    if isinstance(value, (tuple, list)):
        return bool(value) and all(_is_part(one) for one in value)
    if isinstance(value, Mapping):
        return bool(value) and set(value) <= {"train", "val"} and all(_is_part(one) for one in value.values())
    return isinstance(value, Environment) or _is_part(value) or _is_data_module(value)


def loaders_of(value: Any) -> Data | Loaders:
    """What a notebook's object holds for a training.

    Args:
        value: a LightningDataModule; a DataLoader or a Dataset for training, or a pair of them whose second one is
            for validation, or `{"train": ..., "val": ...}`; an environment of an agent; None for a network that has
            loaders of its own.

    Raises:
        UsageError: it is something else.
        DataError: there is no part to train on.
    """
    if value is None:
        return Loaders("own", "its own loaders")
    if isinstance(value, Environment):
        return Loaders("own", str(value), value)
    if _is_data_module(value):
        kept = getattr(value, "data", None)
        # Our own module is a loaded data set, which the trainer finds by its hash.
        if type(value).__module__ == "lepton_nb.data.batches" and isinstance(kept, Data):
            return kept
        return Loaders("module", type(value).__name__, value)
    train, validation = _parts(value)
    if train is None:
        raise DataError("the data has no training part", expected="a loader or a dataset to train on")
    if hasattr(type(train), "__len__") and _is_empty(train):
        raise DataError("the training part of the data has no rows", expected="rows to train on")
    kinds = {"loaders" if _is_loader(one) else "datasets" for one in (train, validation) if one is not None}
    if len(kinds) > 1:
        raise UsageError("a loader and a dataset do not go together", expected="two loaders, or two datasets")
    (kind,) = kinds
    name = type(getattr(train, "dataset", train)).__name__
    return Loaders(kind, name, (train, validation))


def refuse_varied(source: Data | Loaders, augment: str) -> None:
    """Raise when the rows of a training cannot be varied as is asked.

    Args:
        source: what is fitted to.
        augment: as `augmentation_of` takes it; empty for not at all.

    Raises:
        UsageError: they are no images of a loaded data set.
    """
    if isinstance(source, Data):
        refuse_augmentation(source, augment)
    elif augment:
        raise UsageError(
            f"{source.name} gives its own rows, which are not varied",
            expected="a loaded data set of images",
            hint="leave --augment out, and vary them in the dataset",
        )


def _parts(value: Any) -> tuple[Any, Any]:
    if isinstance(value, Mapping):
        return value.get("train"), value.get("val")
    if isinstance(value, (tuple, list)):
        if len(value) > 2:
            raise UsageError(f"{len(value)} loaders are too many", expected="one to train on, and one to validate on")
        return value[0], value[1] if len(value) == 2 else None
    return value, None


def _is_empty(part: Any) -> bool:
    try:
        return len(part) == 0
    except TypeError:
        # A loader over a stream does not know its length.
        return False


def _is_part(value: object) -> bool:
    return _is_loader(value) or _is_dataset(value)


def _is_loader(value: object) -> bool:
    torch_data: Any = sys.modules.get("torch.utils.data")
    return torch_data is not None and isinstance(value, torch_data.DataLoader)


def _is_dataset(value: object) -> bool:
    torch_data: Any = sys.modules.get("torch.utils.data")
    return torch_data is not None and isinstance(value, torch_data.Dataset)


def _is_data_module(value: object) -> bool:
    return any(
        base.__name__ == "LightningDataModule" and f"{base.__module__}.".startswith(_LIBRARIES)
        for base in type(value).__mro__
    )


def _is_fractional(targets: Any) -> bool:
    return bool(targets.is_floating_point()) if hasattr(targets, "is_floating_point") else targets.dtype.kind == "f"


def _dataset(loaders: Loaders) -> Any:
    """The training part's dataset, where there is one."""
    if loaders.kind == "own":
        return None
    if loaders.kind != "module":
        found = loaders.value[0]
    else:
        # The trainer prepares the user's own object; this is a look at a copy.
        module = copy.copy(loaders.value)
        module.prepare_data()
        module.setup("fit")
        found = module.train_dataloader()
    while _is_loader(found):
        found = found.dataset
    return found


def _first(dataset: Any) -> Any:
    """The first row; None where rows have no numbers."""
    try:
        return dataset[0]
    except (TypeError, NotImplementedError, KeyError, IndexError):
        return None


def about(data: Data) -> dict[str, Any]:
    """What the data tells beyond shapes: how wide each category behind the numbers is, how many tokens there are."""
    categories = [max(1, len(one.categories)) for one in data.columns if one.kind == "category"]
    told: dict[str, Any] = {"categories": categories} if categories else {}
    if data.series:
        # Each series has one column of its newest value; the calendar stands behind them all.
        series = sum(one.name.endswith("_lag_0") for one in data.columns)
        told |= {"history": data.series.history, "series": series}
    return told | ({"vocabulary": data.vocabulary} if data.vocabulary else {"texts": False})
