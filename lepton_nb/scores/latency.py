"""Latency in fixed, log-spaced bins, so that the counts of workers, windows and days add up."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["LATENCY_EDGES_MS", "latency_histogram", "quantile"]

# 0.01 ms to 100 s. Forty bins per decade make neighbouring edges differ by 6 %: no quantile is off by more.
_DECADES, _PER_DECADE = 7, 40
LATENCY_EDGES_MS: NDArray[np.float64] = 10.0 ** (np.arange(_DECADES * _PER_DECADE + 1) / _PER_DECADE - 2)
LATENCY_EDGES_MS.flags.writeable = False


def latency_histogram(milliseconds: ArrayLike) -> NDArray[np.int64]:
    """How many latencies fall into each of the fixed bins.

    Args:
        milliseconds: latencies in milliseconds, any shape; NaN is in no bin.

    Returns:
        int64 [len(LATENCY_EDGES_MS) + 1]; the first bin is up to 0.01 ms, the last above 100 s.

    Example:
        >>> int(latency_histogram([0.5, 20.0]).sum())
        2
    """
    flat = np.asarray(milliseconds, dtype=np.float64).ravel()
    where = np.searchsorted(LATENCY_EDGES_MS, flat[~np.isnan(flat)], side="left")
    return np.bincount(where, minlength=len(LATENCY_EDGES_MS) + 1).astype(np.int64)


def quantile(counts: ArrayLike, q: float) -> float | None:
    """A quantile of the latencies that `latency_histogram` counted.

    Args:
        counts: one histogram, or the sum of several.
        q: between 0 and 1.

    Returns:
        Milliseconds, interpolated geometrically inside the bin and so at most 6 % from the exact value;
        None when nothing was counted. What lies outside the bins is given as the nearest edge.

    Example:
        >>> abs(quantile(latency_histogram([10.0] * 99 + [500.0]), 0.5) / 10.0 - 1) < 0.06
        True
    """
    totals = np.cumsum(np.asarray(counts, dtype=np.int64))
    if totals[-1] == 0:
        return None
    rank = min(max(q, 0.0), 1.0) * totals[-1]
    index = int(np.searchsorted(totals, max(rank, 1), side="left"))
    if index == 0:
        return float(LATENCY_EDGES_MS[0])
    if index == len(LATENCY_EDGES_MS):
        return float(LATENCY_EDGES_MS[-1])
    below = int(totals[index - 1])
    share = (max(rank, 1) - below) / (int(totals[index]) - below)
    low, high = math.log(LATENCY_EDGES_MS[index - 1]), math.log(LATENCY_EDGES_MS[index])
    return math.exp(low + share * (high - low))
