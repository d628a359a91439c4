"""What is kept of labelled predictions: counts and sums, so that any two stretches of time add up, or are taken off.

From them come accuracy, F1, log loss and calibration error as from the rows themselves, and the area under the ROC
curve up to ties within a bin.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["CONFIDENCE_BINS", "HELD_OUT_FILE", "MISSING_SEGMENT", "UNSEEN_SEGMENT", "Tally", "count_confidence"]

# In a model's folder: the sums over the held-out rows of its training.
HELD_OUT_FILE = "heldout.json"

# Of equal width in the log-odds, from -10 to 10: scores near 0 and 1 are told apart as well as those in the middle.
_LIMIT, _PER_UNIT = 10, 12
_EDGES: NDArray[np.float64] = np.arange(1 - _LIMIT * _PER_UNIT, _LIMIT * _PER_UNIT) / _PER_UNIT
CONFIDENCE_BINS = len(_EDGES) + 1
_WIDTHS = 15
# More classes would need more bins than a window has rows.
_CLASSES = 20
_SMALLEST = np.finfo(np.float64).eps

# Of a category column: the value is missing, or none that training knew.
MISSING_SEGMENT, UNSEEN_SEGMENT = "", "*"


def _bins_of(p: NDArray[np.float64]) -> NDArray[np.int64]:
    with np.errstate(divide="ignore"):
        odds = np.log(np.maximum(p, 0)) - np.log(np.maximum(1 - p, 0))
    return np.searchsorted(_EDGES, odds, side="left")


def count_confidence(probabilities: ArrayLike) -> NDArray[np.int64]:
    """How sure a model was: rows by predicted class and by bin of that class's probability.

    Args:
        probabilities: [N, C], each row sums to 1.

    Returns:
        int64 [C, CONFIDENCE_BINS].

    Example:
        >>> counts = count_confidence([[0.9, 0.1], [0.2, 0.8], [0.8, 0.2]])
        >>> counts.sum(axis=1).tolist(), int((counts > 0).sum())
        ([2, 1], 3)
    """
    p = np.asarray(probabilities, dtype=np.float64)
    flat = p.argmax(axis=1) * CONFIDENCE_BINS + _bins_of(p.max(axis=1, initial=0.0))
    return np.bincount(flat, minlength=p.shape[1] * CONFIDENCE_BINS).reshape(p.shape[1], -1).astype(np.int64)


class Tally:
    """Sums over labelled predictions of one model version.

    Args:
        classes: how many classes it has.
    """

    def __init__(self, classes: int) -> None:
        self.classes = classes
        # Rows are the true classes, the last one those that the model does not have; columns are the predicted ones.
        self.confusion = np.zeros((classes + 1, classes), np.int64)
        # In nats.
        self.surprise = 0.0
        # Per bin of confidence: rows, right ones, and the sum of confidence.
        self.calibration = np.zeros((_WIDTHS, 3))
        # Wrong ones, then right ones, by predicted class and by bin of its probability.
        self.confidence = np.zeros((2, classes, CONFIDENCE_BINS), np.int64)
        # Rows of other classes, then of the class itself, by class and by bin of its probability; with two classes
        # the counts of confidence say the same.
        kept = classes if 2 < classes <= _CLASSES else 0
        self.scores = np.zeros((2, kept, CONFIDENCE_BINS), np.int64)
        # Rows and right ones, by value of a category column.
        self.segments: dict[str, dict[str, NDArray[np.int64]]] = {}

    @classmethod
    def of(
        cls, probabilities: ArrayLike, truth: ArrayLike, segments: Mapping[str, Sequence[str]] | None = None
    ) -> Tally:
        """The sums over some rows.

        Args:
            probabilities: [N, C].
            truth: [N], class indices; C for a class that the model does not have.
            segments: per category column N values.
        """
        p, y = np.asarray(probabilities, dtype=np.float64), np.asarray(truth, dtype=np.int64)
        if p.ndim != 2 or y.shape != p.shape[:1]:
            raise ValueError(f"expected probabilities [N, C] and truth [N], got {p.shape} and {y.shape}")
        found = cls(p.shape[1])
        if not len(y):
            return found
        guess, sure = p.argmax(axis=1), p.max(axis=1)
        right = guess == y
        np.add.at(found.confusion, (y, guess), 1)
        known = y < p.shape[1]
        chosen = np.where(known, p[np.arange(len(y)), np.minimum(y, p.shape[1] - 1)], 0.0)
        found.surprise = float(-np.log(np.maximum(chosen, _SMALLEST)).sum())
        where = np.searchsorted(np.linspace(0, 1, _WIDTHS + 1)[1:-1], sure, side="left")
        for column, weights in enumerate((None, right, sure)):
            found.calibration[:, column] = np.bincount(where, weights, minlength=_WIDTHS)
        np.add.at(found.confidence, (right[known].astype(int), guess[known], _bins_of(sure[known])), 1)
        for c in range(found.scores.shape[1]):
            np.add.at(found.scores[:, c], ((y[known] == c).astype(int), _bins_of(p[known, c])), 1)
        for name, values in (segments or {}).items():
            places, rows = np.unique(np.asarray(values, dtype=object).astype(str), return_inverse=True)
            counts = np.stack([np.bincount(rows), np.bincount(rows, right)], axis=1).astype(np.int64)
            found.segments[name] = dict(zip(map(str, places), counts, strict=True))
        return found

    def add(self, other: Tally, sign: int = 1) -> None:
        """Count what `other` counted as well; with -1 take it off."""
        self.confusion += sign * other.confusion
        self.surprise += sign * other.surprise
        self.calibration += sign * other.calibration
        self.confidence += sign * other.confidence
        self.scores += sign * other.scores
        for column, values in other.segments.items():
            mine = self.segments.setdefault(column, {})
            for value, counts in values.items():
                mine[value] = mine.get(value, np.zeros(2, np.int64)) + sign * counts

    @property
    def rows(self) -> int:
        """Labelled predictions."""
        return int(self.confusion.sum())

    @property
    def right(self) -> int:
        """Those whose predicted class was the true one."""
        return int(np.trace(self.confusion[:-1]))

    @property
    def accuracy(self) -> float:
        """Share of right ones; NaN without rows."""
        return self.right / self.rows if self.rows else math.nan

    @property
    def log_loss(self) -> float:
        """Mean surprise in nats."""
        return self.surprise / self.rows if self.rows else math.nan

    @property
    def calibration_error(self) -> float:
        """As `scores.calibration_error`."""
        return (
            float(np.abs(self.calibration[:, 1] - self.calibration[:, 2]).sum()) / self.rows if self.rows else math.nan
        )

    @property
    def f1_by_class(self) -> NDArray[np.float64]:
        """F1 of each class, [C]; NaN for one that neither occurs nor is predicted."""
        hits = np.diag(self.confusion[:-1])
        either = self.confusion[:-1].sum(axis=1) + self.confusion.sum(axis=0)
        with np.errstate(invalid="ignore"):
            each: NDArray[np.float64] = 2.0 * hits / either
        return each

    @property
    def f1(self) -> float:
        """Macro mean over the classes that occur or are predicted."""
        each = self.f1_by_class
        met = each[~np.isnan(each)].tolist() + [0.0] * bool(self.confusion[-1].any())
        return float(np.mean(met)) if met else math.nan

    @property
    def roc_auc(self) -> float:
        """Of the second class of two, else one against the rest as the mean over the classes that occur.

        NaN when only one class occurs, or there are too many classes to count.
        """
        if self.classes == 2:
            wrong, right = self.confidence
            # Who is sure of the first class gives the second one the rest.
            return _area(right[0][::-1] + wrong[1], wrong[0][::-1] + right[1])
        areas = [_area(others, own) for others, own in zip(*self.scores, strict=True) if own.any()]
        return float(np.mean(areas)) if areas else math.nan

    def to_dict(self) -> dict[str, Any]:
        """The JSON object; what is 0 is left out."""
        return {
            "classes": self.classes,
            "confusion": self.confusion.tolist() if self.classes <= _CLASSES else _sparse(self.confusion),
            "surprise": self.surprise,
            "calibration": _sparse(self.calibration),
            "confidence": _sparse(self.confidence),
            "scores": _sparse(self.scores),
            "segments": {
                column: {value: counts.tolist() for value, counts in values.items() if counts.any()}
                for column, values in self.segments.items()
            },
        }

    def add_dict(self, value: Mapping[str, Any]) -> None:
        """Count what a JSON object counted as well.

        Raises:
            KeyError: it is not of `to_dict`; also TypeError, ValueError, IndexError.
        """
        confusion = value["confusion"]
        if isinstance(confusion, list):
            self.confusion += np.array(confusion, dtype=np.int64)
        else:
            _pour(self.confusion, confusion)
        self.surprise += float(value["surprise"])
        for name in ("calibration", "confidence", "scores"):
            _pour(getattr(self, name), value[name])
        for column, values in value["segments"].items():
            mine = self.segments.setdefault(column, {})
            for one, counts in values.items():
                mine[one] = mine.get(one, np.zeros(2, np.int64)) + np.array(counts, dtype=np.int64)


def _area(others: NDArray[np.int64], own: NDArray[np.int64]) -> float:
    """The chance that a row of the class has a higher score than one of another; a tie counts half."""
    pairs = float(others.sum()) * float(own.sum())
    below = np.cumsum(others) - others / 2
    return float((own * below).sum() / pairs) if pairs else math.nan


def _sparse(values: NDArray[Any]) -> dict[str, list[Any]]:
    flat = values.ravel()
    places = np.flatnonzero(flat)
    return {"at": places.tolist(), "is": flat[places].tolist()}


def _pour(into: NDArray[Any], sparse: Mapping[str, Any]) -> None:
    flat = into.reshape(-1)
    flat[np.array(sparse["at"], dtype=np.int64)] += np.array(sparse["is"], dtype=into.dtype)
