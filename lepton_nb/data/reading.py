"""The raw rows of one part of a data set."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import UsageError
from ..records import Data
from .kept import kept_inputs, kept_parts, kept_table, kept_targets
from .splits import PARTS

__all__ = ["Part", "read"]

Part = Literal["train", "validation", "test"]


def read(data: Data, part: Part | str) -> tuple[dict[str, NDArray[Any]], NDArray[np.int64]]:
    """The raw inputs and the classes of one part, in the order of the source.

    Args:
        data: a loaded data set.
        part: `train`, `validation` or `test`.

    Returns:
        Per input: number float64 [N], NaN where it is missing; category object [N] of text, `""` where it is
        missing; array float32 [N, *shape]. And the classes, int64 [N].

    Raises:
        UsageError: there is no such part.
        FormatError: a file of the data set is missing or broken.
    """
    if part not in PARTS:
        raise UsageError(f"part {part!r} is unknown", expected=f"one of {', '.join(PARTS)}")
    rows = kept_parts(data)[part]
    targets = kept_targets(data)[rows]
    if data.kind == "array":
        return {"input": np.asarray(kept_inputs(data)[rows])}, targets
    import pyarrow.compute as pc

    table = kept_table(data)
    inputs: dict[str, NDArray[Any]] = {}
    for column in data.columns:
        values = table.column(column.name)
        if column.kind == "category":
            inputs[column.name] = pc.fill_null(values, "").to_numpy().astype(object)[rows]
        else:
            inputs[column.name] = values.to_numpy().astype(np.float64)[rows]
    return inputs, targets
