"""Scores of a model that answers numbers."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from .error_tally import ErrorTally

__all__ = ["coverage", "regression_scores"]


def regression_scores(answers: ArrayLike, targets: ArrayLike) -> dict[str, float]:
    """The scores that a model card shows.

    Args:
        answers: [N] or [N, M].
        targets: the truth, of as many numbers.

    Returns:
        `mae` and `rmse` over all numbers, in their unit, and `r2`, the share of the variance that is explained: of
        several numbers the mean over them (NaN where the targets of one do not vary).

    Raises:
        ValueError: the shapes do not fit, or there are no rows.

    Example:
        >>> scores = regression_scores([1.0, 2.0, 4.0], [1.0, 2.0, 3.0])
        >>> round(scores["mae"], 3), round(scores["rmse"], 3), scores["r2"]
        (0.333, 0.577, 0.5)
    """
    found, truth = np.asarray(answers, np.float64), np.asarray(targets, np.float64)
    if not len(found) or found.size != truth.size or len(found) != len(truth):
        raise ValueError(f"answers {found.shape} and targets {truth.shape} do not fit")
    found, truth = found.reshape(len(found), -1), truth.reshape(len(found), -1)
    errors = ErrorTally.of((found - truth).reshape(-1))
    spread = ((truth - truth.mean(0)) ** 2).sum(0)
    with np.errstate(divide="ignore", invalid="ignore"):
        explained = np.where(spread > 0, 1 - ((found - truth) ** 2).sum(0) / spread, np.nan)
    return {"mae": errors.mae, "rmse": errors.rmse, "r2": float(explained.mean())}


def coverage(low: ArrayLike, high: ArrayLike, targets: ArrayLike) -> float:
    """The share of true values that lie within their intervals; the ends count.

    Args:
        low: where each interval begins, [N] or [N, M].
        high: where it ends.
        targets: the truth, of as many numbers.

    Raises:
        ValueError: the shapes do not fit, or there are no rows.

    Example:
        >>> coverage([0.0, 0.0], [1.0, 1.0], [0.5, 2.0])
        0.5
    """
    least, most, truth = (np.asarray(one, np.float64) for one in (low, high, targets))
    if not truth.size or not least.size == most.size == truth.size:
        raise ValueError(f"intervals {least.shape} to {most.shape} and targets {truth.shape} do not fit")
    flat = truth.reshape(-1)
    return float(((least.reshape(-1) <= flat) & (flat <= most.reshape(-1))).mean())
