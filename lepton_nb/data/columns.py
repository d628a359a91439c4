"""One column of a table as numbers, categories or moments, whatever it was stored as."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

from ..errors import DataError
from ..runtime.texts import MISSING, TRUTH

__all__ = ["TypedColumn", "empty_texts", "first_rows", "is_dates", "plain_texts", "refuse_infinite", "strays", "typed"]

_DAY = r"(\d{4}[-/]\d{1,2}[-/]\d{1,2}|\d{1,2}[/.]\d{1,2}[/.]\d{2,4})"
_NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"
_DATE = rf"^{_DAY}([T ]\d{{1,2}}:\d{{2}}.*)?$"


@dataclass(frozen=True)
class TypedColumn:
    """A column whose kind is known.

    Args:
        name: column name.
        kind: `number`, `category`, `date`, `other` (nothing a network takes, such as lists), or `text`, which a
            category becomes when its values are read word by word.
        cells: Arrow array of float64 (number, null = missing), string (category, text, and dates that are
            text), timestamp (date), or anything (other).
        whole: every number is an integer, as in a column of counts or codes.
        order: the categories in the order that the source gives them, when it does.
        raw: of text, the cells as the source has them; else None.
    """

    name: str
    kind: Literal["number", "category", "date", "other", "text"]
    cells: Any
    whole: bool = False
    order: tuple[str, ...] = ()
    raw: Any = None


def typed(name: str, column: Any, *, parse_text: bool = False, decimal_comma: bool = False) -> TypedColumn:
    """Find out what a column holds.

    Args:
        name: column name.
        column: Arrow array or chunked array.
        parse_text: text that reads as numbers throughout is numbers (a CSV file has nothing but text).
        decimal_comma: such text may write 1,5 for 1.5.
    """
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.types as kinds

    values = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    kind = values.type
    if kinds.is_dictionary(kind):
        # A pandas Categorical: its values are categories even when they are numbers.
        order = tuple(dict.fromkeys(value for value in plain_texts(values.dictionary).to_pylist() if value is not None))
        return TypedColumn(name, "category", plain_texts(values.cast(kind.value_type)), order=order)
    if kinds.is_null(kind) or kinds.is_integer(kind) or kinds.is_floating(kind) or kinds.is_decimal(kind):
        numbers = values.cast(pa.float64(), safe=False)
        numbers = _unsigned_zeros(pc.if_else(pc.is_nan(numbers), None, numbers))
        return TypedColumn(name, "number", numbers, kinds.is_integer(kind) or _whole(numbers))
    if kinds.is_boolean(kind):
        return TypedColumn(name, "category", plain_texts(values))
    if kinds.is_temporal(kind) and not kinds.is_duration(kind):
        return TypedColumn(name, "date", values)
    if kinds.is_string(kind) or kinds.is_large_string(kind) or str(kind) == "string_view":
        made = _from_text(name, plain_texts(values), parse_text=parse_text, decimal_comma=decimal_comma)
        return made if made.kind == "number" else replace(made, raw=values)
    return TypedColumn(name, "other", values)


def first_rows(mask: Any, most: int = 5) -> str:
    """The first rows where an Arrow or NumPy mask is true, for people: the first row is 1.

    Example:
        >>> import numpy as np
        >>> first_rows(np.array([True, False, True]))
        'rows 1, 3'
    """
    import numpy as np

    where = np.flatnonzero(np.asarray(mask)) + 1
    more = ", ..." if len(where) > most else ""
    return ("rows " if len(where) > 1 else "row ") + ", ".join(map(str, where[:most])) + more


def refuse_infinite(column: TypedColumn) -> None:
    """Raise when a number column holds infinities, which nothing can be scaled by."""
    import pyarrow.compute as pc

    if column.kind != "number":
        return
    infinite = pc.fill_null(pc.is_inf(column.cells), False).to_numpy(zero_copy_only=False)
    if infinite.any():
        raise DataError(
            f"column {column.name!r} has {int(infinite.sum())} infinite values ({first_rows(infinite)})",
            expected="finite numbers, or nothing where a value is missing",
            hint="replace them before loading",
        )


def empty_texts(cells: Any) -> Any:
    """Where texts are missing, or have nothing but blanks: a NumPy mask [N] of an Arrow array of text.

    Example:
        >>> import pyarrow as pa
        >>> empty_texts(pa.array(["one", " ", None])).tolist()
        [False, True, True]
    """
    import pyarrow.compute as pc

    return pc.fill_null(pc.equal(pc.utf8_trim_whitespace(cells), ""), True).to_numpy(zero_copy_only=False)


def strays(column: TypedColumn) -> tuple[str, ...]:
    """The few texts in a category column that keep it from being numbers; empty when it is no such column.

    Example:
        >>> import pyarrow as pa
        >>> strays(typed("age", pa.array(["31", "unknown", "32", "33", "34", "35"])))
        ('unknown',)
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    if column.kind != "category" or not pa.types.is_string(column.cells.type):
        return ()
    distinct = pc.unique(column.cells.drop_null())
    numeric = pc.match_substring_regex(distinct, _NUMBER)
    others = tuple(distinct.filter(pc.invert(numeric)).to_pylist())
    return others if 5 * len(others) <= len(distinct) else ()


def _from_text(name: str, text: Any, *, parse_text: bool, decimal_comma: bool) -> TypedColumn:
    import pyarrow as pa
    import pyarrow.compute as pc

    if text.null_count == len(text):
        return TypedColumn(name, "number", pa.nulls(len(text), pa.float64()))
    if parse_text:
        for candidate in (text, pc.replace_substring(text, ",", ".") if decimal_comma else text):
            try:
                numbers = _unsigned_zeros(candidate.cast(pa.float64()))
            except pa.ArrowInvalid:
                continue
            return TypedColumn(name, "number", numbers, _whole(numbers))
    return TypedColumn(name, "date" if is_dates(text) else "category", text)


def is_dates(text: Any) -> bool:
    """Whether every text of an Arrow array that is not missing reads as a date."""
    import pyarrow.compute as pc

    return bool(pc.all(pc.match_substring_regex(text, _DATE)).as_py())


def plain_texts(values: Any) -> Any:
    """What `plain_text` of the runtime makes of each value; whatever says that a value is missing becomes null.

    Args:
        values: Arrow array that can be cast to text.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    text = pc.utf8_trim_whitespace(values.cast(pa.string()))
    missing = pc.is_in(text, value_set=pa.array(MISSING, pa.string()))
    lower = pc.utf8_lower(text)
    for written, plain in TRUTH.items():
        text = pc.if_else(pc.equal(lower, written), plain, text)
    return pc.if_else(missing, pa.scalar(None, pa.string()), text)


def _unsigned_zeros(numbers: Any) -> Any:
    """0.0 for -0.0, which equals it but differs in its bits."""
    import pyarrow.compute as pc

    return pc.add(numbers, 0.0)


def _whole(numbers: Any) -> bool:
    import pyarrow.compute as pc

    finite = pc.filter(numbers, pc.fill_null(pc.is_finite(numbers), False))
    return bool(len(finite)) and bool(pc.all(pc.equal(finite, pc.floor(finite))).as_py())
