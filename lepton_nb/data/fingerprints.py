"""Rows and columns as whole numbers that are equal when the values are."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .columns import TypedColumn

__all__ = ["column_codes", "mixed", "row_fingerprints"]


_STEP = 0xD1B54A32D192ED03


def column_codes(column: TypedColumn) -> tuple[NDArray[np.int64], int]:
    """Each value as a number from 0 on, a missing one as one more.

    Args:
        column: any column.

    Returns:
        int64 [N], and the number of distinct codes.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    cells = column.cells
    if column.kind == "other":
        # Lists and the like cannot be encoded: their text tells them apart.
        cells = pa.array([None if value is None else repr(value) for value in cells.to_pylist()], pa.string())
    encoded = cells.dictionary_encode()
    missing = len(encoded.dictionary)
    codes = pc.fill_null(encoded.indices, missing).to_numpy(zero_copy_only=False).astype(np.int64)
    return codes, missing + bool(cells.null_count)


def row_fingerprints(array: Any, columns: Sequence[TypedColumn]) -> NDArray[np.uint64]:
    """One number per row; rows with equal inputs have equal numbers, others practically never.

    Args:
        array: float32 [N, *shape], or None for a table.
        columns: the inputs of a table.

    Returns:
        uint64 [N]. Two different rows collide with a chance of about 2^-64.
    """
    if array is not None:
        digests = b"".join(hashlib.blake2b(row.tobytes(), digest_size=8).digest() for row in array)
        return np.frombuffer(digests, dtype="<u8").astype(np.uint64)
    total = np.zeros(len(columns[0].cells) if columns else 0, dtype=np.uint64)
    for index, column in enumerate(columns):
        codes, _ = column_codes(column)
        # Mixed per column before they are added, so that swapped or shifted values do not cancel out.
        total += mixed(codes.astype(np.uint64) + np.uint64((index + 1) * _STEP % 2**64))
    return total


def mixed(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Numbers that follow no order, one from each: SplitMix64's finaliser.

    Source: Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators", 2014.

    Args:
        values: uint64 [N].
    """
    x = values
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        x = (x ^ (x >> np.uint64(shift))) * np.uint64(factor)
    return x ^ (x >> np.uint64(31))
