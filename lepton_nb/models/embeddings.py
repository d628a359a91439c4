"""Numbers and categories of a table's row as vectors, one per column."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

__all__ = ["Categories", "Linear", "Periodic", "Piecewise", "Row", "numbers_of"]


class Row(nn.Module):
    """A prepared row as one vector per column: first its numbers, then its categories, which are one-hot blocks.

    Args:
        width: values in a row.
        categories: widths of the one-hot blocks, which are the last values of a row; all others are numbers.
        embedding: of the numbers: `linear`, `periodic` or `piecewise`.
        size: length D of each vector.
        bins: of `piecewise`; frequencies of `periodic`.

    Raises:
        ValueError: the blocks are wider than the row.
    """

    def __init__(self, width: int, categories: Sequence[int], embedding: str, size: int, bins: int) -> None:
        super().__init__()
        numbers = width - sum(categories)
        if numbers < 0:
            raise ValueError(f"categories of {sum(categories)} values in rows of {width}")
        self.split, self.columns = numbers, numbers + len(categories)
        self.numbers = numbers_of(embedding, numbers, size, bins) if numbers else None
        self.categories = Categories(categories, size) if categories else None

    def forward(self, features: Tensor) -> Tensor:
        """Float32 `[N, width]` to float32 `[N, columns, D]`."""
        parts = [] if self.numbers is None else [self.numbers(features[:, : self.split])]
        if self.categories is not None:
            parts.append(self.categories(features[:, self.split :]))
        return torch.cat(parts, dim=1) if len(parts) > 1 else parts[0]


def numbers_of(embedding: str, columns: int, size: int, bins: int) -> nn.Module:
    """An embedding of numbers by its name; the arguments are those of `Row`."""
    kinds: dict[str, type[Linear | Periodic | Piecewise]] = {
        "linear": Linear,
        "periodic": Periodic,
        "piecewise": Piecewise,
    }
    return kinds[embedding](columns, size, bins)


class Categories(nn.Module):
    """A vector for each category of each column (a missing or unseen one is the column's own vector alone).

    Args:
        widths: categories per column.
        size: length D of each vector.
    """

    def __init__(self, widths: Sequence[int], size: int) -> None:
        super().__init__()
        ends = [0]
        for width in widths:
            ends.append(ends[-1] + width)
        self._blocks = list(pairwise(ends))
        # As the embeddings of FT-Transformer begin, arXiv:2106.11959.
        self.weight = nn.Parameter(torch.empty(ends[-1], size).uniform_(-1, 1) / math.sqrt(size))
        self.bias = nn.Parameter(torch.empty(len(widths), size).uniform_(-1, 1) / math.sqrt(size))

    def forward(self, blocks: Tensor) -> Tensor:
        """One-hot blocks, float32 `[N, sum(widths)]`, to float32 `[N, len(widths), D]`."""
        found = [blocks[:, start:stop] @ self.weight[start:stop] for start, stop in self._blocks]
        return torch.stack(found, dim=1) + self.bias


class Linear(nn.Module):
    """Each number times a vector of its column, and one more (arXiv:2106.11959, section 3.3).

    Args:
        columns: numbers per row F.
        size: length D of each vector.
        bins: not used.
    """

    def __init__(self, columns: int, size: int, bins: int = 0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(columns, size).uniform_(-1, 1) / math.sqrt(size))
        self.bias = nn.Parameter(torch.empty(columns, size).uniform_(-1, 1) / math.sqrt(size))

    def forward(self, numbers: Tensor) -> Tensor:
        """Float32 `[N, F]` to float32 `[N, F, D]`."""
        return numbers[:, :, None] * self.weight + self.bias


class _Mixed(nn.Module):
    """A linear layer of its own for each column."""

    def __init__(self, columns: int, values: int, size: int) -> None:
        super().__init__()
        bound = 1 / math.sqrt(values)
        self.weight = nn.Parameter(torch.empty(columns, values, size).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(columns, size).uniform_(-bound, bound))

    def forward(self, values: Tensor) -> Tensor:
        """Float32 `[N, F, K]` to float32 `[N, F, D]`."""
        return torch.einsum("nfk,fkd->nfd", values, self.weight) + self.bias


class Periodic(nn.Module):
    """Sines and cosines of each number at frequencies that are learned (arXiv:2203.05556, section 3.3: PLR).

    Args:
        columns: numbers per row F.
        size: length D of each vector.
        bins: frequencies per number.
        deviation: of the first frequencies, in turns per standard deviation of the number.
    """

    def __init__(self, columns: int, size: int, bins: int, deviation: float = 0.1) -> None:
        super().__init__()
        self.frequencies = nn.Parameter(torch.randn(columns, bins).clamp(-3, 3) * deviation)
        self.mix = _Mixed(columns, 2 * bins, size)

    def forward(self, numbers: Tensor) -> Tensor:
        """Float32 `[N, F]` to float32 `[N, F, D]`."""
        angles = 2 * math.pi * self.frequencies * numbers[:, :, None]
        return torch.relu(self.mix(torch.cat([angles.cos(), angles.sin()], dim=2)))


class Piecewise(nn.Module):
    """How far each number is through each of its bins (arXiv:2203.05556, section 3.2: PLE), then a layer per column.

    The bins lie between quantiles of the training part, where a number that occurs often counts by the square root of
    that: quantiles of a column that is mostly 0 would leave one bin for all else. The first and the last go on beyond.
    Before `learn_from` the bins are of equal width from -2 to 2 standard deviations.

    Args:
        columns: numbers per row F.
        size: length D of each vector.
        bins: per number, at most: quantiles that are the same number make one bin.
    """

    asks_for_rows = True
    left: Tensor
    scale: Tensor
    low: Tensor
    high: Tensor

    def __init__(self, columns: int, size: int, bins: int) -> None:
        super().__init__()
        self._bins = bins
        for name in ("left", "scale", "low", "high"):
            self.register_buffer(name, torch.zeros(columns, bins))
        for column in range(columns):
            self._cut(column, torch.linspace(-2, 2, bins + 1))
        self.mix = _Mixed(columns, bins, size)

    def learn_from(self, features: Tensor, targets: Tensor) -> None:
        """Cut the bins by rows `[N, F or more]`."""
        shares = torch.linspace(0, 1, self._bins + 1, dtype=torch.float64)
        for column in range(len(self.left)):
            # Not by the method of the same name, which has no types.
            values, counts = torch.unique(features[:, column], return_counts=True)
            if len(values) > 1:
                reached = counts.double().sqrt().cumsum(0)
                places = torch.searchsorted(reached, shares * reached[-1]).clamp(max=len(values) - 1)
                self._cut(column, torch.unique(values[places]))

    def _cut(self, column: int, edges: Tensor) -> None:
        """Lay the bins of a column between edges; those that are not needed are always 0."""
        used = len(edges) - 1
        self.left[column], self.scale[column] = 0.0, 0.0
        self.left[column, :used], self.scale[column, :used] = edges[:-1], 1 / edges.diff()
        self.low[column], self.high[column] = 0.0, 1.0
        self.low[column, 0], self.high[column, used - 1] = -torch.inf, torch.inf

    def forward(self, numbers: Tensor) -> Tensor:
        """Float32 `[N, F]` to float32 `[N, F, D]`."""
        through = (numbers[:, :, None] - self.left) * self.scale
        return torch.relu(self.mix(torch.maximum(torch.minimum(through, self.high), self.low)))
