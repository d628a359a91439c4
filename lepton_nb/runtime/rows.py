"""JSON rows become arrays, strictly: nothing is guessed, and a fault names its row and its field."""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np
import orjson

from .errors import RequestError
from .formats import Input, Signature
from .pictures import from_base64
from .texts import TRUTH, plain_text

__all__ = ["arrays_of", "checked_array", "decode_rows", "parse_json", "text_of"]

_NUMBERS = frozenset({int, float, type(None)})
_TEXTS = frozenset({str, type(None)})
_TEXTS_AND_TRUTH = _TEXTS | {bool}
# What stands for a number of an array, by its type: what it is called, and what JSON has for it.
_VALUES: dict[str, tuple[str, set[type]]] = {
    **dict.fromkeys(("float32", "float64"), ("numbers", {int, float})),
    **dict.fromkeys(("int32", "int64"), ("whole numbers", {int})),
    "bool": ("true and false", {bool}),
}
# An integer of more digits may be larger than any double.
_DIGITS = 300


def decode_rows(body: bytes) -> list[dict[str, Any]]:
    """The rows of a request body `{"rows": [{column: value, ...}, ...]}`.

    Raises:
        RequestError: 400 when it is not JSON, 422 when it is not such an object.
    """
    value = parse_json(body)
    if not isinstance(value, dict) or value.keys() != {"rows"} or not isinstance(value["rows"], list):
        raise RequestError(422, "invalid_body", 'the body is not {"rows": [{column: value, ...}, ...]}')
    if not value["rows"]:
        raise RequestError(422, "invalid_body", "rows is empty, expected at least one row")
    rows: list[dict[str, Any]] = value["rows"]
    return rows


def parse_json(body: bytes) -> Any:
    """The value of a JSON body; numbers that are none, such as NaN, are left for whoever can name their field.

    Raises:
        RequestError: 400 when it is not JSON.
    """
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as cause:
        infinite: list[float] = []

        def number(text: str) -> float:
            value = float(text)
            if not math.isfinite(value):
                infinite.append(value)
            return value

        def whole(text: str) -> float:
            return int(text) if len(text) <= _DIGITS else number(text)

        # NaN and Infinity are not JSON, but Python writes them, and 1e999 is, but no double: read them all the same,
        # so that the fault can name row and field.
        with contextlib.suppress(ValueError, RecursionError):
            value = json.loads(body, parse_constant=number, parse_float=number, parse_int=whole)
            if infinite:
                # Half a character is JSON to Python, and text to nobody else.
                json.dumps(value, ensure_ascii=False).encode()
                return value
        raise RequestError(400, "invalid_json", f"the body is not JSON: {cause}") from None


def arrays_of(rows: Sequence[Any], signature: Signature) -> dict[str, np.ndarray[Any, Any]]:
    """The model's inputs from N rows.

    Args:
        rows: one object per row; null is a missing number or category. The text of a category is read as it was when
            the data was loaded: see `plain_text`.
        signature: the inputs, every one of which each row must hold, and no other.

    Returns:
        Per input: float64 [N] (NaN = missing), object text [N] ("" = missing), arrays [N, *shape] of their type.

    Raises:
        RequestError: 422, naming a row and a field that do not fit.

    Example:
        >>> one = Signature("classification", ("a", "b"), (Input("x", "number"), Input("c", "category")))
        >>> arrays_of([{"x": 1, "c": "red"}, {"x": None, "c": None}], one)["x"]
        array([ 1., nan])
        >>> arrays_of([{"x": "1", "c": "red"}], one)
        Traceback (most recent call last):
        lepton_nb.runtime.errors.RequestError: row 0, field 'x': expected a number or null, got "1"
    """
    names = {one.name for one in signature.inputs}
    for index, row in enumerate(rows):
        if not isinstance(row, dict):
            raise _fault(index, None, "an object", row)
        if row.keys() != names:
            _refuse_names(index, row, names)
    arrays = _numbers(rows, [one.name for one in signature.inputs if one.kind == "number"])
    for one in signature.inputs:
        if one.kind != "number":
            arrays[one.name] = _READ[one.kind]([row[one.name] for row in rows], one)
    return arrays


def _numbers(rows: Sequence[dict[str, Any]], names: list[str]) -> dict[str, np.ndarray[Any, Any]]:
    """All number columns at once: one check of types and one array cost a fraction of one of each per column."""
    values = [row[name] for name in names for row in rows]
    if not _NUMBERS.issuperset(map(type, values)):
        place = next(i for i, value in enumerate(values) if type(value) not in _NUMBERS)
        raise _fault(place % len(rows), names[place // len(rows)], "a number or null", values[place])
    array = np.array(values, np.float64)
    for place in np.flatnonzero(~np.isfinite(array)).tolist():
        if values[place] is not None:
            name = names[place // len(rows)]
            raise _fault(place % len(rows), name, "a finite number or null", values[place], status=400)
    return dict(zip(names, array.reshape(len(names), len(rows)), strict=True))


def _texts(values: list[Any], one: Input) -> np.ndarray[Any, Any]:
    # A column of truth values takes those of JSON too; elsewhere they are a mistake.
    truth = bool(one.categories) and set(one.categories) <= set(TRUTH.values())
    legal = _TEXTS_AND_TRUTH if truth else _TEXTS
    if not legal.issuperset(map(type, values)):
        index = next(i for i, value in enumerate(values) if type(value) not in legal)
        raise _fault(index, one.name, "text, true, false or null" if truth else "text or null", values[index])
    texts = ["" if value is None else text_of(str(value), one, row) for row, value in enumerate(values)]
    return np.array(texts, dtype=object)


def _free_texts(values: list[Any], one: Input) -> np.ndarray[Any, Any]:
    for row, value in enumerate(values):
        if type(value) is not str:
            raise _fault(row, one.name, "text", value)
    return np.array(values, dtype=object)


def text_of(value: str, one: Input, row: int) -> str:
    """The text of a category: see `plain_text`.

    Args:
        value: as it was sent.
        one: the input.
        row: whose value it is.

    Raises:
        RequestError: 422 when the model takes known categories alone, and this is none.
    """
    text = plain_text(value)
    # A category that the model knows by just this text is that one, however it is written.
    text = value if text != value and value in one.categories else text
    if one.unknown == "refused" and text and text not in one.categories:
        raise _fault(row, one.name, f"one of {_listed(list(one.categories))}", value)
    return text


def _arrays(values: list[Any], one: Input) -> np.ndarray[Any, Any]:
    if one.picture and any(type(value) is str for value in values):
        parts = [
            from_base64(value, one, row) if type(value) is str else _arrays([value], one)[0]
            for row, value in enumerate(values)
        ]
        return np.stack(parts)
    shape = _shape(values[0], one)
    flat = [_flat(index, value, one, shape) for index, value in enumerate(values)]
    try:
        if one.dtype != "float32":
            array = np.array(flat, one.dtype).reshape(len(values), *shape)
        else:
            with np.errstate(over="ignore"):
                array = np.array(flat, np.float64).astype(np.float32).reshape(len(values), *shape)
    except OverflowError:
        raise RequestError(422, "invalid_row", f"field {one.name!r}: a number does not fit into {one.dtype}") from None
    return checked_array(array, one)


def checked_array(array: np.ndarray[Any, Any], one: Input, start: int = 0) -> np.ndarray[Any, Any]:
    """An array whose rows are finite, and within the range that the model takes.

    Args:
        array: [N, *shape].
        one: the input.
        start: the number of its first row.

    Raises:
        RequestError: 400 or 422, naming the first row that is not.
    """
    good, status, code = np.isfinite(array), 400, "not_finite"
    wanted = f"finite {one.dtype} numbers"
    if one.unknown == "refused" and one.low is not None and one.high is not None:
        highs = np.array(one.highs) if one.highs else one.high
        good, status, code = (array >= one.low) & (array <= highs), 422, "invalid_row"
        most = _listed([str(int(high)) for high in one.highs or (one.high,)])
        wanted = f"whole numbers from {int(one.low)} to {most}" + (" at its places, in turn" if one.highs else "")
    elif one.dtype in ("int32", "int64") and one.low is not None and one.low >= 0:
        # A graph takes -1 for the last row of a table, where the network fails.
        good, status, code = array >= 0, 422, "invalid_row"
        wanted = "whole numbers from 0 on, as in training"
    rows = good.reshape(len(array), -1).all(1)
    if not rows.all():
        row = start + int(rows.argmin())
        raise RequestError(status, code, f"row {row}, field {one.name!r}: expected {wanted}", row=row)
    return array


def _shape(value: Any, one: Input) -> tuple[int, ...]:
    """The shape of a row's value: a length that may differ is that of the first row."""
    found = []
    for size in one.shape:
        found.append(len(value) if size < 0 and type(value) is list else size)
        value = value[0] if type(value) is list and value else None
    return tuple(found)


def _flat(index: int, value: Any, one: Input, shape: tuple[int, ...]) -> list[Any]:
    """The numbers of one nested list, when it has the shape of the input and holds numbers alone."""
    numbers, legal = _VALUES[one.dtype]
    named = f"nested lists of shape {list(shape)}"
    if -1 in one.shape:
        named += ", a length that is the same for all rows of a request"
    level = [value]
    for size in shape:
        for part in level:
            if type(part) is not list or len(part) != size or not size:
                raise _fault(index, one.name, named, part)
        level = list(chain.from_iterable(level))
    if not legal.issuperset(map(type, level)):
        wrong = next(part for part in level if type(part) not in legal)
        raise _fault(index, one.name, f"{named} of {numbers}" if shape else numbers, wrong)
    return level


_READ = {"category": _texts, "array": _arrays, "text": _free_texts}


def _refuse_names(index: int, row: dict[str, Any], names: set[str]) -> None:
    if missing := sorted(names - row.keys()):
        message = f"row {index}: field {missing[0]!r} is missing, expected {_listed(sorted(names))}"
    else:
        unknown = min(row.keys() - names)
        message = f"row {index}: unknown field {unknown[:80]!r}, expected {_listed(sorted(names))}"
    raise RequestError(422, "invalid_row", message, row=index)


def _listed(names: list[str]) -> str:
    return ", ".join(names[:40]) + (", ..." if len(names) > 40 else "")


def _fault(index: int, field: str | None, expected: str, got: Any, status: int = 422) -> RequestError:
    where = f"row {index}" + (f", field {field!r}" if field else "")
    code = "not_finite" if status == 400 else "invalid_row"
    return RequestError(status, code, f"{where}: expected {expected}, got {_shown(got)}", row=index)


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    text = json.dumps(value)
    return text if len(text) <= 60 else text[:57] + "..."
