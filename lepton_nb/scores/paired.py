"""Is one classifier better than another on the same rows, and did a share fall? Exact tests, no approximation."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

__all__ = ["difference_interval", "mcnemar", "share_fell"]


def mcnemar(before: ArrayLike, after: ArrayLike) -> float:
    """How likely chance alone makes `after` right as much more often than `before` as it is.

    McNemar's test, exact and one-sided: of the rows that only one of the two got right, each had it with probability
    one half (McNemar, Psychometrika 12, 1947; as the test for two classifiers on one test set: Dietterich, Neural
    Computation 10, 1998).

    Args:
        before: [N], whether the first classifier was right.
        after: [N], whether the second one was, on the same rows.

    Returns:
        The p-value; 1.0 when they differ nowhere.

    Raises:
        ValueError: the shapes differ.

    Example:
        >>> mcnemar([False] * 8, [True] * 8), mcnemar([True] * 8, [True] * 8)
        (0.00390625, 1.0)
    """
    from scipy.stats import binomtest

    first, second = _pair(before, after)
    won, lost = int((second & ~first).sum()), int((first & ~second).sum())
    if not won + lost:
        return 1.0
    return float(binomtest(won, won + lost, 0.5, alternative="greater").pvalue)


def difference_interval(
    before: ArrayLike, after: ArrayLike, level: float = 0.95, draws: int = 2000, seed: int = 0
) -> tuple[float, float]:
    """A bootstrap interval of the difference in accuracy, rows drawn in pairs (Efron's percentiles, 1979).

    Args:
        before: [N], whether the first classifier was right; N > 0.
        after: [N], whether the second one was, on the same rows.
        level: share of the draws that lie within.
        draws: how many.
        seed: of the draws.

    Returns:
        Lower and upper end of accuracy(after) - accuracy(before).

    Raises:
        ValueError: the shapes differ.

    Example:
        >>> difference_interval([False, True] * 50, [True, True] * 50, draws=200)[0] > 0.3
        True
    """
    first, second = _pair(before, after)
    # A row's difference is one of three values: how often each is drawn says all.
    steps = second.astype(np.int64) - first.astype(np.int64)
    shares = np.array([(steps == step).mean() for step in (-1, 0, 1)])
    drawn = np.random.default_rng(seed).multinomial(len(steps), shares, size=draws)
    means = (drawn[:, 2] - drawn[:, 0]) / len(steps)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def share_fell(right: int, rows: int, before_right: int, before_rows: int) -> float:
    """How likely chance alone makes a share as much smaller than before as it is (Fisher's exact test, one-sided).

    Args:
        right: of `rows` now.
        rows: number of rows now.
        before_right: of `before_rows` before.
        before_rows: number of rows before.

    Returns:
        The p-value; NaN when there are no rows on a side.

    Example:
        >>> share_fell(50, 100, 90, 100) < 1e-6, share_fell(90, 100, 90, 100) > 0.5
        (True, True)
    """
    from scipy.stats import fisher_exact

    if not rows or not before_rows:
        return math.nan
    table = np.array([[right, rows - right], [before_right, before_rows - before_right]])
    return float(fisher_exact(table, alternative="less").pvalue)


def _pair(before: ArrayLike, after: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    first, second = np.asarray(before, dtype=bool), np.asarray(after, dtype=bool)
    if first.shape != second.shape or first.ndim != 1:
        raise ValueError(f"expected two arrays of one length, got {first.shape} and {second.shape}")
    return first, second
