"""What sums over labelled predictions are made of, and the scores that they say. Pure functions of arrays."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "CONFIDENCE_BINS",
    "MOST_CLASSES",
    "WIDTHS",
    "area",
    "bins_of",
    "calibration_of",
    "f1_by_class",
    "macro_f1",
    "pour",
    "sparse",
    "surprise_of",
    "width_of",
]

# Of equal width in the log-odds, from -10 to 10: scores near 0 and 1 are told apart as well as those in the middle.
_LIMIT, _PER_UNIT = 10, 12
_EDGES: NDArray[np.float64] = np.arange(1 - _LIMIT * _PER_UNIT, _LIMIT * _PER_UNIT) / _PER_UNIT
CONFIDENCE_BINS = len(_EDGES) + 1
WIDTHS = 15
# More classes would need more bins than a window has rows.
MOST_CLASSES = 20
_SMALLEST = np.finfo(np.float64).eps


def bins_of(p: NDArray[np.float64]) -> NDArray[np.int64]:
    """The bin of each probability, below `CONFIDENCE_BINS`."""
    with np.errstate(divide="ignore"):
        odds = np.log(np.maximum(p, 0)) - np.log(np.maximum(1 - p, 0))
    return np.searchsorted(_EDGES, odds, side="left")


def width_of(sure: NDArray[np.float64]) -> NDArray[np.int64]:
    """The bin of each confidence that `calibration_error` is told by, below `WIDTHS`."""
    return np.searchsorted(np.linspace(0, 1, WIDTHS + 1)[1:-1], sure, side="left")


def surprise_of(p: NDArray[np.float64], y: NDArray[np.int64]) -> NDArray[np.float64]:
    """The loss of each row in nats.

    Args:
        p: [N, C].
        y: [N], class indices; C for a class that the model does not have.
    """
    classes = p.shape[1]
    chosen = np.where(y < classes, p[np.arange(len(y)), np.minimum(y, classes - 1)], 0.0)
    found: NDArray[np.float64] = -np.log(np.maximum(chosen, _SMALLEST))
    return found


def f1_by_class(confusion: NDArray[Any]) -> NDArray[np.float64]:
    """F1 of each class, [C]; NaN for one that neither occurs nor is predicted.

    Args:
        confusion: [C + 1, C]; rows are the true classes, the last one those that the model does not have.
    """
    hits = np.diag(confusion[:-1])
    either = confusion[:-1].sum(axis=1) + confusion.sum(axis=0)
    with np.errstate(invalid="ignore"):
        each: NDArray[np.float64] = 2.0 * hits / either
    return each


def macro_f1(confusion: NDArray[Any]) -> float:
    """Macro mean of `f1_by_class` over the classes that occur or are predicted; NaN without rows."""
    each = f1_by_class(confusion)
    met = each[~np.isnan(each)].tolist() + [0.0] * bool(confusion[-1].any())
    return float(np.mean(met)) if met else math.nan


def calibration_of(calibration: NDArray[np.float64]) -> float:
    """The calibration error; NaN without rows.

    Args:
        calibration: [WIDTHS, 3]: rows, right ones, and the sum of confidence.
    """
    rows = float(calibration[:, 0].sum())
    return float(np.abs(calibration[:, 1] - calibration[:, 2]).sum()) / rows if rows else math.nan


def area(others: NDArray[Any], own: NDArray[Any]) -> float:
    """The chance that a row of the class has a higher score than one of another; a tie counts half."""
    pairs = float(others.sum()) * float(own.sum())
    below = np.cumsum(others) - others / 2
    return float((own * below).sum() / pairs) if pairs else math.nan


def sparse(values: NDArray[Any]) -> dict[str, list[Any]]:
    """What is not 0, by its place in one line."""
    flat = values.ravel()
    places = np.flatnonzero(flat)
    return {"at": places.tolist(), "is": flat[places].tolist()}


def pour(into: NDArray[Any], found: Mapping[str, Any]) -> None:
    """Add what `sparse` told."""
    flat = into.reshape(-1)
    flat[np.array(found["at"], dtype=np.int64)] += np.array(found["is"], dtype=into.dtype)
