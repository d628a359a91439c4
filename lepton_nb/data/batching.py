"""The data set as Lightning takes it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..records import Data

if TYPE_CHECKING:
    from .batches import BatchedData

__all__ = ["module"]


def module(
    data: Data,
    batch_size: int = 64,
    seed: int = 0,
    rank: int = 0,
    world: int = 1,
    augment: str = "",
    prepared: Path | None = None,
) -> BatchedData:
    """A LightningDataModule over whole tensors: each batch is one slice, nothing is collated row by row.

    Args:
        data: a loaded data set.
        batch_size: rows per batch, over all ranks.
        seed: of the order of the training rows, which is a new one in each epoch.
        rank: whose share of each batch this is, from 0 on.
        world: how many ranks share each batch.
        augment: how pictures of the training part are varied, as `augmentation_of` takes it.
        prepared: where `prepare` has written the parts; None for nowhere.

    Returns:
        The module; each batch is (features float32 [B, *data.feature_shape], of texts token ids int64 [B, L], as many
        as the longest of the batch has; targets as `features` gives them). Its loaders tell by
        `state_dict()` where iteration stands, and go on there after `load_state_dict`.
    """
    from .batches import BatchedData

    return BatchedData(data, batch_size, seed, rank, world, augment, prepared)
