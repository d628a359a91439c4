"""Drift between two tables of any size, column by column, without a model."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from ..records import Drift, FeatureDrift
from ..runtime import Distribution
from ..runtime.texts import plain_text
from ..scores import count_grid, count_number, distinct_of, divergence, edges_of, stability_index, text_statistics
from .verdict import compare, judged

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["compare_tables"]

Columns = Mapping[str, Callable[[], "pa.ChunkedArray | pa.Array"]]
# Bins need no more rows than these to be about as full as each other; the counts are those of all rows.
_SAMPLE = 20_000
# Of more categories the rare ones are counted together: no test tells them apart.
_CATEGORIES = 200
# As few distinct numbers are compared one by one.
_DISTINCT = 20
# From so many words on, on average, a text is no name.
_WORDS = 4


def compare_tables(current: Columns, reference: Columns) -> Drift:
    """Compare the columns that two tables have in common.

    The verdict is that of `drift`. PSI and the Jensen-Shannon distance are, unlike there, of bins of equal width over
    the range of both tables, as many as Sturges' rule gives (of distinct values, where these are few), so that they can
    be compared with those of other tools.

    Args:
        current: per column what reads it: an Arrow array of numbers, truth values, moments or text. Texts of several
            words of which hardly one comes again are compared by their length and their words.
        reference: the same of the table that is compared with.

    Raises:
        DataError: they have no column in common, a column is numbers in one and text in the other, or a table is empty.

    Example:
        >>> import pyarrow as pa
        >>> before, now = ({"x": lambda values=values: pa.array(values)} for values in (range(500), range(300, 800)))
        >>> compare_tables(now, before).verdict
        'drifting'
    """
    names = [name for name in reference if name in current]
    if not names:
        raise DataError(
            "the two tables have no column in common",
            expected=f"one of {', '.join(list(reference)[:20])}",
            got=", ".join(list(current)[:20]),
        )
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        waiting = [pool.submit(_counted, name, reference[name], current[name]) for name in names]
        counted = [one for several in waiting for one in several.result()]
    if not counted:
        raise DataError("no column that the two tables have in common holds numbers or text")
    measured = [_with_even_bins(compare(one.name, one.before, one.now), *one.even) for one in counted]
    return judged(measured, max(one.rows for one in counted))


class _Counted(NamedTuple):
    """One column of both tables.

    Args:
        name: of the column.
        before: its counts in the reference, in bins of the reference.
        now: its counts now, in the same bins.
        even: counts of before and of now in bins of equal width, or of single values.
        rows: rows of now.
    """

    name: str
    before: Distribution
    now: Distribution
    even: tuple[NDArray[np.int64], NDArray[np.int64]]
    rows: int


def _counted(name: str, reference: Callable[[], Any], current: Callable[[], Any]) -> list[_Counted]:
    """What is measured of a column of both tables; nothing of a kind that is no feature."""
    before, now = reference(), current()
    if not len(before) or not len(now):
        raise DataError("a table has no rows", expected="rows to compare")
    kinds = {_kind(before), _kind(now)} - {"nothing"}
    if len(kinds) > 1:
        raise DataError(
            f"column {name!r} is {_kind(now)} in one table and {_kind(before)} in the other",
            hint="write both with the same types",
        )
    if kinds == {"number"}:
        return [_numbers(name, _values(before), _values(now))]
    if kinds == {"category"}:
        counts = _texts(before), _texts(now)
        if _is_prose(counts[0][0]):
            return _prose(name, before.to_pylist(), now.to_pylist())
        return [_categories(name, *counts)]
    return []


def _is_prose(counts: Mapping[str, int]) -> bool:
    """Whether texts are sentences rather than names: hardly one comes again, and they have several words each."""
    if len(counts) <= _CATEGORIES or 2 * len(counts) < sum(counts.values()):
        return False
    some = list(counts)[:_CATEGORIES]
    return sum(len(text.split()) for text in some) >= _WORDS * len(some)


def _prose(name: str, before: list[str | None], now: list[str | None]) -> list[_Counted]:
    """Texts by their length and their words."""
    old, new = text_statistics(before), text_statistics(now)
    return [_numbers(f"{name}.{one}", _Numbers.of(old[one]), _Numbers.of(new[one])) for one in old]


def _kind(column: pa.Array) -> str:
    import pyarrow.types as kinds

    kind = column.type.value_type if kinds.is_dictionary(column.type) else column.type
    if kinds.is_null(kind) or column.null_count == len(column):
        return "nothing"
    if (
        kinds.is_dictionary(column.type)
        or kinds.is_boolean(kind)
        or kinds.is_string(kind)
        or kinds.is_large_string(kind)
    ):
        return "category"
    is_number = kinds.is_integer(kind) or kinds.is_floating(kind) or kinds.is_decimal(kind)
    return "number" if is_number or (kinds.is_temporal(kind) and not kinds.is_duration(kind)) else "other"


class _Numbers(NamedTuple):
    """One column of numbers.

    Args:
        known: the finite ones, float64.
        missing: how many are not.
        low: the smallest of `known`; infinite when there is none.
        high: the largest, likewise.
        whole: they are integers by type.
    """

    known: NDArray[np.float64]
    missing: int
    low: float
    high: float
    whole: bool

    @classmethod
    def of(cls, values: NDArray[np.float64], *, whole: bool = False) -> _Numbers:
        """What there is to know of numbers of which some may be NaN or infinite."""
        # Either is NaN as soon as one of the values is.
        low, high = (float(values.min()), float(values.max())) if len(values) else (np.inf, -np.inf)
        if np.isfinite(low) and np.isfinite(high):
            return cls(values, 0, low, high, whole)
        known = values[np.isfinite(values)]
        low, high = (float(known.min()), float(known.max())) if len(known) else (np.inf, -np.inf)
        return cls(known, len(values) - len(known), low, high, whole)


def _values(column: pa.Array) -> _Numbers:
    """The numbers of an Arrow column of numbers or moments."""
    import pyarrow as pa
    import pyarrow.types as kinds

    if kinds.is_temporal(column.type):
        column = column.cast(pa.int32() if column.type.bit_width == 32 else pa.int64())
    whole = kinds.is_integer(column.type)
    if not whole and not kinds.is_floating(column.type):
        # For what NumPy can convert no function of Arrow is called: the first one imports all of them, which takes as
        # long as reading ten columns of a million rows.
        column = column.cast(pa.float64(), safe=False)
    if isinstance(column, pa.ChunkedArray):
        # One piece is taken as it lies there.
        column = column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
    # Without gaps nothing is copied.
    taken: Any = column.to_numpy(zero_copy_only=False) if column.null_count else np.from_dlpack(column)
    return _Numbers.of(taken.astype(np.float64, copy=False), whole=whole)


def _texts(column: pa.Array) -> tuple[dict[str, int], int]:
    """How often each text is there, and how often none."""
    counts: dict[str, int] = {}
    for value, number in _counted_codes(column) or _counted_values(column):
        text = "" if value is None else plain_text(value)
        counts[text] = counts.get(text, 0) + number
    return counts, counts.pop("", 0)


def _counted_values(column: pa.Array) -> list[tuple[str | None, int]]:
    """Each text and how often it is there, in the order in which they come first."""
    import pyarrow as pa
    import pyarrow.compute as pc

    counted = pc.value_counts(column)
    texts = counted.field("values").cast(pa.string()).to_pylist()
    return list(zip(texts, counted.field("counts").to_pylist(), strict=True))


def _counted_codes(column: pa.Array) -> list[tuple[str | None, int]]:
    """The same by the places in its dictionary of a column of few texts without a gap; of another one nothing."""
    import pyarrow as pa
    import pyarrow.types as kinds

    if not kinds.is_dictionary(column.type) or not kinds.is_string(column.type.value_type) or column.null_count:
        return []
    found = []
    for piece in column.chunks if isinstance(column, pa.ChunkedArray) else [column]:
        texts = piece.dictionary.to_pylist() if len(piece.dictionary) <= _CATEGORIES else []
        if not texts and len(piece):
            return []
        numbers = np.bincount(np.from_dlpack(piece.indices), minlength=len(texts)).tolist()
        found += [(text, number) for text, number in zip(texts, numbers, strict=True) if number]
    return found


def _numbers(name: str, before: _Numbers, now: _Numbers) -> _Counted:
    old, new = before.known, now.known
    sample = old[:: max(len(old) // _SAMPLE, 1)]
    edges = edges_of(sample)
    inner = tuple(edges.tolist())
    low, high = (before.low, before.high) if len(old) else (-np.inf, np.inf)
    beyond = len(new) and (now.low < low or now.high > high)
    outside = int(((new < low) | (new > high)).sum()) if beyond else 0
    counts, even = _both(before, now, edges, sample)
    return _Counted(
        name,
        Distribution("number", tuple(counts[0].tolist()), inner, missing=before.missing),
        Distribution("number", tuple(counts[1].tolist()), inner, missing=now.missing, outside=outside),
        even,
        len(new) + now.missing,
    )


_Pair = tuple[NDArray[np.int64], NDArray[np.int64]]


def _both(
    before: _Numbers, now: _Numbers, edges: NDArray[np.float64], sample: NDArray[np.float64]
) -> tuple[_Pair, _Pair]:
    """Counts of both between the edges, and in bins of equal width or, where they are few, of distinct values."""
    old, new = before.known, now.known
    if not len(old) or not len(new):
        return (count_number(old, edges), count_number(new, edges)), (np.array([len(old)]), np.array([len(new)]))
    if len(distinct_of(sample)) <= _DISTINCT:
        distinct = np.unique(np.concatenate([np.unique(old), np.unique(new)]))
        return (count_number(old, edges), count_number(new, edges)), (_at(old, distinct), _at(new, distinct))
    low, high = min(before.low, now.low), max(before.high, now.high)
    bins = int(np.ceil(np.log2(len(old) + len(new)) + 1))
    # Narrower than from one integer to the next no bin is of use.
    bins = max(min(bins, int(high - low)), 1) if before.whole else bins
    (between_old, even_old), (between_new, even_new) = (count_grid(one, edges, low, high, bins) for one in (old, new))
    return (between_old, between_new), (even_old, even_new)


def _at(values: NDArray[np.float64], distinct: NDArray[np.float64]) -> NDArray[np.int64]:
    return np.bincount(np.searchsorted(distinct, values), minlength=len(distinct)).astype(np.int64)


def _categories(name: str, before: tuple[dict[str, int], int], now: tuple[dict[str, int], int]) -> _Counted:
    (old, old_missing), (new, new_missing) = before, now
    common = sorted(old, key=lambda text: (-old[text], text))
    shown, rest = common[:_CATEGORIES], common[_CATEGORIES:]
    # A name that no text has: a blank at its end would have been taken off.
    categories = (*shown, *(["other "] if rest else []))
    counted = [
        (*(counts.get(text, 0) for text in shown), *([sum(counts.get(text, 0) for text in rest)] if rest else []))
        for counts in (old, new)
    ]
    unseen = sum(number for text, number in new.items() if text not in old)
    reference = Distribution("category", (*counted[0], 0), categories=categories, missing=old_missing)
    current = Distribution("category", (*counted[1], unseen), categories=categories, missing=new_missing)
    every = sorted(old.keys() | new.keys())
    counts = tuple(np.array([one.get(text, 0) for text in every], np.int64) for one in (old, new))
    return _Counted(name, reference, current, (counts[0], counts[1]), sum(new.values()) + new_missing)


def _with_even_bins(found: FeatureDrift, before: NDArray[Any], now: NDArray[Any]) -> FeatureDrift:
    if not before.sum() or not now.sum():
        return found
    return replace(found, psi=stability_index(before, now), js=float(np.sqrt(divergence(before, now))))
