"""Whole columns become the model's inputs, as strictly as rows do: a fault names its row and its field.

They come as an Arrow IPC stream or a NumPy file. Both are read without a copy where that is possible, and no text in
them makes anything run.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .arrow_frames import refuse_compressed
from .distinct import distinct
from .errors import RequestError
from .formats import Input, Signature
from .rows import checked_array, text_of

__all__ = ["ARROW", "NUMPY", "from_arrow", "from_numpy", "rows_of"]

ARROW, NUMPY = "application/vnd.apache.arrow.stream", "application/x-npy"
_NUMBERS = {
    "INT8": np.int8, "INT16": np.int16, "INT32": np.int32, "INT64": np.int64, "UINT8": np.uint8, "UINT16": np.uint16,
    "UINT32": np.uint32, "UINT64": np.uint64, "HALF_FLOAT": np.float16, "FLOAT": np.float32, "DOUBLE": np.float64,
}  # fmt: skip
_WHOLE = frozenset(name for name, kind in _NUMBERS.items() if np.issubdtype(kind, np.integer))
_NUMPY_KINDS = {"float32": "iuf", "float64": "iuf", "int32": "iu", "int64": "iu", "bool": "b"}
_TEXTS = {"STRING": np.int32, "LARGE_STRING": np.int64}

_Columns = dict[str, np.ndarray[Any, Any]]


def from_arrow(body: bytes, signature: Signature, *, strict: bool = True) -> _Columns:
    """The model's inputs from an Arrow IPC stream with one column per input, in any order.

    Numbers come as any integer or floating type, categories and texts as text, an array input as a list of numbers, of
    fixed size or not, that holds the row's values in order.

    Args:
        body: the stream.
        signature: the inputs.
        strict: whether columns of other names are refused.

    Returns:
        As `rows.arrays_of`.

    Raises:
        RequestError: 400 when it is no stream, 415 when it is compressed or an input has no form in it, 422 naming a
            column or a row that does not fit.
    """
    import nanoarrow as na
    from nanoarrow.ipc import InputStream

    _refuse_inputs(signature)
    refuse_compressed(body)
    parts: list[_Columns] = []
    try:
        with InputStream.from_readable(body) as given, na.c_array_stream(given) as stream:
            fields = list(stream.get_schema().children)
            names = [field.name for field in fields]
            _refuse_names(names, signature, strict=strict)
            places = {name: place for place, name in enumerate(names)}
            # The type that is meant, not the one that it is stored as: a timestamp is no number.
            types = {field.name: na.Schema(field).type.name for field in fields}
            start = 0
            for batch in stream:
                if batch.length:
                    given_of = {one.name: batch.child(places[one.name]).view() for one in signature.inputs}
                    parts.append(
                        {
                            one.name: _READ[one.kind](given_of[one.name], types[one.name], one, start)
                            for one in signature.inputs
                        }
                    )
                    start += batch.length
    except RequestError:
        raise
    except Exception as cause:  # noqa: BLE001 - the reader raises what it likes at a body that is none
        raise RequestError(400, "invalid_arrow", f"the body is not an Arrow IPC stream: {str(cause)[:200]}") from None
    if not parts:
        raise RequestError(422, "invalid_body", "the stream has no rows, expected at least one")
    return parts[0] if len(parts) == 1 else {name: np.concatenate([one[name] for one in parts]) for name in parts[0]}


def from_numpy(body: bytes, signature: Signature) -> _Columns:
    """The only array input of a model from a .npy file [N, *shape].

    Raises:
        RequestError: 400 when it is no such file, 415 when the model takes columns, 422 when the shape does not fit.
    """
    if len(signature.inputs) != 1 or signature.inputs[0].kind != "array":
        raise RequestError(415, "unsupported_type", f"this model takes columns: send {ARROW} or application/json")
    one = signature.inputs[0]
    try:
        # Without pickle a file of objects is refused before anything of it is read.
        array = np.load(io.BytesIO(body), allow_pickle=False)
    except Exception as cause:  # noqa: BLE001 - as does NumPy's
        raise RequestError(400, "invalid_numpy", f"the body is not a NumPy file: {str(cause)[:200]}") from None
    if not isinstance(array, np.ndarray) or array.dtype.kind not in _NUMPY_KINDS[one.dtype]:
        raise RequestError(
            422, "invalid_body", f"expected {_named(one)}, got dtype {getattr(array, 'dtype', 'of an archive')}"
        )
    fits = array.ndim == 1 + len(one.shape) and all(map(_fits, array.shape[1:], one.shape))
    if not fits or not len(array):
        raise RequestError(422, "invalid_body", f"expected shape [rows, {_shape(one)}], got {list(array.shape)}")
    return {one.name: _finite(array, one, 0)}


def _fits(size: int, wanted: int) -> bool:
    return size == wanted or wanted < 0 < size


def _named(one: Input) -> str:
    return "numbers" if one.dtype.startswith("float") else {"bool": "truth values"}.get(one.dtype, "whole numbers")


def _refuse_inputs(signature: Signature) -> None:
    """Raise where an input has no form in an Arrow stream."""
    for one in signature.inputs:
        if -1 in one.shape or one.dtype == "bool":
            text = f"input {one.name!r} is not taken as an Arrow column: send application/json"
            raise RequestError(415, "unsupported_type", text)


def _refuse_names(names: Sequence[str], signature: Signature, *, strict: bool) -> None:
    wanted = {one.name for one in signature.inputs}
    if missing := sorted(wanted - set(names)):
        raise RequestError(422, "invalid_body", f"column {missing[0]!r} is missing")
    if strict and (unknown := sorted(set(names) - wanted)):
        raise RequestError(422, "invalid_body", f"unknown column {unknown[0][:80]!r}")
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise RequestError(422, "invalid_body", f"column {twice!r} is there twice")


def _present(view: Any) -> np.ndarray[Any, Any] | None:
    """Which values are there; None when all are."""
    if not view.null_count or not len(view.buffer(0)):
        return None
    bits = np.unpackbits(np.frombuffer(view.buffer(0), np.uint8), bitorder="little")
    return bits[view.offset : view.offset + view.length].astype(bool)


def _values(view: Any, place: int, dtype: Any, offset: int, length: int) -> np.ndarray[Any, Any]:
    """A stretch of a buffer, when it is long enough."""
    whole = np.frombuffer(memoryview(view.buffer(place)).cast("B"), dtype)
    if len(whole) < offset + length:
        raise ValueError("a buffer is too short")
    return whole[offset : offset + length]


def _numbers(view: Any, name: str, one: Input, start: int) -> np.ndarray[Any, Any]:
    if name not in _NUMBERS:
        raise RequestError(422, "invalid_body", f"column {one.name!r}: expected numbers, got {name.lower()}")
    values = _values(view, 1, _NUMBERS[name], view.offset, view.length).astype(np.float64)
    present = _present(view)
    wrong = ~np.isfinite(values) if present is None else ~np.isfinite(values) & present
    # NaN is how data frames write a missing number; JSON has null for it.
    wrong &= ~np.isnan(values)
    if wrong.any():
        row = start + int(wrong.argmax())
        raise RequestError(
            400, "not_finite", f"row {row}, field {one.name!r}: expected a finite number or null", row=row
        )
    if present is not None:
        values[~present] = np.nan
    return values


def _free_texts(view: Any, name: str, one: Input, start: int) -> np.ndarray[Any, Any]:
    """Texts that are tokenised, each by itself."""
    ends, data = _ends_and_bytes(view, name, one)
    present = _present(view)
    texts = []
    for row in range(view.length):
        if present is not None and not present[row]:
            missing = f"row {start + row}, field {one.name!r}: expected text, got null"
            raise RequestError(422, "invalid_row", missing, row=start + row)
        texts.append(_decoded(data[ends[row] : ends[row + 1]], one, start + row))
    return np.array(texts, dtype=object)


def _ends_and_bytes(view: Any, name: str, one: Input) -> tuple[np.ndarray[Any, Any], bytes]:
    """Where the texts of a column begin and end, and their bytes."""
    if name not in _TEXTS:
        raise RequestError(422, "invalid_body", f"column {one.name!r}: expected text, got {name.lower()}")
    ends = _values(view, 1, _TEXTS[name], view.offset, view.length + 1)
    data = bytes(view.buffer(2))
    if view.length and (ends[0] < 0 or ends[-1] > len(data) or (np.diff(ends) < 0).any()):
        raise ValueError("offsets point outside of their buffer")
    return ends, data


def _texts(view: Any, name: str, one: Input, start: int) -> np.ndarray[Any, Any]:
    ends, data = _ends_and_bytes(view, name, one)
    # Few texts stand in a column of categories, however many rows it has: each is looked at once.
    first, places = distinct(data, ends.astype(np.int64), _present(view))
    texts = [_text(data[ends[row] : ends[row + 1]], one, start + row) if row >= 0 else "" for row in first.tolist()]
    return np.array(texts, dtype=object)[places]


def _text(raw: bytes, one: Input, row: int) -> str:
    return text_of(_decoded(raw, one, row), one, row) if raw else ""


def _decoded(raw: bytes, one: Input, row: int) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        message = f"row {row}, field {one.name!r}: expected text in UTF-8"
        raise RequestError(422, "invalid_row", message, row=row) from None


def _lists(view: Any, name: str, one: Input, start: int) -> np.ndarray[Any, Any]:
    legal = _NUMBERS if one.dtype.startswith("float") else _WHOLE
    if not one.shape:
        if name not in legal or view.null_count:
            text = f"column {one.name!r}: expected {_named(one)} without gaps, got {name.lower()}"
            raise RequestError(422, "invalid_body", text)
        return _finite(_values(view, 1, _NUMBERS[name], view.offset, view.length), one, start)
    size = int(np.prod(one.shape))
    if name not in ("FIXED_SIZE_LIST", "LIST", "LARGE_LIST"):
        raise RequestError(422, "invalid_body", f"column {one.name!r}: expected lists of numbers, got {name.lower()}")
    if view.null_count:
        raise RequestError(422, "invalid_row", f"field {one.name!r}: a list is missing")
    inner = view.child(0)
    kind = str(inner.storage_type).upper()
    if kind not in legal or inner.null_count:
        raise RequestError(422, "invalid_body", f"column {one.name!r}: expected lists of {_named(one)} without gaps")
    if name == "FIXED_SIZE_LIST":
        width, first = inner.length // max(1, view.length + view.offset), 0
        sizes, first = np.full(view.length, width), view.offset * width
    else:
        ends = _values(view, 1, np.int32 if name == "LIST" else np.int64, view.offset, view.length + 1)
        sizes, first = np.diff(ends), int(ends[0])
    if (sizes != size).any():
        row = start + int((sizes != size).argmax())
        raise RequestError(
            422,
            "invalid_row",
            f"row {row}, field {one.name!r}: expected {size} numbers, got {sizes[row - start]}",
            row=row,
        )
    flat = _values(inner, 1, _NUMBERS[kind], inner.offset + first, size * view.length)
    return _finite(flat.reshape(view.length, *one.shape), one, start)


_READ = {"number": _numbers, "category": _texts, "array": _lists, "text": _free_texts}


def _finite(array: np.ndarray[Any, Any], one: Input, start: int) -> np.ndarray[Any, Any]:
    if array.dtype.kind in "iu" and not one.dtype.startswith("float") and not np.can_cast(array.dtype, one.dtype):
        # A cast would take what is too large for a small number.
        least, most = np.iinfo(one.dtype).min, np.iinfo(one.dtype).max
        rows = ((array >= least) & (array <= most)).reshape(len(array), -1).all(1)
        if not rows.all():
            row = start + int(rows.argmin())
            text = f"row {row}, field {one.name!r}: expected whole numbers that fit into {one.dtype}"
            raise RequestError(422, "invalid_row", text, row=row)
    with np.errstate(over="ignore"):
        # A copy: what a batch of a stream holds is gone with it.
        values = np.array(array, one.dtype, order="C")
    return checked_array(values, one, start)


def _shape(one: Input) -> str:
    return ", ".join(map(str, one.shape))


def rows_of(columns: Mapping[str, np.ndarray[Any, Any]]) -> int:
    """How many rows columns have."""
    return len(next(iter(columns.values())))
