"""Answers and private inputs as whole columns: Arrow IPC streams and NumPy files."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .columns import rows_of
from .privacy import Kept

__all__ = ["Texts", "arrow_answer", "arrow_outputs", "names_of", "numpy_answer", "private_arrow", "row_ids"]


@dataclass(frozen=True)
class Texts:
    """A column of text as Arrow has it.

    Args:
        ends: int32 [N + 1], where each text begins and the next one does.
        data: the bytes of all texts, in UTF-8.
    """

    ends: np.ndarray[Any, Any]
    data: bytes

    def __len__(self) -> int:
        return len(self.ends) - 1

    @classmethod
    def of(cls, texts: Sequence[str]) -> Texts:
        """Texts one by one."""
        whole = "".join(texts)
        # Of ASCII alone as many bytes as characters.
        sizes = map(len, texts) if whole.isascii() else (len(text.encode()) for text in texts)
        return cls(_ends(np.fromiter(sizes, np.int32, len(texts))), whole.encode())


def row_ids(identifier: str, rows: int) -> Texts:
    """`<identifier>.0`, `<identifier>.1` and so on, written digit by digit for all rows at once.

    Example:
        >>> row_ids("a", 11).data
        b'a.0a.1a.2a.3a.4a.5a.6a.7a.8a.9a.10'
    """
    head = np.frombuffer(f"{identifier}.".encode(), np.uint8)
    parts, sizes, low, digits = [], [], 0, 1
    while low < rows:
        numbers = np.arange(low, min(10**digits, rows))
        block = np.empty((len(numbers), len(head) + digits), np.uint8)
        block[:, : len(head)] = head
        for place in range(1, digits + 1):
            numbers, rest = np.divmod(numbers, 10)
            block[:, -place] = rest + ord("0")
        parts.append(block.tobytes())
        sizes.append(np.full(len(block), block.shape[1], np.int32))
        low, digits = 10**digits, digits + 1
    return Texts(_ends(np.concatenate(sizes)), b"".join(parts))


def names_of(names: Sequence[str], places: np.ndarray[Any, Any]) -> Texts:
    """The name that each row has.

    Args:
        names: all there are.
        places: int [N], which of them.
    """
    written = [name.encode() for name in names]
    sizes = np.array([len(name) for name in written], np.int32)
    return Texts(_ends(sizes[places]), b"".join(map(written.__getitem__, places.tolist())))


def _ends(sizes: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    ends = np.zeros(len(sizes) + 1, np.int32)
    np.cumsum(sizes, out=ends[1:])
    return ends


def arrow_answer(identifiers: Texts, labels: Texts, probabilities: np.ndarray[Any, Any]) -> bytes:
    """An Arrow IPC stream with the columns `id`, `label` and `probabilities` (a fixed-size list of float32)."""
    import nanoarrow as na

    fields = {
        "id": na.string(),
        "label": na.string(),
        "probabilities": na.fixed_size_list(na.float32(), probabilities.shape[1]),
    }
    children = [_strings(identifiers), _strings(labels), _lists_of(probabilities)]
    return _stream(fields, children, len(probabilities))


def arrow_outputs(identifiers: Texts, outputs: Mapping[str, np.ndarray[Any, Any]]) -> bytes:
    """An Arrow IPC stream with the column `id` and one per output: a number, or a fixed-size list of a row's values."""
    import nanoarrow as na

    fields: dict[str, Any] = {"id": na.string()}
    children = [_strings(identifiers)]
    for name, values in outputs.items():
        fields[name], child = _numbers(values)
        children.append(child)
    return _stream(fields, children, len(identifiers))


def _numbers(values: np.ndarray[Any, Any]) -> tuple[Any, Any]:
    """A column of numbers of their own type: what Arrow calls it, and the numbers, or a fixed-size list per row."""
    import nanoarrow as na

    numbers = values.astype(np.uint8) if values.dtype == bool else values
    inner = na.c_array(np.ascontiguousarray(numbers).reshape(-1))
    kind = na.Schema(inner.schema)
    if values.ndim == 1:
        return kind, inner
    kind = na.fixed_size_list(kind, int(np.prod(values.shape[1:])))
    return kind, na.c_array_from_buffers(kind, length=len(values), buffers=[None], null_count=0, children=[inner])


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


def _strings(texts: Texts) -> Any:
    import nanoarrow as na

    buffers = [None, na.c_buffer(texts.ends), na.c_buffer(texts.data)]
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
            children.append(_strings(Texts.of(texts)))
        else:
            fields[name], child = _numbers(values)
            children.append(child)
    masked = sorted(name for name in columns if kept.way(name) != "yes")
    return (_stream(fields, children, rows_of(columns)) if fields else b""), masked


def numpy_answer(answers: np.ndarray[Any, Any]) -> bytes:
    """A .npy file of probabilities, float32 [N, C], or of the only output, [N, *shape]."""
    sink = io.BytesIO()
    np.save(sink, np.ascontiguousarray(answers), allow_pickle=False)
    return sink.getvalue()
