"""Many numbers counted at once, by laying a fine grid over them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .histogram import count_number

__all__ = ["count_grid"]

# About so many cells has a grid, and so many rows are laid on it at a time: both fit into a processor's cache.
_CELLS, _BLOCK = 4096, 32_768


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
    cells = bins * (_CELLS // bins)
    scale = cells / (high / 2 - low / 2) / 2
    if not np.isfinite(scale) or not scale:
        return count_number(values, edges), np.histogram(values, bins, (low, high))[0].astype(np.int64)

    # Edges belong to the bin below them, and the ends of bins of equal width to the one above.
    ends = np.linspace(low, high, bins + 1)[1:-1]
    cuts = [(edges, "left"), (ends, "right")]
    places = [np.unique(((cut - low) * scale).astype(np.intp)) for cut, _ in cuts]
    # Rounding may put a value on either side of the end of a bin that is the end of a cell as well.
    places[1] = np.unique(np.concatenate([places[1], places[1] - 1, np.arange(1, bins) * (cells // bins)]))
    mark = np.zeros(cells + 1, bool)
    for place in places:
        mark[place] = True
    counts, seen = _laid(values, low, scale, mark)
    counts[mark] = 0
    middles = (low + (np.arange(cells + 1) + 0.5) / scale).astype(np.float64)
    between, even = (_binned(cut, side, seen, middles, counts) for cut, side in cuts)
    return between, even


def _laid(
    values: NDArray[np.float64], low: float, scale: float, mark: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Values per cell, int64 [cells + 1], and those that lie in a marked cell.

    Of a marked cell each value is looked at; all of another one lie in the bin of its middle.
    """
    counts = np.zeros(len(mark), np.int64)
    marked = [values[:0]]
    room = min(_BLOCK, len(values))
    # Written to again and again: what is new each time would first have to be fetched from the memory.
    steps, cell, is_marked = np.empty(room), np.empty(room, np.intp), np.empty(room, bool)
    for start in range(0, len(values), _BLOCK):
        block = values[start : start + _BLOCK]
        step, where, few = steps[: len(block)], cell[: len(block)], is_marked[: len(block)]
        np.subtract(block, low, out=step)
        np.multiply(step, scale, out=step)
        np.copyto(where, step, casting="unsafe")
        counts += np.bincount(where, minlength=len(mark))
        # None is out of range; with another mode NumPy would copy what it is told to write to.
        np.take(mark, where, out=few, mode="clip")
        marked.append(block[few])
    return counts, np.concatenate(marked)


def _binned(
    cut: NDArray[np.float64],
    side: str,
    few: NDArray[np.float64],
    middles: NDArray[np.float64],
    counts: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Counts between cuts: of a few values, and of many that lie about the middles of cells."""
    one, many = (np.searchsorted(cut, values, side) for values in (few, middles))  # type: ignore[call-overload]
    cells = np.bincount(many, weights=counts, minlength=len(cut) + 1).astype(np.int64)
    return cells + np.bincount(one, minlength=len(cut) + 1)
