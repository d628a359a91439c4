"""Logged predictions as Arrow record batches, in whichever form they were logged.

A batch holds rows of one version whose private columns are the same. Its columns:

    id             string       of the prediction, UUIDv7; of a row of a bulk request `<id>.<row>`
    time           double       when the request came, seconds since the epoch
    version        string       the model, `name:tag`
    slot           string       the slot it stood in
    shadow         bool         whether nobody was given the answer
    latency_ms     double       of the request
    inputs         struct       a field per input, as the model saw it: double, string, or nested lists of the input's
                                own type; null = missing
    label          string       the predicted class, null where the model tells none
    probabilities  list<float>  one per class, null likewise
    value          double       the answer of a model that tells one number, else null
    outputs        string       the answers of any other model, a JSON object of nested lists by name, else null

Fields of `inputs` whose metadata has `hashed` hold hashes; those that are not logged are not there.
"""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson

from ..runtime import RequestError, Signature
from .shapes import nested, of_one_size, shaped

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["arrow_inputs", "batch_of_record", "batches_of_entries", "shown"]


def shown(signature: Signature, masked: Sequence[str]) -> Signature:
    """A signature without the columns that are not on the log as they were."""
    hidden = set(masked)
    return dataclasses.replace(signature, inputs=tuple(one for one in signature.inputs if one.name not in hidden))


def batches_of_entries(
    entries: Sequence[Mapping[str, Any]], signature: Signature | None, drop: Callable[[int], None] = lambda rows: None
) -> Iterator[pa.RecordBatch]:
    """Answered prediction lines of one version and with the same private columns, as batches.

    Args:
        entries: the JSON objects of the lines.
        signature: of the version; None where its model is gone, then the types are those of JSON.
        drop: is told how many rows do not fit.

    Yields:
        Batches without the rows that do not fit the signature.
    """
    # Rows of another length are no mistake: they only do not lie in one array.
    for some in of_one_size(entries, signature):
        yield from _halved(some, signature, drop)


def _halved(
    entries: Sequence[Mapping[str, Any]], signature: Signature | None, drop: Callable[[int], None]
) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa

    try:
        batch = _of_entries(entries, signature)
    except (RequestError, ValueError, TypeError, pa.ArrowException):
        # As in counting: halving finds the row that does not fit.
        if len(entries) == 1:
            drop(1)
            return
        half = len(entries) // 2
        yield from _halved(entries[:half], signature, drop)
        yield from _halved(entries[half:], signature, drop)
        return
    yield batch


def _of_entries(entries: Sequence[Mapping[str, Any]], signature: Signature | None) -> pa.RecordBatch:
    import pyarrow as pa

    masked = tuple(entries[0].get("masked", ()))
    rows = [entry["inputs"] for entry in entries]
    inputs = _inferred(rows, masked) if signature is None else _typed(rows, shown(signature, masked), masked)
    outputs = [entry["outputs"] for entry in entries]
    return _batch(
        id=pa.array([str(entry["id"]) for entry in entries], pa.string()),
        time=pa.array([float(entry["time"]) for entry in entries], pa.float64()),
        version=_same(entries[0]["version"], len(entries)),
        slot=pa.array([str(entry.get("slot", "")) for entry in entries], pa.string()),
        shadow=pa.array([bool(entry.get("shadow")) for entry in entries], pa.bool_()),
        latency_ms=pa.array([float(entry["latency_ms"]) for entry in entries], pa.float64()),
        inputs=inputs,
        label=pa.array([one.get("label") for one in outputs], pa.string()),
        probabilities=pa.array([one.get("probabilities") for one in outputs], pa.list_(pa.float32())),
        value=pa.array([_number(one) for one in outputs], pa.float64()),
        outputs=pa.array([_others(one) for one in outputs], pa.string()),
    )


def batch_of_record(
    head: Mapping[str, Any], given: bytes, answer: bytes, signature: Signature | None
) -> pa.RecordBatch | None:
    """A record of a bulk request as a batch.

    Args:
        head: of the record.
        given: the inputs, as they are on the log.
        answer: an Arrow IPC stream.
        signature: of the version; None where its model is gone.

    Returns:
        The batch; None where a NumPy file cannot be read without the signature.

    Raises:
        RequestError: the inputs do not fit the signature.
    """
    import pyarrow as pa

    answers = pa.ipc.open_stream(io.BytesIO(answer)).read_all().combine_chunks()
    rows, masked = answers.num_rows, tuple(head.get("masked", ()))
    inputs = _given(head, given, masked, signature)
    if inputs is None:
        return None
    told = {name: answers.column(name) for name in ("label", "probabilities") if name in answers.column_names}
    others = answers.drop_columns(["id", *told])
    value = None if told else _numbers(others)
    return _batch(
        id=_whole(answers.column("id"), pa.string()),
        time=_repeated(float(head["time"]), rows),
        version=_same(str(head["version"]), rows),
        slot=_same(str(head.get("slot", "")), rows),
        shadow=pa.array(np.full(rows, bool(head.get("shadow")))),
        latency_ms=_repeated(float(head["latency_ms"]), rows),
        inputs=inputs,
        label=_whole(told.get("label", pa.nulls(rows)), pa.string()),
        probabilities=_whole(told.get("probabilities", pa.nulls(rows)), pa.list_(pa.float32())),
        value=pa.nulls(rows, pa.float64()) if value is None else value,
        outputs=_texts(others, signature) if value is None and not told else pa.nulls(rows, pa.string()),
    )


def _batch(**columns: Any) -> pa.RecordBatch:
    import pyarrow as pa

    # From fields, so that what `inputs` tells of its own is kept.
    fields = [pa.field(name, column.type) for name, column in columns.items()]
    return pa.RecordBatch.from_arrays(list(columns.values()), schema=pa.schema(fields))


def _same(text: str, rows: int) -> Any:
    import pyarrow as pa

    return pa.DictionaryArray.from_arrays(np.zeros(rows, np.int32), [text]).cast(pa.string())


def _repeated(value: float, rows: int) -> Any:
    import pyarrow as pa

    return pa.array(np.full(rows, value))


def _whole(column: Any, kind: pa.DataType) -> Any:
    import pyarrow as pa

    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    return array.cast(kind)


def _number(outputs: Mapping[str, Any]) -> float | None:
    """The only answer of a model that tells no class, where it is a number."""
    only = next(iter(outputs.values())) if len(outputs) == 1 and "label" not in outputs else None
    number = float(only) if isinstance(only, (int, float)) and not isinstance(only, bool) else None
    # A whole number that no double holds is kept as text.
    return number if number == only else None


def _numbers(answers: pa.Table) -> Any:
    """The same of whole columns: float64; None where there is more than one number per row."""
    import pyarrow as pa

    kind = answers.column(0).type if answers.num_columns == 1 else pa.null()
    if not pa.types.is_floating(kind) and not pa.types.is_signed_integer(kind):
        return None
    try:
        return _whole(answers.column(0), pa.float64())
    except pa.ArrowInvalid:
        return None


def _others(outputs: Mapping[str, Any]) -> str | None:
    """The answers that are neither a class nor a single number, as JSON."""
    return None if "label" in outputs or _number(outputs) is not None else orjson.dumps(outputs).decode()


def _texts(answers: pa.Table, signature: Signature | None) -> Any:
    import pyarrow as pa

    parts = signature.outputs if signature else ()
    return pa.array([orjson.dumps(shaped(row, parts)).decode() for row in answers.to_pylist()], pa.string())


def _struct(arrays: Mapping[str, Any], hashed: Sequence[str] = ()) -> Any:
    import pyarrow as pa

    if not arrays:
        raise ValueError("a row has no inputs")
    fields = [
        pa.field(name, array.type, metadata={"hashed": "yes"} if name in hashed else None)
        for name, array in arrays.items()
    ]
    return pa.StructArray.from_arrays(list(arrays.values()), fields=fields)


def arrow_inputs(columns: Mapping[str, np.ndarray[Any, Any]], signature: Signature) -> dict[str, Any]:
    """The inputs of a model as Arrow arrays, by name.

    Args:
        columns: as `runtime.rows.arrays_of` makes them.
        signature: names and kinds of the inputs.
    """
    import pyarrow as pa

    arrays: dict[str, Any] = {}
    for one in signature.inputs:
        values = columns[one.name]
        if one.kind == "number":
            arrays[one.name] = pa.array(values, pa.float64(), from_pandas=True)
        elif one.kind == "array":
            arrays[one.name] = nested(values)
        elif one.kind == "text":
            arrays[one.name] = pa.array(values.tolist(), pa.string())
        else:
            arrays[one.name] = pa.array([value or None for value in values.tolist()], pa.string())
    return arrays


def _typed(rows: Sequence[Mapping[str, Any]], signature: Signature, masked: Sequence[str]) -> Any:
    from ..runtime.rows import arrays_of

    names = {one.name for one in signature.inputs}
    plain = rows if not masked else [{k: v for k, v in row.items() if k in names} for row in rows]
    arrays = arrow_inputs(arrays_of(plain, signature), signature) if names else {}
    return _struct(arrays | _hashes(rows, masked), masked)


def _hashes(rows: Sequence[Mapping[str, Any]], masked: Sequence[str]) -> dict[str, Any]:
    import pyarrow as pa

    return {name: pa.array([row.get(name) for row in rows], pa.string()) for name in masked if name in rows[0]}


def _inferred(rows: Sequence[Mapping[str, Any]], masked: Sequence[str]) -> Any:
    import pyarrow as pa

    arrays: dict[str, Any] = {}
    for name in dict.fromkeys(name for row in rows for name in row):
        array = pa.array([row.get(name) for row in rows])
        arrays[name] = array.cast(pa.float64()) if pa.types.is_integer(array.type) else array
    return _struct(arrays, masked)


def _given(head: Mapping[str, Any], given: bytes, masked: Sequence[str], signature: Signature | None) -> Any:
    import pyarrow as pa

    from ..runtime.columns import NUMPY, from_arrow, from_numpy

    if head["kind"] == NUMPY:
        return None if signature is None else _struct(arrow_inputs(from_numpy(given, signature), signature))
    table = pa.ipc.open_stream(io.BytesIO(given)).read_all().combine_chunks() if given else pa.table({})
    if signature is None:
        return _struct({name: _whole(table.column(name), table.schema.field(name).type) for name in table.column_names})
    seen = shown(signature, masked)
    arrays = arrow_inputs(from_arrow(given, seen, strict=False), seen) if seen.inputs else {}
    hashes = {name: _whole(table.column(name), pa.string()) for name in masked if name in table.column_names}
    return _struct(arrays | hashes, masked)
