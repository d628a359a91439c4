"""How far apart two samples are that were counted in the same bins. Pure functions of counts."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .tails import chi_square_tail, kolmogorov_tail

__all__ = ["chi_square", "corrected", "divergence", "excess_distance", "kolmogorov_smirnov", "stability_index"]

# What an empty bin counts as in the stability index, whose logarithm has no value there.
_EMPTY = 1e-4


def stability_index(before: ArrayLike, now: ArrayLike) -> float:
    """Population stability index: the sum of (q - p) ln(q / p) over the bins that either sample has.

    Args:
        before: counts per bin.
        now: counts per bin, in the same bins.

    Example:
        >>> round(stability_index([50, 50], [75, 25]), 4)
        0.2747
    """
    p, q = _shares(before), _shares(now)
    seen = (p > 0) | (q > 0)
    p, q = np.maximum(p[seen], _EMPTY), np.maximum(q[seen], _EMPTY)
    return float(((q - p) * np.log(q / p)).sum())


def divergence(before: ArrayLike, now: ArrayLike) -> float:
    """Jensen-Shannon divergence in bits (Lin 1991); its root is a distance from 0 to 1.

    Args:
        before: counts per bin.
        now: counts per bin, in the same bins.

    Example:
        >>> divergence([1, 0], [0, 1])
        1.0
    """
    p, q = _shares(before), _shares(now)
    middle = (p + q) / 2
    found = 0.0
    for one in (p, q):
        seen = one > 0
        found += 0.5 * float((one[seen] * np.log2(one[seen] / middle[seen])).sum())
    return max(found, 0.0)


def excess_distance(before: ArrayLike, now: ArrayLike) -> float:
    """Jensen-Shannon distance less what chance adds to it.

    Near equality the divergence is an eighth of chi-square's statistic per row (in nats), whose mean under chance
    alone is (bins - 1) (1/n + 1/m).
    """
    table = np.stack([np.asarray(before), np.asarray(now)])
    chance = (table.shape[1] - 1) * (1 / table.sum(axis=1)).sum() / (8 * np.log(2))
    return float(np.sqrt(max(divergence(*table) - chance, 0.0)))


def chi_square(before: ArrayLike, now: ArrayLike) -> float:
    """The p-value of Pearson's test that two samples have the same law (without a correction for continuity).

    Args:
        before: counts per bin; a bin that both samples lack is not allowed.
        now: counts per bin, in the same bins.

    Example:
        >>> round(chi_square([50, 50], [75, 25]), 5)
        0.00026
    """
    table = np.stack([np.asarray(before, np.float64), np.asarray(now, np.float64)])
    expected = table.sum(axis=1, keepdims=True) * table.sum(axis=0) / table.sum()
    return chi_square_tail(float(((table - expected) ** 2 / expected).sum()), table.shape[1] - 1)


def kolmogorov_smirnov(before: ArrayLike, now: ArrayLike) -> tuple[float, float]:
    """The two-sample statistic of Kolmogorov and Smirnov at the edges of the bins, and its asymptotic p-value.

    Between the edges the samples may be farther apart: the statistic is never too large, nor the p-value too small.

    Args:
        before: counts per bin, in the order of the bins.
        now: counts per bin, in the same bins.

    Returns:
        The largest difference of the two cumulative shares, 0 to 1; and the p-value, 1 when a sample is empty.

    Example:
        >>> statistic, p = kolmogorov_smirnov([50, 50], [75, 25])
        >>> statistic, round(p, 4)
        (0.25, 0.0039)
    """
    n, m = float(np.sum(before)), float(np.sum(now))
    if not n or not m:
        return 0.0, 1.0
    statistic = float(np.abs(np.cumsum(_shares(before)) - np.cumsum(_shares(now))).max())
    return statistic, kolmogorov_tail(statistic * math.sqrt(n * m / (n + m)))


def corrected(p_values: ArrayLike) -> NDArray[np.float64]:
    """P-values of N tests, corrected so that as many findings as a threshold says are due to chance.

    The procedure of Benjamini and Hochberg (1995), as `scipy.stats.false_discovery_control` has it; the import of that
    module would take longer than comparing two tables of a million rows.

    Args:
        p_values: [N], each 0 to 1.

    Returns:
        float64 [N], in the same order.

    Example:
        >>> corrected([0.01, 0.04, 0.03]).round(3).tolist()
        [0.03, 0.04, 0.04]
    """
    p = np.asarray(p_values, np.float64)
    order = np.argsort(p)[::-1]
    raised = p[order] * len(p) / np.arange(len(p), 0, -1)
    found = np.empty_like(p)
    found[order] = np.minimum.accumulate(np.minimum(raised, 1.0))
    return found


def _shares(counts: ArrayLike) -> NDArray[np.float64]:
    array = np.asarray(counts, dtype=np.float64)
    total: NDArray[np.float64] = array / array.sum()
    return total
