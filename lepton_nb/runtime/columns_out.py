"""Answers and private inputs as whole columns: Arrow IPC streams and NumPy files."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .columns import rows_of
from .privacy import Kept

__all__ = ["arrow_answer", "arrow_outputs", "numpy_answer", "private_arrow"]


def arrow_answer(identifiers: Sequence[str], labels: Sequence[str], probabilities: np.ndarray[Any, Any]) -> bytes:
    """An Arrow IPC stream with the columns `id`, `label` and `probabilities` (a fixed-size list of float32)."""
    import nanoarrow as na

    fields = {
        "id": na.string(),
        "label": na.string(),
        "probabilities": na.fixed_size_list(na.float32(), probabilities.shape[1]),
    }
    children = [_strings(identifiers), _strings(labels), _lists_of(probabilities)]
    return _stream(fields, children, len(probabilities))


def arrow_outputs(identifiers: Sequence[str], outputs: Mapping[str, np.ndarray[Any, Any]]) -> bytes:
    """An Arrow IPC stream with the column `id` and one per output: a number, or a fixed-size list of a row's values."""
    import nanoarrow as na

    fields: dict[str, Any] = {"id": na.string()}
    children = [_strings(identifiers)]
    for name, values in outputs.items():
        numbers = values.astype(np.uint8) if values.dtype == bool else values
        inner = na.c_array(np.ascontiguousarray(numbers).reshape(-1))
        if values.ndim == 1:
            fields[name] = na.Schema(inner.schema)
        else:
            fields[name] = na.fixed_size_list(na.Schema(inner.schema), int(np.prod(values.shape[1:])))
            inner = na.c_array_from_buffers(
                fields[name], length=len(values), buffers=[None], null_count=0, children=[inner]
            )
        children.append(inner)
    return _stream(fields, children, len(identifiers))


def _stream(fields: Mapping[str, Any], children: Sequence[Any], rows: int) -> bytes:
    import nanoarrow as na
    from nanoarrow.ipc import StreamWriter

    batch = na.c_array_from_buffers(
        na.struct(dict(fields)), length=rows, buffers=[None], null_count=0, children=list(children)
    )
    sink = io.BytesIO()
    with StreamWriter.from_writable(sink) as writer:
        writer.write_stream(na.c_array_stream(batch))
    return sink.getvalue()


def _lists_of(values: np.ndarray[Any, Any]) -> Any:
    import nanoarrow as na

    rows, size = values.shape
    inner = na.c_array(np.ascontiguousarray(values, np.float32).reshape(-1))
    kind = na.fixed_size_list(na.float32(), size)
    return na.c_array_from_buffers(kind, length=rows, buffers=[None], null_count=0, children=[inner])


def _strings(texts: Sequence[str]) -> Any:
    import nanoarrow as na

    whole = "".join(texts)
    ends = np.zeros(len(texts) + 1, np.int32)
    # Of ASCII alone as many bytes as characters.
    sizes = map(len, texts) if whole.isascii() else (len(text.encode()) for text in texts)
    np.cumsum(np.fromiter(sizes, np.int32, len(texts)), out=ends[1:])
    buffers = [None, na.c_buffer(ends), na.c_buffer(whole.encode())]
    return na.c_array_from_buffers(na.string(), length=len(texts), buffers=buffers, null_count=0)


def private_arrow(columns: Mapping[str, np.ndarray[Any, Any]], kept: Kept) -> tuple[bytes, list[str]]:
    """The columns that may be logged as an Arrow IPC stream, hashed where asked; and the names of the others."""
    import nanoarrow as na

    fields: dict[str, Any] = {}
    children = []
    for name, values in columns.items():
        way = kept.way(name)
        if way == "no":
            continue
        if way == "hash" or values.dtype == object:
            texts = values.tolist() if way == "yes" else [kept.hashed(value) or "" for value in values.tolist()]
            fields[name] = na.string()
            children.append(_strings(texts))
        elif values.ndim == 1:
            fields[name] = na.float64()
            children.append(na.c_array(values))
        else:
            size = values[0].size
            fields[name] = na.fixed_size_list(na.float32(), size)
            children.append(_lists_of(values.reshape(len(values), size)))
    masked = sorted(name for name in columns if kept.way(name) != "yes")
    return (_stream(fields, children, rows_of(columns)) if fields else b""), masked


def numpy_answer(answers: np.ndarray[Any, Any]) -> bytes:
    """A .npy file of probabilities, float32 [N, C], or of the only output, [N, *shape]."""
    sink = io.BytesIO()
    np.save(sink, np.ascontiguousarray(answers), allow_pickle=False)
    return sink.getvalue()
