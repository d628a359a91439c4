"""A series of moments as rows: what was, and what came after it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError, UsageError
from ..records import Series
from .columns import TypedColumn, first_rows
from .roles import choose_targets, others_and_times
from .sources import Source, array_column
from .targets import Targets

__all__ = ["purged", "series_of", "windowed"]

_LONGEST = 2000
_DAY, _YEAR = 86_400 * 1_000_000, 365.2425


def windowed(source: Source, target: str | None, time_column: str | None, ignore: Any, series: Series) -> Source:
    """One row for each moment from which enough was and enough came.

    Inputs are the last `history` values of the target and of every other column of numbers (`Temp_lag_27` to
    `Temp_lag_0`), and the calendar of the first moment ahead: sine and cosine of the day of the year, of the week, and,
    where steps are shorter than a day, of the day. Targets are the next `horizon` values (`Temp_in_1`, ...). Stretches
    with a gap (a step longer than 1.5 times the usual one) are left out.

    Args:
        source: opened rows, in any order.
        target: name of the series that is forecast.
        time_column: the moments.
        ignore: columns that are left out.
        series: how far it looks back and ahead.

    Returns:
        A table whose time column holds the last moment that was known.

    Raises:
        UsageError: there is no time column, or a number of steps makes no sense.
        DataError: values are missing, two rows have one moment, or the series is too short.
    """
    if not time_column:
        raise UsageError("a forecast needs the column of the moments", hint="--time-column NAME")
    chosen, *more = choose_targets(source, target)
    if more:
        raise UsageError(f"{1 + len(more)} targets are forecast at once", expected="one target column")
    others, times = others_and_times(source, [chosen.name], time_column, ignore)
    moments: Any = np.asarray(times)
    order = np.argsort(moments, kind="stable")
    columns = [_numbers(one, order) for one in (chosen, *others)]
    starts, moments = _starts(moments[order], series, source.name), moments[order]
    back = np.arange(series.history)
    ahead = np.arange(1, series.horizon + 1)
    made: dict[str, NDArray[np.float64]] = {}
    for column, values in zip((chosen, *others), columns, strict=True):
        for lag in back[::-1]:
            made[f"{column.name}_lag_{lag}"] = values[starts - lag]
    dated = next(one for one in source.columns if one.name == time_column).kind == "date"
    made |= _calendar(moments, starts) if dated else {}
    targets = {f"{chosen.name}_in_{step}": columns[0][starts + step] for step in ahead}
    table = [array_column(name, values) for name, values in (made | targets).items()]
    known = array_column(time_column, moments[starts].astype(np.float64))
    return replace(source, columns=(*table, known), target=tuple(targets))


def _numbers(column: TypedColumn, order: NDArray[np.int64]) -> NDArray[np.float64]:
    if column.kind != "number":
        raise DataError(
            f"column {column.name!r} is no series of numbers", expected="numbers", hint=f"--ignore {column.name!r}"
        )
    values = np.asarray(column.cells.to_numpy(zero_copy_only=False), np.float64)
    if np.isnan(values).any():
        raise DataError(
            f"column {column.name!r} is missing in {int(np.isnan(values).sum())} rows ({first_rows(np.isnan(values))})",
            expected="a number at every moment",
            hint="fill in these values, or remove these rows: stretches with a gap are left out",
        )
    return values[order]


def _starts(moments: NDArray[Any], series: Series, name: str) -> NDArray[np.int64]:
    """The rows from which enough was and enough came, without a gap between."""
    steps = np.diff(moments.astype(np.float64))
    if (steps <= 0).any():
        twice = np.flatnonzero(steps <= 0)
        raise DataError(
            f"{len(twice)} moments of {name} occur more than once",
            expected="one row for each moment",
            hint="choose one series, or add up the rows of a moment",
        )
    needed = series.history + series.horizon
    gaps = np.concatenate([[0], np.cumsum(steps > 1.5 * np.median(steps))]) if len(steps) else np.zeros(len(moments))
    first = np.arange(series.history - 1, len(moments) - series.horizon)
    whole = gaps[first - series.history + 1] == gaps[first + series.horizon] if len(first) > 0 else np.zeros(0, bool)
    if not whole.any():
        raise DataError(
            f"{name} has no stretch of {needed} moments without a gap",
            expected=f"history {series.history} and horizon {series.horizon} in a row",
            got=f"{len(moments)} moments with {int(gaps[-1]) if len(gaps) else 0} gaps",
            hint="--history or --horizon smaller, or fill in the gaps",
        )
    starts: NDArray[np.int64] = first[whole]
    return starts


def _calendar(moments: NDArray[Any], starts: NDArray[np.int64]) -> Mapping[str, NDArray[np.float64]]:
    """Where the first moment ahead lies in the year, the week and the day; moments are microseconds."""
    step = float(np.median(np.diff(moments)))
    days = (moments[starts].astype(np.float64) + step) / _DAY
    # 1970-01-01 was a Thursday; the year begins with the first of January, but for a day in four years.
    parts: list[tuple[str, NDArray[np.float64]]] = [("year", days / _YEAR), ("week", (days + 3) / 7)]
    parts += [("day", days)] if step < _DAY else []
    made = {}
    for name, turns in parts:
        made[f"calendar_{name}_sin"] = np.sin(2 * np.pi * turns)
        made[f"calendar_{name}_cos"] = np.cos(2 * np.pi * turns)
    return made


def purged(
    inputs: Sequence[TypedColumn],
    targets: Targets,
    parts: Mapping[str, NDArray[np.int64]],
    times: Any,
    horizon: int,
) -> tuple[list[TypedColumn], Targets, dict[str, NDArray[np.int64]]]:
    """Inputs, targets and parts without the rows whose targets reach into the part behind theirs.

    Args:
        inputs: columns of all rows.
        targets: of all rows.
        parts: row numbers by part, of a split by time.
        times: [N], the last known moment of each row.
        horizon: steps ahead.

    Raises:
        DataError: nothing is left of a part.
    """
    left = dict(parts)
    for part in ("train", "validation"):
        rows = parts[part][np.argsort(np.asarray(times)[parts[part]], kind="stable")]
        left[part] = np.sort(rows[: max(0, len(rows) - horizon + 1)])
        if not len(left[part]):
            raise DataError(f"no rows are left to {part}", expected=f"{horizon} of them or more", hint="load more rows")
    kept = np.sort(np.concatenate(list(left.values())))
    columns = [replace(column, cells=column.cells.take(kept)) for column in inputs]
    found = {part: np.searchsorted(kept, rows) for part, rows in left.items()}
    return columns, replace(targets, values=targets.values[kept]), found


def series_of(history: int | None, horizon: int | None) -> Series | None:
    """How far a forecast looks back and ahead; None where none was asked for.

    Raises:
        UsageError: a number makes no sense.
    """
    if horizon is None and history is None:
        return None
    if horizon is None:
        raise UsageError("a history without a horizon", expected="how many steps are forecast", hint="--horizon 7")
    history = 4 * horizon if history is None else history
    for name, value in (("horizon", horizon), ("history", history)):
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= _LONGEST:
            raise UsageError(f"{name} {value!r} is not allowed", expected=f"a whole number from 1 to {_LONGEST}")
    return Series(history, horizon)
