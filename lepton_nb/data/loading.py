"""From a source to a data set in the workspace: typed, split, hashed and kept."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError, NotFoundError, UsageError
from ..records import Column, Data
from ..workspace import Workspace, check_name
from . import splits
from .columns import TypedColumn, refuse_infinite
from .labels import classes_of
from .sources import Source, open_source
from .store import content_hash, put

__all__ = ["Split", "choose_target", "load"]

Split = Literal["stratified", "random", "time"]
_STRATEGIES = ("stratified", "random", "time")

# One-hot columns beyond this make a network that is all first layer.
_MOST_CATEGORIES = 1000
_FEW_CATEGORIES = 50


def load(  # noqa: PLR0913 - the words of a verb, all but two of them by name
    ws: Workspace,
    source: Any,
    *,
    target: str | None = None,
    name: str | None = None,
    test_size: float = 0.2,
    validation_size: float = 0.1,
    seed: int = 0,
    split: Split = "stratified",
    time_column: str | None = None,
    ignore: Sequence[str] = (),
) -> Data:
    """Load rows, split them, and keep them in the workspace under their hash.

    The same rows with the same options have the same hash, and are kept once.

    Args:
        ws: the workspace.
        source: `digits`, `breast_cancer`, `iris`, `wine` or `sklearn:NAME`; the path of a .csv, .tsv or .parquet
            file; a pandas DataFrame or an Arrow table; or a pair of arrays: X [N, F] becomes a table of F
            numbers `x0`, `x1`, ..., X with more dimensions stays one float32 array per row; y [N].
        target: name of the column with the classes; known for scikit-learn's names and for pairs.
        name: what people call it; by default after the source.
        test_size: share of the rows that is held out to the end.
        validation_size: share of the rows that training is watched by.
        seed: of the split.
        split: `stratified` (each class in each part), `random`, or `time` (the newest rows test).
        time_column: column of numbers or ISO 8601 dates that orders the rows; it is no input.
        ignore: columns that are no inputs.

    Returns:
        The data set; its text is its hash.

    Raises:
        DataError: the rows cannot be used as they are; nothing is written.
        NotFoundError: there is no such file, name or column.
        UsageError: an option is not one of the legal values.
    """
    if split not in _STRATEGIES:
        raise UsageError(f"split {split!r} is unknown", expected=f"one of {', '.join(_STRATEGIES)}")
    if name is not None:
        check_name(name, "data name")
    opened = open_source(source, target)
    chosen = choose_target(opened, target)
    inputs, times = _roles(opened, chosen.name, time_column, ignore, split)
    classes, targets = classes_of(chosen)
    parts = _split(targets, classes, times, (test_size, validation_size), split, seed)
    options = {
        "strategy": split,
        "seed": seed,
        "test_size": test_size,
        "validation_size": validation_size,
        "time_column": time_column,
    }
    meta = {"task": "classification", "target": chosen.name, "classes": list(classes), "split": options}
    meta["rows"] = {part: len(rows) for part, rows in parts.items()}
    return _keep(ws, name or opened.name, meta, inputs if opened.array is None else opened.array, targets, parts)


def choose_target(source: Source, target: str | None) -> TypedColumn:
    """The target column of a source.

    Raises:
        DataError: no target was named, and the source knows none.
        NotFoundError: there is no such column.
    """
    names = [column.name for column in source.columns]
    wanted = target or source.target
    if wanted is None:
        raise DataError(
            f"{source.name} needs a target", expected=f"one of its columns: {_listed(names)}", hint="pass target=NAME"
        )
    return source.columns[_position(names, wanted, "target column")]


def _position(names: list[str], wanted: str, what: str) -> int:
    import difflib

    if wanted not in names:
        near = difflib.get_close_matches(wanted, names, n=1)
        raise NotFoundError(
            f"{what} {wanted!r} does not exist",
            expected=f"one of {_listed(names)}",
            hint=f"did you mean {near[0]!r}?" if near else "",
        )
    return names.index(wanted)


def _listed(names: Sequence[str], most: int = 20) -> str:
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")


def _roles(
    source: Source, target: str, time_column: str | None, ignore: Sequence[str], split: str
) -> tuple[list[TypedColumn], NDArray[Any] | None]:
    """The input columns, and the moments of the rows when they are split by time."""
    if isinstance(ignore, str):
        ignore = [ignore]
    if (split == "time") != (time_column is not None):
        raise UsageError(
            f"split {split!r} and time_column {time_column!r} do not fit",
            expected="split='time' with a time_column, or neither",
        )
    names = [column.name for column in source.columns]
    left_out = {target, *ignore}
    for other in ignore:
        _position(names, other, "ignored column")
    times = None
    if time_column is not None:
        times = _moments(source.columns[_position(names, time_column, "time column")])
        left_out.add(time_column)
    inputs = [column for column in source.columns if column.name not in left_out]
    if source.array is None and not inputs:
        raise DataError(f"{source.name} has no inputs", expected="at least one column besides the target")
    for column in inputs:
        _refuse_unusable(column)
    return inputs, times


def _moments(column: TypedColumn) -> NDArray[Any]:
    """A time column as numbers that order the rows."""
    import pyarrow as pa
    import pyarrow.compute as pc

    from .columns import first_rows

    values = column.cells
    if values.null_count:
        mask = values.is_null().to_numpy(zero_copy_only=False)
        raise DataError(
            f"time column {column.name!r} is missing in {values.null_count} rows ({first_rows(mask)})",
            expected="a moment in every row",
            hint="remove these rows or fill in the moments",
        )
    if column.kind == "number":
        refuse_infinite(column)
        return np.asarray(values.to_numpy(zero_copy_only=False))
    try:
        if pa.types.is_string(values.type):
            import pandas as pd

            parsed = pd.to_datetime(values.to_pandas(), format="ISO8601", utc=True)
            return np.asarray(parsed.astype("int64"))
        return np.asarray(pc.cast(values, pa.timestamp("us")).cast(pa.int64()).to_numpy(zero_copy_only=False))
    except (ValueError, TypeError) as cause:
        raise DataError(
            f"time column {column.name!r} cannot be put in order",
            expected="numbers or ISO 8601 dates such as 2024-01-31 or 2024-01-31T12:00:00",
            got=str(values[0].as_py()),
        ) from cause


def _refuse_unusable(column: TypedColumn) -> None:
    import pyarrow.compute as pc

    refuse_infinite(column)
    leave = f"leave it out with ignore={column.name!r}"
    if column.kind == "date":
        raise DataError(
            f"column {column.name!r} holds dates",
            expected="numbers or categories",
            hint=f"{leave}, pass it as time_column with split='time', or turn it into numbers such as the month",
        )
    if column.kind != "category":
        return
    present = len(column.cells) - column.cells.null_count
    distinct = pc.count_distinct(column.cells).as_py()
    if distinct > _MOST_CATEGORIES or distinct > max(_FEW_CATEGORIES, present // 2):
        raise DataError(
            f"column {column.name!r} is text with {distinct} distinct values in {present} rows",
            expected=f"categories that repeat, at most {_MOST_CATEGORIES}",
            got=f"values such as {column.cells.drop_null()[0].as_py()[:40]!r}",
            hint=f"{leave}, or group its values",
        )


def _split(
    targets: NDArray[np.int64],
    classes: Sequence[str],
    times: NDArray[Any] | None,
    shares: tuple[float, float],
    strategy: Split,
    seed: int,
) -> dict[str, NDArray[np.int64]]:
    sizes = splits.part_sizes(len(targets), *shares)
    if times is not None:
        parts = splits.by_time(times, sizes)
    elif strategy == "random":
        parts = splits.random(len(targets), sizes, seed)
    else:
        parts = splits.stratified(targets, classes, sizes, seed)
    seen = np.unique(targets[parts["train"]])
    if len(seen) < 2:
        raise DataError(
            f"the training part has one class, {classes[int(seen[0])]!r}",
            expected="at least two classes to tell apart",
            hint="pass split='stratified', or load more rows",
        )
    return parts


def _keep(
    ws: Workspace,
    name: str,
    meta: dict[str, Any],
    inputs: list[TypedColumn] | NDArray[np.float32],
    targets: NDArray[np.int64],
    parts: dict[str, NDArray[np.int64]],
) -> Data:
    from .rows import array_rows, table_rows

    rows = table_rows(inputs, parts["train"]) if isinstance(inputs, list) else array_rows(inputs, parts["train"])
    meta |= {"kind": rows.kind, "feature_shape": list(rows.feature_shape)}
    schema = [{"name": c.name, "kind": c.kind, "shape": list(c.shape)} for c in rows.columns]
    sha = content_hash({**meta, "columns": schema}, {**rows.blocks, "targets": targets, **parts})
    meta["columns"] = [_column_meta(column) for column in rows.columns]

    def write(folder: Path) -> None:
        rows.write(folder)
        np.save(folder / "targets.npy", targets)
        np.savez(folder / "split.npz", allow_pickle=False, **parts)

    return put(ws, sha, meta, name, write)


def _column_meta(column: Column) -> dict[str, Any]:
    return {
        "name": column.name,
        "kind": column.kind,
        "shape": list(column.shape),
        "categories": list(column.categories),
        "low": column.low,
        "high": column.high,
    }
