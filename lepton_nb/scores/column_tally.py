"""Sums over labelled predictions by value of one category column: as much as the scores of each value need."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .sums import (
    CONFIDENCE_BINS,
    MOST_CLASSES,
    WIDTHS,
    area,
    bins_of,
    calibration_of,
    macro_f1,
    sparse,
    surprise_of,
    width_of,
)

__all__ = ["ColumnTally", "ValueScores"]

# A third of a unit of the log-odds: a value has fewer rows than a window, and there are many values.
_JOINED = 4
_BINS = CONFIDENCE_BINS // _JOINED


class ValueScores(NamedTuple):
    """The scores of the rows with one value; NaN where they are not known.

    Args:
        rows: labelled predictions.
        f1: macro mean over the classes.
        roc_auc: area under the ROC curve, but for ties within a bin.
        log_loss: in nats.
        calibration_error: as `scores.calibration_error`.
    """

    rows: int
    f1: float
    roc_auc: float
    log_loss: float
    calibration_error: float


class ColumnTally:
    """Sums by value of a column; of more than 20 classes none are kept.

    Args:
        classes: how many the model has.

    Example:
        >>> found = ColumnTally.of(np.array([[0.9, 0.1], [0.2, 0.8]]), np.array([0, 0]), ["oslo", "rome"])
        >>> found.scores("oslo").f1, round(found.scores("rome").log_loss, 3)
        (1.0, 1.609)
    """

    def __init__(self, classes: int) -> None:
        self._classes = classes
        # With two classes the one says what the other does.
        self._kept = 1 if classes == 2 else classes
        confusion = (classes + 1) * classes
        self._ends = np.cumsum([confusion, 1, 3 * WIDTHS, 2 * self._kept * _BINS])
        self._width = int(self._ends[-1]) if classes <= MOST_CLASSES else 0
        self._places: dict[str, int] = {}
        # A row per value: confusion, surprise, calibration and scores, one behind the other.
        self._table = np.zeros((0, self._width))

    @classmethod
    def of(cls, p: NDArray[np.float64], y: NDArray[np.int64], values: Sequence[str]) -> ColumnTally:
        """The sums over some rows.

        Args:
            p: probabilities [N, C].
            y: [N], class indices; C for a class that the model does not have.
            values: [N].
        """
        found = cls(p.shape[1])
        names, rows = np.unique(np.asarray(values, dtype=object).astype(str), return_inverse=True)
        found._places = {str(name): place for place, name in enumerate(names)}
        if found._width:
            at, weights = found._entries(p, y)
            flat = (rows[:, None] * found._width + at).ravel()
            counts = np.bincount(flat, weights.ravel(), len(names) * found._width)
            found._table = counts.reshape(len(names), found._width).astype(np.float64)
        return found

    def _entries(self, p: NDArray[np.float64], y: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Where each row counts, and how much: both [N, 5 + classes that are kept]."""
        confusion, surprise, calibration, _ = self._ends
        guess, sure, one = p.argmax(axis=1), p.max(axis=1), np.ones(len(y))
        known = y < self._classes
        width = surprise + 3 * width_of(sure)
        at = [y * self._classes + guess, np.full(len(y), confusion), width, width + 1, width + 2]
        weights = [one, surprise_of(p, y), one, (guess == y).astype(np.float64), sure]
        for place in range(self._kept):
            c = 1 if self._classes == 2 else place
            own = (known & (y == c)).astype(np.int64)
            at.append(calibration + (own * self._kept + place) * _BINS + bins_of(p[:, c]) // _JOINED)
            weights.append(known.astype(np.float64))
        return np.stack(at, axis=1), np.stack(weights, axis=1)

    def add(self, other: ColumnTally, sign: int = 1) -> None:
        """Count what `other` counted as well; with -1 take it off."""
        rows = self._rows_of(list(other._places))
        np.add.at(self._table, rows, sign * other._table)

    def _rows_of(self, values: Sequence[str]) -> NDArray[np.int64]:
        """The rows of some values; those that were not there are made."""
        for value in values:
            self._places.setdefault(value, len(self._places))
        if more := len(self._places) - len(self._table):
            self._table = np.concatenate([self._table, np.zeros((more, self._width))])
        return np.array([self._places[value] for value in values], dtype=np.int64)

    def scores(self, value: str) -> ValueScores:
        """The scores of one value."""
        if value not in self._places or not self._width:
            return ValueScores(0, *[math.nan] * 4)
        confusion, surprise, calibration, scores = np.split(self._table[self._places[value]], self._ends[:-1])
        matrix, widths = confusion.reshape(-1, self._classes), calibration.reshape(WIDTHS, 3)
        rows = round(matrix.sum())
        areas = [area(*both) for both in zip(*scores.reshape(2, self._kept, _BINS), strict=True) if both[1].any()]
        loss = float(surprise[0]) / rows if rows else math.nan
        auc = float(np.mean(areas)) if areas else math.nan
        return ValueScores(rows, macro_f1(matrix), auc, loss, calibration_of(widths))

    def to_dict(self) -> dict[str, Any]:
        """The JSON object; what is 0 is left out."""
        confusion = self._table[:, : self._ends[0]] if self._width else self._table
        # What was taken off again leaves the rounding of its sums behind.
        full = np.flatnonzero(np.abs(confusion).sum(axis=1))
        names = list(self._places)
        return {"values": [names[place] for place in full], **sparse(self._table[full])}

    def add_dict(self, value: Mapping[str, Any]) -> None:
        """Count what a JSON object counted as well.

        Raises:
            KeyError: it is not of `to_dict`; also TypeError, ValueError, IndexError.
        """
        if not self._width:
            return
        rows, at = self._rows_of([str(one) for one in value["values"]]), np.array(value["at"], dtype=np.int64)
        flat = self._table.reshape(-1)
        np.add.at(flat, rows[at // self._width] * self._width + at % self._width, np.array(value["is"], np.float64))
