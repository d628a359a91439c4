"""How often is a model right where nobody has told? From how sure it was, once that is calibrated.

Confidence-based performance estimation: of rows that are as sure as this, so many were right where the truth is known.
It holds while a given confidence means the same as it did there: the inputs may move, what they mean may not.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Estimate", "calibrated", "expected_accuracy"]

_RESAMPLED = 50
# Of a class with fewer known rows the confidence is calibrated together with the others'.
_FEWEST = 100
_Z = 1.959964


@dataclass(frozen=True)
class Estimate:
    """An accuracy that nobody has measured.

    Args:
        value: the expected accuracy.
        low: of an interval that holds the true accuracy of these rows in 95 % of the cases, if confidence means what
            it did; its other end alike.
        high: see `low`.
    """

    value: float
    low: float
    high: float


def expected_accuracy(counts: NDArray[np.int64], known: NDArray[np.int64], seed: int = 0) -> Estimate | None:
    """The accuracy to be expected of rows without labels.

    Args:
        counts: [C, B], of `count_confidence`.
        known: [2, C, B], the same of rows whose truth is known: wrong ones, then right ones (`Tally.confidence`).
        seed: of the resampling that tells how well the calibration is known.

    Returns:
        None without rows.

    Example:
        >>> known = np.zeros((2, 2, 4), np.int64)
        >>> known[:, :, 3] = [[20, 20], [80, 80]]
        >>> round(expected_accuracy(np.array([[0, 0, 0, 50], [0, 0, 0, 50]]), known).value, 6)
        0.8
    """
    rows, reference = int(counts.sum()), int(known.sum())
    if not rows or not reference:
        return None
    rates = calibrated(known)
    value = float((counts * rates).sum() / rows)
    chance = float((counts * rates * (1 - rates)).sum()) / rows**2
    draws = np.random.default_rng(seed).multinomial(reference, known.ravel() / reference, size=_RESAMPLED)
    again = [float((counts * calibrated(one.reshape(known.shape))).sum() / rows) for one in draws]
    spread = _Z * float(np.sqrt(chance + np.var(again)))
    return Estimate(value, max(value - spread, 0.0), min(value + spread, 1.0))


def calibrated(known: NDArray[np.int64]) -> NDArray[np.float64]:
    """How often a row of each predicted class and confidence is right.

    Args:
        known: [2, C, B], `Tally.confidence` of rows whose truth is known.

    Returns:
        float64 [C, B]; it does not fall with the confidence.
    """
    wrong, right = known
    total = wrong + right
    if len(total) == 2:
        # One scale from sure of the first class to sure of the second one: nothing is lost where they meet.
        second = np.concatenate([wrong[0][::-1], right[1]])
        rate = _isotonic(second, np.concatenate([total[0][::-1], total[1]]))
        half = total.shape[1]
        return np.stack([1 - rate[:half][::-1], rate[half:]])
    pooled = _isotonic(right.sum(axis=0), total.sum(axis=0))
    own = total.sum(axis=1) >= _FEWEST
    return np.stack([_isotonic(right[c], total[c]) if own[c] else pooled for c in range(len(total))])


def _isotonic(right: NDArray[np.int64], total: NDArray[np.int64]) -> NDArray[np.float64]:
    """Shares that do not fall, closest to `right / total` (pool adjacent violators); between known bins they are drawn.

    Args:
        right: [B].
        total: [B], no smaller.
    """
    places = np.flatnonzero(total)
    blocks: list[tuple[float, float, int]] = []
    for hits, rows in zip(right[places].tolist(), total[places].tolist(), strict=True):
        block = (float(hits), float(rows), 1)
        while blocks and blocks[-1][0] * block[1] >= block[0] * blocks[-1][1]:
            before = blocks.pop()
            block = (before[0] + block[0], before[1] + block[1], before[2] + block[2])
        blocks.append(block)
    shares = np.repeat([hits / rows for hits, rows, _ in blocks], [bins for *_, bins in blocks])
    drawn: NDArray[np.float64] = np.interp(np.arange(len(total)), places, shares)
    return drawn
