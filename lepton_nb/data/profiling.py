"""What the columns of a data set hold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from ..records import ColumnProfile, Profile
from ..workspace import Workspace
from .columns import TypedColumn
from .opening import open_rows
from .queries import Tables
from .roles import choose_targets, column_name
from .sources import Choices
from .targets import targets_of

__all__ = ["profile"]

_BINS, _SHOWN, _BARS = 12, 5, 10


def profile(ws: Workspace, source: Any, target: str | None = None, tables: Tables | None = None) -> Profile:
    """Describe every column: type, missing, unique, quantiles, frequent values; and the balance of the classes.

    Args:
        ws: the workspace; nothing is written.
        source: what `load` takes, or a data set that is loaded already.
        target: name of the target column, or several as `a,b`; may be absent.
        tables: gives a query the DataFrame or Arrow table of a name, or None.

    Raises:
        DataError: the rows cannot be read.
        NotFoundError: there is no such file, name or target column.
    """
    target = column_name(target, "target")
    rows, _ = open_rows(ws, source, target, Choices(tables=tables))
    chosen = choose_targets(rows, target) if target or rows.targets else ()
    classes = _balance(chosen) if chosen else ()
    named = ",".join(column.name for column in chosen) or None
    columns = [_column(column) for column in rows.columns]
    if rows.array is not None:
        columns.insert(0, _array(rows.array))
    return Profile(rows.name, len(rows.columns[0].cells), tuple(columns), named, classes)


def _balance(columns: Sequence[TypedColumn]) -> tuple[tuple[str, int], ...]:
    """How many rows have each class, or each label."""
    try:
        targets = targets_of(columns)
    except DataError:
        # A profile describes what is there; `check` says what is wrong with it.
        return ()
    if targets.task == "multilabel":
        counts = targets.values.sum(axis=0)
    else:
        counts = np.bincount(targets.values, minlength=len(targets.classes)) if targets.classes else np.zeros(0)
    return tuple(zip(targets.classes, map(int, counts), strict=True))


def _column(column: TypedColumn) -> ColumnProfile:
    import pyarrow.compute as pc

    if column.kind == "other":
        return ColumnProfile(column.name, "other", column.cells.null_count, None)
    known = column.cells.drop_null()
    missing, unique = column.cells.null_count, int(pc.count_distinct(known).as_py())
    if column.kind == "number":
        described = _described(known.to_numpy(zero_copy_only=False))
        return ColumnProfile(column.name, "number", missing, unique, **described)
    if column.kind == "date":
        ends = pc.min_max(known).as_py() if len(known) else {}
        top = tuple((str(value), int(pc.sum(pc.equal(known, value)).as_py())) for value in ends.values())
        return ColumnProfile(column.name, "date", missing, unique, top=top)
    counted = sorted(((pair["values"], pair["counts"]) for pair in pc.value_counts(known).to_pylist()), key=_most)
    counts = tuple(count for _, count in counted[:_BARS])
    return ColumnProfile(column.name, "category", missing, unique, top=tuple(counted[:_SHOWN]), counts=counts)


def _most(pair: tuple[str, int]) -> tuple[int, str]:
    return -pair[1], pair[0]


def _array(array: NDArray[np.float32]) -> ColumnProfile:
    shape = " x ".join(map(str, array.shape[1:]))
    return ColumnProfile(f"input ({shape})", "array", 0, None, **_described(array.ravel()))


def _described(values: NDArray[Any]) -> dict[str, Any]:
    finite = values[np.isfinite(values)]
    if not finite.size:
        return {}
    # Numbers near the end of float64 overflow in between: what remains infinite is shown as nothing.
    with np.errstate(over="ignore", invalid="ignore"):
        quantiles = tuple(map(float, np.quantile(finite, (0, 0.25, 0.5, 0.75, 1))))
        low, high = quantiles[0], quantiles[-1]
        # A constant, or a range too wide for one float, is one bar.
        spread = np.isfinite(high - low) and high > low
        counts = np.histogram(finite, _BINS, (low, high))[0] if spread else np.array([finite.size])
        mean, std = float(finite.mean(dtype=np.float64)), float(finite.std(dtype=np.float64))
    return {"quantiles": quantiles, "mean": mean, "std": std, "counts": tuple(map(int, counts))}
