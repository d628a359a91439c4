"""Which column is the target, which order the rows, and which are inputs a network can take."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError, NotFoundError, UsageError
from .columns import TypedColumn, first_rows, refuse_infinite, strays
from .sources import Source

__all__ = [
    "MOST_CATEGORIES",
    "choose_targets",
    "column_name",
    "inputs_and_times",
    "is_text",
    "only_input",
    "others_and_times",
    "refuse_scattered",
    "refuse_unusable",
]

# One-hot columns beyond this make a network that is all first layer.
MOST_CATEGORIES = 1000
_FEW_CATEGORIES = 50


def column_name(name: Any, what: str) -> str | None:
    """The name of a column as text: a DataFrame may number its columns. None and the empty text are no name.

    Args:
        name: what was passed.
        what: what it names, such as `target`.

    Raises:
        UsageError: it is no name.

    Example:
        >>> column_name(2, "target")
        '2'
    """
    if name is None or (isinstance(name, str) and not name):
        return None
    if isinstance(name, (str, int, np.integer)) and not isinstance(name, bool):
        return str(name)
    raise UsageError(f"the {what} is a {type(name).__name__}", expected="the name of a column")


def choose_targets(source: Source, target: str | None) -> tuple[TypedColumn, ...]:
    """The target columns of a source.

    Args:
        source: opened rows.
        target: the name of one; or several, with commas between, where none is called so.

    Raises:
        DataError: no target was named, and the source knows none.
        NotFoundError: there is no such column.
        UsageError: one is named twice.
    """
    names = [column.name for column in source.columns]
    wanted = (target,) if target else source.targets
    if not wanted:
        raise DataError(
            f"{source.name} needs a target", expected=f"one of its columns: {_listed(names)}", hint="pass --target NAME"
        )
    if target and target not in names and "," in target:
        wanted = tuple(filter(None, map(str.strip, target.split(","))))
        if twice := [name for name in wanted if wanted.count(name) > 1]:
            raise UsageError(f"target {twice[0]!r} is named twice", expected="each target column once")
    return tuple(source.columns[_position(names, one, "target column")] for one in wanted)


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


def inputs_and_times(
    source: Source, targets: Collection[str], time_column: str | None, ignore: Any, text: str | None = None
) -> tuple[list[TypedColumn], NDArray[Any] | None]:
    """The input columns, and the moments of the rows when they are split by time.

    Args:
        source: opened rows.
        targets: names of the target columns, which are no inputs.
        time_column: name of the column that orders the rows; no input either.
        ignore: names of columns that are no inputs, or one name.
        text: name of the only input, which is text; None where that is seen.

    Returns:
        The columns, of kind `text` the only one where it is text that hardly repeats; and numbers [N] that order the
        rows or None.
    """
    inputs, times = others_and_times(source, targets, time_column, ignore)
    if source.array is None and not inputs:
        raise DataError(f"{source.name} has no inputs", expected="at least one column besides the target")
    if text is not None:
        return [_as_text(_text_among(source, inputs, text))], times
    if source.array is None and len(inputs) == 1 and is_text(inputs[0]):
        return [_as_text(inputs[0])], times
    for column in inputs:
        refuse_unusable(column)
    return inputs, times


def is_text(column: TypedColumn) -> bool:
    """Whether a column holds texts that hardly repeat, which are no categories."""
    import pyarrow.compute as pc

    if column.kind != "category" or column.raw is None or strays(column):
        return False
    return _is_scattered(pc.count_distinct(column.cells).as_py(), len(column.cells) - column.cells.null_count)


def _text_among(source: Source, inputs: Sequence[TypedColumn], name: str) -> TypedColumn:
    """The column of a name, when it is the only input and holds text."""
    column = only_input(source, inputs, name, "text")
    if column.kind not in {"category", "date"}:
        held = "numbers" if column.kind == "number" else column.cells.type
        raise DataError(f"text {name!r} holds {held}", expected="text", hint="leave --text out")
    return column


def only_input(source: Source, inputs: Sequence[TypedColumn], name: str, what: str) -> TypedColumn:
    """The column of a name, when it is the only input.

    Args:
        source: opened rows.
        inputs: those of its columns that are inputs.
        name: of the column.
        what: it is to hold, `text` or `image`.

    Raises:
        NotFoundError: there is no such column.
        UsageError: it is no input.
        DataError: there are others beside it.
    """
    _position([column.name for column in source.columns], name, f"{what} column")
    chosen = [column for column in inputs if column.name == name]
    others = [column.name for column in inputs if column.name != name]
    if not chosen:
        raise UsageError(f"column {name!r} is no input", expected=f"one of {_listed(others)}")
    if others:
        raise DataError(
            f"{len(others)} columns lie beside {what} {name!r}",
            expected=f"the {what} as the only input",
            got=_listed(others),
            hint="leave the others out with " + " ".join(f"--ignore {other!r}" for other in others[:3]),
        )
    return chosen[0]


def _as_text(column: TypedColumn) -> TypedColumn:
    return replace(column, kind="text", cells=column.cells if column.raw is None else column.raw)


def others_and_times(
    source: Source, targets: Collection[str], time_column: str | None, ignore: Any
) -> tuple[list[TypedColumn], NDArray[Any] | None]:
    """The columns that are no target, no time column and not left out, and the moments of the rows, if any.

    Args:
        source: as the rest, see `inputs_and_times`.
        targets: names of the targets.
        time_column: name of the column that orders the rows.
        ignore: names of columns that are no inputs, or one name.
    """
    # One name in place of a list of names is not a list of its letters; and a number may be the name of a column.
    given = [] if ignore is None else ignore if isinstance(ignore, (list, tuple, set, frozenset)) else [ignore]
    ignore = [name for one in given if (name := column_name(one, "ignored column"))]
    names = [column.name for column in source.columns]
    left_out = {*targets, *ignore}
    for other in ignore:
        _position(names, other, "ignored column")
    times = None
    if time_column is not None:
        if time_column in targets:
            raise UsageError(
                f"column {time_column!r} is the target and cannot order the rows",
                expected="a time column that is known before the target is",
                hint="--time-column NAME, or --split stratified",
            )
        times = _moments(source.columns[_position(names, time_column, "time column")])
        left_out.add(time_column)
    return [column for column in source.columns if column.name not in left_out], times


def _moments(column: TypedColumn) -> NDArray[Any]:
    """A time column as numbers that order the rows."""
    import pyarrow as pa
    import pyarrow.compute as pc

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


def refuse_unusable(column: TypedColumn) -> None:
    """Raise when a column cannot be an input: dates, infinities, or text that hardly repeats.

    Raises:
        DataError: says why, and how to leave it out.
    """
    import pyarrow.compute as pc

    refuse_infinite(column)
    leave = f"leave it out with --ignore {column.name!r}"
    if column.kind == "other":
        raise DataError(
            f"column {column.name!r} holds {column.cells.type}",
            expected="numbers, text or truth values",
            hint=f"{leave}, or turn it into columns of its own",
        )
    if column.kind == "date":
        raise DataError(
            f"column {column.name!r} holds dates",
            expected="numbers or categories",
            hint=f"{leave}, order the rows by it with --split time --time-column {column.name!r}, "
            "or turn it into numbers such as the month",
        )
    if column.kind == "category":
        present = len(column.cells) - column.cells.null_count
        refuse_scattered(column, pc.count_distinct(column.cells).as_py(), present)


def refuse_scattered(column: TypedColumn, distinct: int, present: int) -> None:
    """Raise when a category column has too many categories for its rows.

    Args:
        column: its cells may be the distinct values alone.
        distinct: how many different ones there are.
        present: in how many rows there is one.

    Raises:
        DataError: says which values keep it from being numbers, where these are few, and how to leave it out.
    """
    leave = f"leave it out with --ignore {column.name!r}"
    if _is_scattered(distinct, present):
        few = strays(column)
        if few:
            raise DataError(
                f"column {column.name!r} is text, not numbers, because of {', '.join(map(repr, few[:5]))}",
                expected="numbers throughout, or nothing where a value is missing",
                hint=f"mend these values, or {leave}",
            )
        raise DataError(
            f"column {column.name!r} is text with {distinct} distinct values in {present} rows",
            expected=f"categories that repeat, at most {MOST_CATEGORIES}",
            got=f"values such as {column.cells.drop_null()[0].as_py()[:40]!r}",
            hint=f"{leave}, group its values, or make it the only input with --text {column.name!r}",
        )


def _is_scattered(distinct: int, present: int) -> bool:
    return distinct > MOST_CATEGORIES or distinct > max(_FEW_CATEGORIES, present // 2)
