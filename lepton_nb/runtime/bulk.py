"""Many rows at once: a body of columns in, columns out, one record on the log.

A record of `bulk-<pid>-<seq>.records` is a head of 20 bytes (`LPR1`, the sizes of the three parts and the CRC-32 of all
of them, little-endian), a JSON object `{"format": 1, "id", "time", "slot", "version", "latency_ms", "rows", "kind",
"masked"}`, the inputs as they were sent (an Arrow IPC stream or a NumPy file; without or with hashed columns where
these are private), and the answer as an Arrow IPC stream. The prediction of row 7 has the id `<id>.7`.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import struct
import zlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, BinaryIO

import orjson

from .answers import Answers, joined
from .columns import ARROW, NUMPY, from_arrow, from_numpy, rows_of
from .columns_out import arrow_answer, arrow_outputs, names_of, numpy_answer, private_arrow, row_ids
from .engine import Arrival, Engine
from .errors import RequestError
from .finite import refuse_not_finite
from .formats import FORMAT, Signature, uuid7

if TYPE_CHECKING:
    from .worker import Worker

__all__ = ["BULK_KINDS", "bulk", "heads", "records"]

BULK_KINDS = (ARROW, NUMPY)
_MAGIC = b"LPR1"
_HEAD = struct.Struct("<4sIIII")
# The model runs on so many rows at a time: its inner values of a million rows would not fit into the memory.
_ROWS_AT_ONCE = 8192


async def bulk(worker: Worker, engine: Engine, body: bytes, kind: str, arrival: Arrival) -> tuple[bytes, bytes, Any]:
    """The answer to columns, computed in a thread.

    Args:
        worker: may have a shadow that answers, too.
        engine: what answers.
        body: an Arrow IPC stream or a NumPy file.
        kind: its content type.
        arrival: when the request came.

    Returns:
        The answer in the same format, its content type, and the header `lepton-request-id`.
    """
    content, identifier = await asyncio.to_thread(_answer, engine, body, kind, arrival)
    worker.shadow(engine, functools.partial(_repeat, body, kind, arrival))
    more = ((b"lepton-request-id", identifier.encode()), (b"lepton-model-version", engine.version.encode()))
    return content, kind.encode(), more


def _answer(engine: Engine, body: bytes, kind: str, arrival: Arrival, *, shadow: bool = False) -> tuple[bytes, str]:
    signature = engine.signature
    _check_outputs(signature, kind)
    columns = (from_arrow if kind == ARROW else from_numpy)(body, signature)
    rows = rows_of(columns)
    parts: list[Answers] = []
    for start in range(0, rows, _ROWS_AT_ONCE):
        part = {name: values[start : start + _ROWS_AT_ONCE] for name, values in columns.items()}
        try:
            parts.append(engine.model.predict(part))
        except RequestError as fault:
            raise fault.behind(start) from None
    answers = joined(parts)
    refuse_not_finite(answers, columns, signature)
    identifier = uuid7()
    identifiers = row_ids(identifier, rows)
    if isinstance(answers, Mapping):
        answer = arrow_outputs(identifiers, answers)
        plain = next(iter(answers.values()))
    else:
        labels = names_of(signature.classes, answers.argmax(1))
        answer, plain = arrow_answer(identifiers, labels, answers), answers
    logging = engine.logging
    if logging.draws(identifier):
        kept = logging.kept
        given, masked = (body, []) if kept.is_all else private_arrow(columns, kept)
        head = {
            "format": FORMAT,
            "id": identifier,
            "time": arrival.time,
            "slot": engine.slot,
            "version": engine.version,
            "latency_ms": round(arrival.ms, 4),
            "rows": rows,
            "kind": kind if kept.is_all else ARROW,
            "masked": masked,
            **({"shadow": True} if shadow else {}),
        }
        logging.bulk.append(_record(orjson.dumps(head), given, answer))
    return (answer if kind == ARROW else numpy_answer(plain)), identifier


def _check_outputs(signature: Signature, kind: str) -> None:
    """Refuse what cannot be answered in the form that was sent.

    Raises:
        RequestError: 415.
    """
    if any(-1 in one.shape for one in signature.outputs):
        raise RequestError(415, "unsupported_type", "the outputs differ in length: send application/json")
    if kind == NUMPY and len(signature.outputs) > 1:
        text = f"this model has several outputs, and a NumPy file holds one: send {ARROW} or application/json"
        raise RequestError(415, "unsupported_type", text)


def _repeat(body: bytes, kind: str, arrival: Arrival, other: Engine) -> None:
    # A body that does not fit the challenger is left out: nobody waits for this answer.
    with contextlib.suppress(Exception):
        _answer(other, body, kind, arrival, shadow=True)


def _record(*parts: bytes) -> bytes:
    crc = 0
    for part in parts:
        crc = zlib.crc32(part, crc)
    return b"".join((_HEAD.pack(_MAGIC, *map(len, parts), crc), *parts))


def records(content: bytes) -> Iterator[tuple[dict[str, Any], bytes, bytes, int]]:
    """The whole records of a log file; a torn one at its end is left out.

    Args:
        content: of the file, from the start of a record on.

    Yields:
        The head, the inputs, the answer, and where the record ends.
    """
    at = 0
    while at + _HEAD.size <= len(content):
        magic, *sizes, crc = _HEAD.unpack_from(content, at)
        end = at + _HEAD.size + sum(sizes)
        if magic != _MAGIC or end > len(content):
            return
        if zlib.crc32(content[at + _HEAD.size : end]) != crc:
            return
        first = at + _HEAD.size + sizes[0]
        head = orjson.loads(content[at + _HEAD.size : first])
        yield head, content[first : first + sizes[1]], content[first + sizes[1] : end], end
        at = end


def heads(stream: BinaryIO) -> Iterator[tuple[dict[str, Any], int, int]]:
    """The heads of a log file's whole records; what they stand before is skipped, not read.

    Args:
        stream: of the file, at the start of a record; it may be moved while this is read.

    Yields:
        The head, and where its record begins and ends.
    """
    at = stream.tell()
    size = stream.seek(0, os.SEEK_END)
    while at + _HEAD.size <= size:
        stream.seek(at)
        magic, *sizes, _ = _HEAD.unpack(stream.read(_HEAD.size))
        end = at + _HEAD.size + sum(sizes)
        if magic != _MAGIC or end > size:
            return
        try:
            head = orjson.loads(stream.read(sizes[0]))
        except orjson.JSONDecodeError:
            return
        yield head, at, end
        at = end
