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

from .column_tally import ColumnTally
from .sums import (
    CONFIDENCE_BINS,
    MOST_CLASSES,
    WIDTHS,
    area,
    bins_of,
    calibration_of,
    f1_by_class,
    macro_f1,
    pour,
    sparse,
    surprise_of,
    width_of,
)

__all__ = ["HELD_OUT_FILE", "MISSING_SEGMENT", "UNSEEN_SEGMENT", "Tally", "count_confidence"]

# In a model's folder: the sums over the held-out rows of its training.
HELD_OUT_FILE = "heldout.json"

# Of a category column: the value is missing, or none that training knew.
MISSING_SEGMENT, UNSEEN_SEGMENT = "", "*"


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
    flat = p.argmax(axis=1) * CONFIDENCE_BINS + bins_of(p.max(axis=1, initial=0.0))
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
        self.calibration = np.zeros((WIDTHS, 3))
        # Wrong ones, then right ones, by predicted class and by bin of its probability.
        self.confidence = np.zeros((2, classes, CONFIDENCE_BINS), np.int64)
        # Rows of other classes, then of the class itself, by class and by bin of its probability; with two classes
        # the counts of confidence say the same.
        kept = classes if 2 < classes <= MOST_CLASSES else 0
        self.scores = np.zeros((2, kept, CONFIDENCE_BINS), np.int64)
        # Rows and right ones, by value of a category column.
        self.segments: dict[str, dict[str, NDArray[np.int64]]] = {}
        # What the other scores of these values need.
        self.columns: dict[str, ColumnTally] = {}

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
        found.surprise = float(surprise_of(p, y).sum())
        where = width_of(sure)
        for column, weights in enumerate((None, right, sure)):
            found.calibration[:, column] = np.bincount(where, weights, minlength=WIDTHS)
        np.add.at(found.confidence, (right[known].astype(int), guess[known], bins_of(sure[known])), 1)
        for c in range(found.scores.shape[1]):
            np.add.at(found.scores[:, c], ((y[known] == c).astype(int), bins_of(p[known, c])), 1)
        for name, values in (segments or {}).items():
            places, rows = np.unique(np.asarray(values, dtype=object).astype(str), return_inverse=True)
            counts = np.stack([np.bincount(rows), np.bincount(rows, right)], axis=1).astype(np.int64)
            found.segments[name] = dict(zip(map(str, places), counts, strict=True))
            found.columns[name] = ColumnTally.of(p, y, values)
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
        for column, tally in other.columns.items():
            self.columns.setdefault(column, ColumnTally(self.classes)).add(tally, sign)

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
        return calibration_of(self.calibration)

    @property
    def f1_by_class(self) -> NDArray[np.float64]:
        """F1 of each class, [C]; NaN for one that neither occurs nor is predicted."""
        return f1_by_class(self.confusion)

    @property
    def f1(self) -> float:
        """Macro mean over the classes that occur or are predicted."""
        return macro_f1(self.confusion)

    @property
    def roc_auc(self) -> float:
        """Of the second class of two, else one against the rest as the mean over the classes that occur.

        NaN when only one class occurs, or there are too many classes to count.
        """
        if self.classes == 2:
            wrong, right = self.confidence
            # Who is sure of the first class gives the second one the rest.
            return area(right[0][::-1] + wrong[1], wrong[0][::-1] + right[1])
        areas = [area(others, own) for others, own in zip(*self.scores, strict=True) if own.any()]
        return float(np.mean(areas)) if areas else math.nan

    def to_dict(self) -> dict[str, Any]:
        """The JSON object; what is 0 is left out."""
        return {
            "classes": self.classes,
            "confusion": self.confusion.tolist() if self.classes <= MOST_CLASSES else sparse(self.confusion),
            "surprise": self.surprise,
            "calibration": sparse(self.calibration),
            "confidence": sparse(self.confidence),
            "scores": sparse(self.scores),
            "segments": {
                column: {value: counts.tolist() for value, counts in values.items() if counts.any()}
                for column, values in self.segments.items()
            },
            "columns": {column: tally.to_dict() for column, tally in self.columns.items()},
        }

    def add_dict(self, value: Mapping[str, Any], *, segments: bool = True) -> None:
        """Count what a JSON object counted as well.

        Args:
            value: of `to_dict`.
            segments: count its segments, too.

        Raises:
            KeyError: it is not of `to_dict`; also TypeError, ValueError, IndexError.
        """
        confusion = value["confusion"]
        if isinstance(confusion, list):
            self.confusion += np.array(confusion, dtype=np.int64)
        else:
            pour(self.confusion, confusion)
        self.surprise += float(value["surprise"])
        for name in ("calibration", "confidence", "scores"):
            pour(getattr(self, name), value[name])
        if not segments:
            return
        for column, values in value["segments"].items():
            mine = self.segments.setdefault(column, {})
            for one, counts in values.items():
                mine[one] = mine.get(one, np.zeros(2, np.int64)) + np.array(counts, dtype=np.int64)
        # What was summed before there were such tells the accuracy of its segments only.
        for column, counted in value.get("columns", {}).items():
            self.columns.setdefault(column, ColumnTally(self.classes)).add_dict(counted)
