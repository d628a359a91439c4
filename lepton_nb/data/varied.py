"""Pictures of a batch, each varied at random. This module imports torch, so it is itself imported late."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample

__all__ = ["varied"]

_MOVES = frozenset(("flip", "turn", "shift", "rotate", "scale"))


class _Draws:
    """Random numbers for the pictures of one process, out of those for the whole batch."""

    def __init__(self, generator: torch.Generator, rows: int, rank: int, world: int) -> None:
        self._generator, self._rows, self._own = generator, rows, slice(rank, None, world)

    def uniform(self, *shape: int) -> Tensor:
        """Of -1 to 1, [N, *shape]."""
        return torch.rand((self._rows, *shape), generator=self._generator)[self._own] * 2 - 1

    def normal(self, *shape: int) -> Tensor:
        """Of mean 0 and standard deviation 1, [N, *shape]."""
        return torch.randn((self._rows, *shape), generator=self._generator)[self._own]


def varied(
    pictures: Tensor, amounts: Mapping[str, float], generator: torch.Generator, rows: int, rank: int = 0, world: int = 1
) -> Tensor:
    """Other pictures of the same things; those that were given stay as they are.

    What is drawn hangs on the generator and the picture's place in the whole batch alone, so that processes that share
    a batch vary it as one process does. Movements are one resampling (bilinear, the edge is repeated), as in Krizhevsky
    et al. (2012) and Simard et al. (2003); erasing is that of arXiv:1708.04896 with the mean in place of noise.

    Args:
        pictures: float32 [N, channels, height, width], of mean 0 and standard deviation 1 over the training part.
        amounts: as `augmentation_of` gives them.
        generator: what is drawn from, on the CPU.
        rows: pictures of the whole batch.
        rank: whose pictures these are: every `world`-th one of the batch from this on.
        world: how many processes share the batch.

    Returns:
        float32 [N, channels, height, width].
    """
    draws = _Draws(generator, rows, rank, world)
    if not _MOVES.isdisjoint(amounts):
        pictures = _moved(pictures, amounts, draws)
    if much := amounts.get("contrast"):
        mean = pictures.mean(dim=(1, 2, 3), keepdim=True)
        pictures = mean + (pictures - mean) * (1 + much * draws.uniform(1, 1, 1))
    if much := amounts.get("brightness"):
        pictures = pictures + much * draws.uniform(1, 1, 1)
    if much := amounts.get("erase"):
        down, across = (_stretch(side, much, draws) for side in pictures.shape[2:])
        pictures = pictures.masked_fill((down[:, :, None] & across[:, None, :])[:, None], 0.0)
    if much := amounts.get("noise"):
        pictures = pictures + much * draws.normal(*pictures.shape[1:])
    return pictures


def _moved(pictures: Tensor, amounts: Mapping[str, float], draws: _Draws) -> Tensor:
    height, width = pictures.shape[2:]
    angle = draws.uniform() * math.radians(amounts.get("rotate", 0.0))
    if "turn" in amounts:
        angle = angle + torch.floor(draws.uniform() * 2) * (math.pi / 2)
    size = 1 + draws.uniform() * amounts.get("scale", 0.0)
    mirror = torch.where(draws.uniform() < 0, -1.0, 1.0) if "flip" in amounts else torch.ones(len(pictures))
    right, down = (_whole(draws.uniform() * amounts.get("shift", 0.0), side) for side in (width, height))
    cosine, sine = angle.cos() * size, angle.sin() * size
    # For each place of the result, in -1 to 1 along each side, where it comes from.
    rows = [cosine * mirror, -sine * height / width, right, sine * mirror * width / height, cosine, down]
    places = affine_grid(torch.stack(rows, dim=1).view(-1, 2, 3), list(pictures.shape), align_corners=False)
    return grid_sample(pictures, places, mode="bilinear", padding_mode="border", align_corners=False)


def _whole(shares: Tensor, side: int) -> Tensor:
    """Moves by whole pixels: a picture that is only moved stays as sharp as it is. A side is 2 long."""
    return torch.round(shares * side) * 2 / side


def _stretch(side: int, much: float, draws: _Draws) -> Tensor:
    """Which pixels of a side lie within a stretch of it, bool [N, side]."""
    length = (draws.uniform() + 1) / 2 * much * side
    start = (draws.uniform() + 1) / 2 * (side - length)
    places = torch.arange(side) + 0.5
    return (places >= start[:, None]) & (places < (start + length)[:, None])
