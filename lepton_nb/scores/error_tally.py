"""What is kept of labelled predictions of a number: sums that add up, or are taken off."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["ErrorTally"]


@dataclass
class ErrorTally:
    """Sums of errors, prediction less truth.

    Args:
        rows: labelled predictions.
        absolute: sum of the absolute errors.
        squared: sum of their squares.
        segments: the same three by value of a category column, float64 [3].
        segmented: whether every row was counted in `segments`; what was summed before there were such was not.

    Example:
        >>> found = ErrorTally.of([1.0, -3.0])
        >>> found.mae, round(found.rmse, 3)
        (2.0, 2.236)
    """

    rows: int = 0
    absolute: float = 0.0
    squared: float = 0.0
    segments: dict[str, dict[str, NDArray[np.float64]]] = field(default_factory=dict)
    segmented: bool = True

    @classmethod
    def of(cls, errors: ArrayLike, segments: Mapping[str, Sequence[str]] | None = None) -> ErrorTally:
        """The sums of some errors.

        Args:
            errors: [N].
            segments: per category column N values.
        """
        values = np.asarray(errors, dtype=np.float64)
        found = cls(len(values), float(np.abs(values).sum()), float((values**2).sum()))
        for column, named in (segments or {}).items():
            names, rows = np.unique(np.asarray(named, dtype=object).astype(str), return_inverse=True)
            sums = [np.bincount(rows, weights, len(names)) for weights in (None, np.abs(values), values**2)]
            found.segments[column] = dict(zip(map(str, names), np.stack(sums, axis=1).astype(float), strict=True))
        return found

    def add(self, other: ErrorTally, sign: int = 1) -> None:
        """Count what `other` counted as well; with -1 take it off."""
        self.rows += sign * other.rows
        self.absolute += sign * other.absolute
        self.squared += sign * other.squared
        self.segmented = self.segmented and other.segmented
        for column, values in other.segments.items():
            mine = self.segments.setdefault(column, {})
            for value, sums in values.items():
                mine[value] = mine.get(value, np.zeros(3)) + sign * sums

    @property
    def mae(self) -> float:
        """Mean absolute error; NaN without rows."""
        return self.absolute / self.rows if self.rows else math.nan

    @property
    def rmse(self) -> float:
        """Root of the mean squared error; NaN without rows."""
        return math.sqrt(max(self.squared, 0.0) / self.rows) if self.rows else math.nan

    def to_dict(self) -> dict[str, Any]:
        """The JSON object; without segments where not every row was counted in them."""
        found: dict[str, Any] = {"rows": self.rows, "absolute": self.absolute, "squared": self.squared}
        if self.segmented:
            # A correction has no rows, but sums.
            found["segments"] = {
                column: {value: sums.tolist() for value, sums in values.items() if sums.any()}
                for column, values in self.segments.items()
            }
        return found

    def add_dict(self, value: Mapping[str, Any], *, segments: bool = True) -> None:
        """Count what a JSON object counted as well.

        Args:
            value: of `to_dict`.
            segments: count its segments, too.

        Raises:
            KeyError: it is not of `to_dict`.
            TypeError, ValueError, AttributeError: a sum in it is no finite number, or the segments are none.
        """
        sums = (value["absolute"], value["squared"])
        if not all(isinstance(one, (int, float)) and math.isfinite(one) for one in sums):
            raise ValueError(f"sums of errors {sums}, expected finite numbers")
        parts: dict[str, dict[str, NDArray[np.float64]]] = {}
        for column, values in value.get("segments", {}).items() if segments else ():
            parts[column] = {name: np.array(one, dtype=np.float64).reshape(3) for name, one in values.items()}
        segmented = not segments or "segments" in value or not (value["rows"] or any(sums))
        self.add(ErrorTally(int(value["rows"]), float(sums[0]), float(sums[1]), parts, segmented))
