"""Many numbers counted at once, by laying a fine grid over them."""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["count_grid"]

# A grid has 2 ** 12 cells at least and twice as many at most, and so many rows are laid on it at a time: both fit into
# a processor's cache.
_BITS, _BLOCK = 12, 65_536
# From this number on, up to twice it, a float64 tells integers apart and nothing else: its last bits count them.
_WHOLE = 2.0**52


def count_grid(
    values: NDArray[np.float64], edges: NDArray[np.float64], low: float, high: float, bins: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Counts between edges and in bins of equal width, in one go: both from the counts of a fine grid.

    Args:
        values: finite numbers [N].
        edges: as of `edges_of`; a value that is one belongs to the bin below it.
        low: the smallest of all values that are compared.
        high: the largest.
        bins: how many of equal width there are between `low` and `high`; a value between two belongs to the upper one.

    Returns:
        int64 [len(edges) + 1] and int64 [bins], exactly as when each value is looked up by itself.

    Example:
        >>> between, even = count_grid(np.array([0.0, 1.0, 2.0, 4.0]), np.array([1.0]), 0.0, 4.0, 4)
        >>> between.tolist(), even.tolist()
        ([2, 2], [1, 1, 1, 1])
    """
    # Edges belong to the bin below them, and the ends of bins of equal width to the one above.
    ends = np.linspace(low, high, bins + 1)[1:-1]
    cuts: tuple[_Cut, _Cut] = (edges, "left"), (ends, "right")
    grid = _Grid.over(float(low), float(high))
    if grid is None:
        return _binned(cuts[0], values), _binned(cuts[1], values)

    mark = np.zeros(grid.cells, bool)
    for cut, _ in cuts:
        mark[grid.cell_of(np.clip(cut, low, high))] = True
    counts, seen = _laid(values, grid, mark)
    counts[mark] = 0
    between, even = (_binned(cut, seen) + _binned(cut, grid.middles, counts) for cut in cuts)
    return between, even


_Cut = tuple[NDArray[np.float64], Literal["left", "right"]]


class _Grid(NamedTuple):
    """Cells about the multiples of a power of two.

    A value is rounded to the nearest multiple by adding a number so large that nothing finer can be told; the sum's
    last bits are then the number of its cell. Rounding never changes the order of two values, so that a cell without a
    cut in it lies wholly on one side of each.

    Args:
        shift: what is added to a value.
        first: the bits of the sum for a value of the first cell.
        cells: how many there are.
        middles: the multiples, float64 [cells].
    """

    shift: float
    first: int
    cells: int
    middles: NDArray[np.float64]

    @classmethod
    def over(cls, low: float, high: float) -> _Grid | None:
        """The cells that reach from `low` to `high`; None when a float64 cannot tell so many apart there."""
        # Halves, for the widest columns, too, to be finite.
        half = high / 2 - low / 2
        width = math.ldexp(1.0, math.frexp(half)[1] - _BITS)
        if not half or not width or abs(low / width) >= _WHOLE / 2:
            return None
        below = math.floor(low / width)
        shift = (_WHOLE - below) * width
        if not math.isfinite(shift + high):
            return None
        first, last = (int(np.float64(value).view(np.int64)) for value in (_WHOLE * width, high + shift))
        cells = last - first + 1
        return cls(shift, first, cells, width * np.arange(below, below + cells, dtype=np.float64))

    def cell_of(self, values: NDArray[np.float64]) -> NDArray[np.int64]:
        """The number of each value's cell."""
        return (values + self.shift).view(np.int64) - self.first


def _laid(
    values: NDArray[np.float64], grid: _Grid, mark: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Values per cell, int64 [cells], and those that lie in a marked cell.

    Of a marked cell each value is looked at; all of another one lie in the bin of its middle.
    """
    counts = np.zeros(grid.cells, np.int64)
    marked = [values[:0]]
    room = min(_BLOCK, len(values))
    # Written to again and again: what is new each time would first have to be fetched from the memory.
    sums, is_marked = np.empty(room), np.empty(room, bool)
    for start in range(0, len(values), _BLOCK):
        block = values[start : start + _BLOCK]
        total, few = sums[: len(block)], is_marked[: len(block)]
        np.add(block, grid.shift, out=total)
        cell = total.view(np.int64)
        np.subtract(cell, grid.first, out=cell)
        counts += np.bincount(cell, minlength=grid.cells)
        # None is out of range; with another mode NumPy would copy what it is told to write to.
        np.take(mark, cell, out=few, mode="clip")
        marked.append(block[few])
    return counts, np.concatenate(marked)


def _binned(cut: _Cut, values: NDArray[np.float64], weights: NDArray[np.int64] | None = None) -> NDArray[np.int64]:
    """Counts between cuts, each value looked up by itself."""
    ends, side = cut
    return np.bincount(np.searchsorted(ends, values, side), weights, len(ends) + 1).astype(np.int64)
