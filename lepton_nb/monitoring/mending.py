"""A file of windows that is lost is made anew from those that are still there, and from the sealed rows.

Days are sums of hours, and hours of minutes. The other way round sealed rows say in which minute something was; what
they do not hold, such as requests that failed, is known by the hour alone and stays in a window of an hour. So sums are
as they were, and nothing is counted twice or made up: where the two contradict each other, the longer window holds.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..runtime import Signature
from .binning import Bins
from .counts import Counts
from .recounting import add_rows
from .sealed import sealed_files
from .store import DAY, HOUR, MINUTE, Index, Part, lost_parts, read_index, read_parts, replace_part
from .vectors import Span, summed, table_of_counts

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["mend"]

_LONGER = {MINUTE: HOUR, HOUR: DAY}
_FORMS = {MINUTE: "%Y-%m-%d", HOUR: "%Y-%m", DAY: "%Y"}


def mend(folder: Path, bins: Callable[[str], Bins | None], signatures: Callable[[str], Signature | None]) -> None:
    """Make lost files of windows anew, as far as others hold what was in them; the lock of the windows is held.

    Args:
        folder: of the deployment.
        bins: where the rows of a version are counted.
        signatures: what a version takes.
    """
    index = read_index(folder)
    for part in sorted(lost_parts(folder, index), key=lambda one: -one.level):
        begin, end = _bounds(part)
        if part.level == DAY:
            table = _days(folder, index, part, begin, end)
        else:
            found = _rows(folder, begin, end, bins, signatures) if part.level == MINUTE else None
            table = _shorter(folder, index, part.level, begin, end, found)
        if table is not None:
            index = replace_part(folder, index, part, table)


def _bounds(part: Part) -> tuple[int, int]:
    """From when to when a file may hold windows, seconds since the epoch."""
    first = dt.datetime.strptime(part.period, _FORMS[part.level]).replace(tzinfo=dt.UTC)
    if part.level == DAY:
        behind = first.replace(year=first.year + 1)
    elif part.level == HOUR:
        behind = first.replace(year=first.year + first.month // 12, month=first.month % 12 + 1)
    else:
        behind = first + dt.timedelta(days=1)
    return int(first.timestamp()), int(behind.timestamp())


def _days(folder: Path, index: Index, part: Part, begin: int, end: int) -> pa.Table | None:
    """Days from their hours; None where not all of these are there."""
    hours = read_parts(folder, index, HOUR, begin, end)
    if hours is None or part.start < index.dropped.get(HOUR, 0):
        return None
    return summed([hours], DAY)


def _shorter(folder: Path, index: Index, level: int, begin: int, end: int, found: pa.Table | None) -> pa.Table | None:
    """Windows of a length from the longer ones and from what is known more exactly; None without the longer ones."""
    import pyarrow as pa

    longer = read_parts(folder, index, _LONGER[level], begin, end)
    if longer is None:
        return None
    exact = read_parts(folder, index, MINUTE, begin, end) if found is None else found
    if exact is None or not exact.num_rows or set(longer.column("seconds").to_pylist()) != {_LONGER[level]}:
        return longer
    exact = summed([exact], level)
    rest = summed([longer, _negative(exact)], _LONGER[level])
    contradicted = {row["start"] for row in rest.to_pylist() if min(row["counts"], default=0) < 0}
    length = _LONGER[level]
    parts = (
        _only(longer, lambda row: row["start"] in contradicted),
        _only(rest, lambda row: row["start"] not in contradicted and any(row["counts"])),
        _only(exact, lambda row: row["start"] // length * length not in contradicted),
    )
    return summed([pa.concat_tables(parts)], level)


def _rows(
    folder: Path,
    begin: int,
    end: int,
    bins: Callable[[str], Bins | None],
    signatures: Callable[[str], Signature | None],
) -> pa.Table:
    """The minutes of a stretch of time as the sealed rows have them."""
    windows: dict[Span, Counts] = {}
    for paths in sealed_files(folder).values():
        for path in paths:
            add_rows(windows, path, bins, signatures, begin, end)
    return table_of_counts({span: counts for span, counts in windows.items() if begin <= span.start < end})


def _negative(table: pa.Table) -> pa.Table:
    import pyarrow as pa

    counts = [[-value for value in row] for row in table.column("counts").to_pylist()]
    return table.set_column(
        table.schema.get_field_index("counts"), "counts", pa.array(counts, table.schema.field("counts").type)
    )


def _only(table: pa.Table, wanted: Callable[[dict[str, Any]], bool]) -> pa.Table:
    return table.filter([wanted(row) for row in table.to_pylist()])
