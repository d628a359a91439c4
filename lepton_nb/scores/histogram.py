"""Histograms of inputs and outputs: bins are chosen once, counts of later values add up.

Counts of two batches over the same bins may be added element by element; missing values are in no bin, so
that a caller who wants them counts them apart.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["count_category", "count_number", "distinct_of", "edges_of"]

# Wide enough to swallow rounding in a recomputed value, far narrower than any bin a person would care about.
_MARGIN = 1e-9


def edges_of(values: ArrayLike, bins: int = 10) -> NDArray[np.float64]:
    """Inner edges of at most `bins` bins that each hold about the same number of `values`.

    A value that fills a whole bin by itself (zeros in a sparse column, a constant) gets a bin of its own, so
    that it can be told from its neighbours.

    Args:
        values: numbers of any shape; NaN and infinities are left out.
        bins: the most bins wanted, at least 3.

    Returns:
        Strictly increasing edges, float64 [<= bins - 1]; empty when there is no finite value.

    Example:
        >>> edges_of([1.0, 2.0, 3.0, 4.0], bins=4).tolist()
        [1.5, 2.5, 3.5]
        >>> count_number([0.0, 5.0, 6.0], edges_of([5.0, 5.0])).tolist()
        [1, 1, 1]
    """
    flat = np.asarray(values, dtype=np.float64).ravel()
    flat = flat[np.isfinite(flat)]
    if flat.size == 0:
        return np.empty(0)
    # Halving before subtracting keeps the widest columns finite.
    low, high = float(flat.min()), float(flat.max())
    margin = 2 * _MARGIN * (high / 2 - low / 2) or _MARGIN * (abs(low) or 1.0)
    if low == high:
        return _around(np.array([low]), margin)
    distinct = distinct_of(flat)
    if distinct.size <= bins:
        edges = distinct[:-1] + (distinct[1:] / 2 - distinct[:-1] / 2)
        return distinct_of(edges)
    quantiles = np.quantile(flat, np.arange(1, bins) / bins, method="inverted_cdf")
    points, repeats = np.unique(quantiles, return_counts=True)
    spikes = points[repeats > 1]
    edges = distinct_of(np.concatenate([points[repeats == 1], _around(spikes, margin)]))
    edges = edges[(edges >= low) & (edges < high)]
    # An empty bin beside a spike joins the one below it: nothing of the values is lost.
    return edges[count_number(flat, edges)[1:] > 0]


def distinct_of(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Each number once, in order: `np.unique`, which for that imports masked arrays, a third of NumPy's import again.

    Args:
        values: [N], none of them NaN.

    Example:
        >>> distinct_of(np.array([2.0, 1.0, 2.0])).tolist()
        [1.0, 2.0]
    """
    ordered = np.sort(values)
    first = np.ones(len(ordered), bool)
    np.not_equal(ordered[1:], ordered[:-1], out=first[1:])
    return ordered[first]


def _around(spikes: NDArray[np.float64], margin: float) -> NDArray[np.float64]:
    """An edge just below and just above each spike, also at the ends of what float64 can hold."""
    most = np.finfo(np.float64).max
    with np.errstate(over="ignore"):
        return distinct_of(np.clip(np.concatenate([spikes - margin, spikes + margin]), -most, most))


def count_number(values: ArrayLike, edges: ArrayLike) -> NDArray[np.int64]:
    """How many of `values` fall into each bin.

    Args:
        values: numbers of any shape; NaN is in no bin.
        edges: what `edges_of` returned. Bin i holds `edges[i - 1] < value <= edges[i]`; the first and the
            last bin are open.

    Returns:
        int64 [len(edges) + 1].

    Example:
        >>> count_number([0.5, 1.0, 9.0, float("nan")], [1.0, 2.0]).tolist()
        [2, 0, 1]
    """
    flat = np.asarray(values, dtype=np.float64).ravel()
    inner = np.asarray(edges, dtype=np.float64)
    where = np.searchsorted(inner, flat[~np.isnan(flat)], side="left")
    return np.bincount(where, minlength=len(inner) + 1).astype(np.int64)


def count_category(values: ArrayLike, categories: Sequence[str]) -> NDArray[np.int64]:
    """How many of `values` are each category, and how many are none of them.

    Args:
        values: text; None and the empty text are missing and are not counted.
        categories: the known values.

    Returns:
        int64 [len(categories) + 1]; the last counts what no category fits.

    Example:
        >>> count_category(["a", "b", "a", "", None, "z"], ["a", "b"]).tolist()
        [2, 1, 1]
    """
    counts = np.zeros(len(categories) + 1, dtype=np.int64)
    place = {category: index for index, category in enumerate(categories)}
    # Each distinct value is looked up once, however many rows there are.
    for value, number in Counter(np.asarray(values, dtype=object).ravel().tolist()).items():
        if value is not None and value != "":
            counts[place.get(value, -1)] += number
    return counts
