"""Arrays of numbers as one float32 tensor per row."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import DataError
from .columns import first_rows

__all__ = ["finite", "numbers_of"]


def numbers_of(x: Any) -> Any:
    """An array of numbers; truth values become 0 and 1.

    Raises:
        DataError: it holds anything else.
    """
    values = np.asarray(x)
    if values.dtype.kind not in "biuf":
        raise DataError(f"the array holds {values.dtype}", expected="numbers", hint="pass text columns as a DataFrame")
    return values.astype(np.uint8) if values.dtype.kind == "b" else values


def finite(values: Any) -> Any:
    """One float32 tensor per row.

    Raises:
        DataError: a row holds NaN, infinities, or numbers that float32 cannot hold.
    """
    with np.errstate(over="ignore"):
        # + 0.0 makes one zero of the two.
        array = np.ascontiguousarray(values, dtype=np.float32) + np.float32(0.0)
    bad = ~np.isfinite(array).reshape(len(array), -1).all(axis=1)
    if bad.any():
        raise DataError(
            f"{int(bad.sum())} rows hold NaN, infinities or numbers beyond float32 ({first_rows(bad)})",
            expected="finite numbers throughout an array",
            hint="remove these rows, or pass a table, whose columns may have gaps",
        )
    return array
