"""What is kept of labelled predictions of a number: sums that add up, or are taken off."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

__all__ = ["ErrorTally"]


@dataclass
class ErrorTally:
    """Sums of errors, prediction less truth.

    Args:
        rows: labelled predictions.
        absolute: sum of the absolute errors.
        squared: sum of their squares.

    Example:
        >>> found = ErrorTally.of([1.0, -3.0])
        >>> found.mae, round(found.rmse, 3)
        (2.0, 2.236)
    """

    rows: int = 0
    absolute: float = 0.0
    squared: float = 0.0

    @classmethod
    def of(cls, errors: ArrayLike) -> ErrorTally:
        """The sums of some errors, [N]."""
        values = np.asarray(errors, dtype=np.float64)
        return cls(len(values), float(np.abs(values).sum()), float((values**2).sum()))

    def add(self, other: ErrorTally, sign: int = 1) -> None:
        """Count what `other` counted as well; with -1 take it off."""
        self.rows += sign * other.rows
        self.absolute += sign * other.absolute
        self.squared += sign * other.squared

    @property
    def mae(self) -> float:
        """Mean absolute error; NaN without rows."""
        return self.absolute / self.rows if self.rows else math.nan

    @property
    def rmse(self) -> float:
        """Root of the mean squared error; NaN without rows."""
        return math.sqrt(max(self.squared, 0.0) / self.rows) if self.rows else math.nan

    def to_dict(self) -> dict[str, Any]:
        """The JSON object."""
        return {"rows": self.rows, "absolute": self.absolute, "squared": self.squared}

    def add_dict(self, value: Mapping[str, Any]) -> None:
        """Count what a JSON object counted as well.

        Raises:
            KeyError: it is not of `to_dict`.
            ValueError: a sum in it is no finite number.
        """
        sums = (value["absolute"], value["squared"])
        if not all(isinstance(one, (int, float)) and math.isfinite(one) for one in sums):
            raise ValueError(f"sums of errors {sums}, expected finite numbers")
        self.add(ErrorTally(int(value["rows"]), *map(float, sums)))
