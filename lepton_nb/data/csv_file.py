"""CSV files as people have them: other delimiters, blanks, a byte order mark, and rows that do not fit."""

from __future__ import annotations

import codecs
import csv
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import DataError
from .columns import TypedColumn, typed

__all__ = ["read_csv"]

_DELIMITERS = (",", ";", "\t", "|")


def read_csv(path: Path, as_text: Collection[str] = ()) -> tuple[TypedColumn, ...]:
    """The columns of a CSV file; the delimiter is what parts the first line most often.

    Args:
        path: a file that is not empty, in UTF-8 with or without a byte order mark.
        as_text: columns that stay text even when they read as numbers.

    Raises:
        DataError: no rows, no UTF-8, a name twice, or a row with too few or too many fields (with its line).
    """
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    delimiter, header = _header(path)
    names = _names(path, header)
    convert = arrow_csv.ConvertOptions(column_types=dict.fromkeys(header, pa.string()), strings_can_be_null=False)
    parse = arrow_csv.ParseOptions(delimiter=delimiter, newlines_in_values=True)
    read = arrow_csv.ReadOptions(block_size=1 << 24)
    try:
        table = arrow_csv.read_csv(path, read_options=read, parse_options=parse, convert_options=convert)
    except pa.ArrowInvalid as cause:
        _refuse_text(path)
        _refuse_ragged(path, delimiter, len(header))
        raise DataError(f"{path} is not a readable CSV file", got=str(cause)) from cause
    if not table.num_rows:
        raise DataError(f"{path} has no rows", expected="rows after the line of column names")
    comma = delimiter == ";"
    columns = (
        typed(n, c, parse_text=n not in as_text, decimal_comma=comma) for n, c in zip(names, table.columns, strict=True)
    )
    return tuple(column for column in columns if column.name or not _counts_rows(path, column))


def _header(path: Path) -> tuple[str, list[str]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            line = next((line for line in stream if line.strip()), "")
            stream.seek(0)
            delimiter = max(_DELIMITERS, key=line.count)
            header = next((row for row in csv.reader(stream, delimiter=delimiter) if any(row)), [])
    except UnicodeDecodeError:
        _refuse_text(path)
        raise
    if not header:
        raise DataError(f"{path} is empty", expected="a line of column names, then rows")
    return delimiter, header


def _names(path: Path, header: list[str]) -> list[str]:
    names = [name.strip() for name in header]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DataError(
            f"{path} has column names more than once: {', '.join(map(repr, twice))}",
            expected="every column to have a name of its own",
            hint="rename or remove one of them",
        )
    return names


def _counts_rows(path: Path, column: TypedColumn) -> bool:
    """Whether the unnamed column is the index that pandas writes, which is no data."""
    if column.kind == "number":
        numbers = column.cells.to_numpy(zero_copy_only=False)
        if np.array_equal(numbers, np.arange(len(numbers))):
            return True
    raise DataError(f"{path} has a column without a name", expected="a name for every column in the first line")


def _refuse_text(path: Path) -> None:
    """Raise when the file is not UTF-8, naming the line."""
    with path.open("rb") as stream:
        for number, line in enumerate(stream, start=1):
            start = number == 1 and line.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
            try:
                line.decode("utf-8")
            except UnicodeDecodeError as cause:
                raise DataError(
                    f"{path} is not UTF-8 text (line {number})",
                    expected="UTF-8, with or without a byte order mark",
                    got="UTF-16" if start else f"byte 0x{line[cause.start]:02x}",
                    hint="save the file again as UTF-8",
                ) from cause


def _refuse_ragged(path: Path, delimiter: str, fields: int) -> None:
    """Raise when a row has too few or too many fields, naming its line."""
    with path.open(encoding="utf-8-sig", newline="") as stream:
        reader: Any = csv.reader(stream, delimiter=delimiter)
        for row in reader:
            if row and len(row) != fields:
                raise DataError(
                    f"{path} line {reader.line_num} has {len(row)} fields",
                    expected=f"{fields}, as in the first line (delimiter {delimiter!r})",
                    hint="mend that line; quote text that contains the delimiter",
                )
