"""Whether an Arrow IPC stream is compressed: a few bytes of it could then stand for gigabytes.

The reader unpacks whatever it finds, so its messages are looked at before (Arrow's IPC format and FlatBuffers' layout
of tables; numbers are little-endian). What is no such stream is left to the reader to refuse.
"""

from __future__ import annotations

import struct

from .errors import RequestError

__all__ = ["refuse_compressed"]

_CONTINUES = 0xFFFFFFFF
# Fields of the tables Message, DictionaryBatch and RecordBatch; types of a header.
_HEADER_TYPE, _HEADER, _BODY_LENGTH, _DATA, _COMPRESSION = 1, 2, 3, 1, 3
_DICTIONARY, _RECORD_BATCH = 2, 3


def refuse_compressed(stream: bytes) -> None:
    """Raise when a batch of a stream is compressed.

    Args:
        stream: an Arrow IPC stream.

    Raises:
        RequestError: 415.
    """
    at = 0
    try:
        while at + 4 <= len(stream):
            (size,) = struct.unpack_from("<I", stream, at)
            at += 4
            if size == _CONTINUES:
                (size,) = struct.unpack_from("<I", stream, at)
                at += 4
            if size == 0:
                return
            if _is_compressed(stream[at : at + size]):
                text = "a compressed Arrow stream is not taken; write it without compression"
                raise RequestError(415, "unsupported_type", text)
            at += size + _number(stream[at : at + size], 0, _BODY_LENGTH, "<q")
    except (struct.error, IndexError):
        return


def _is_compressed(message: bytes) -> bool:
    kind = _number(message, 0, _HEADER_TYPE, "<B")
    place = _field(message, _table(message, 0), _HEADER)
    if kind == _DICTIONARY and place:
        place = _field(message, _table(message, place), _DATA)
    is_batch = kind in (_DICTIONARY, _RECORD_BATCH) and place > 0
    return is_batch and _field(message, _table(message, place), _COMPRESSION) > 0


def _table(message: bytes, at: int) -> int:
    """Where the table lies that an offset at `at` points to."""
    return at + int(struct.unpack_from("<I", message, at)[0])


def _field(message: bytes, table: int, number: int) -> int:
    """Where a field of a table lies; 0 when it has none."""
    fields = table - int(struct.unpack_from("<i", message, table)[0])
    (size,) = struct.unpack_from("<H", message, fields)
    at = 4 + 2 * number
    offset = int(struct.unpack_from("<H", message, fields + at)[0]) if at + 2 <= size else 0
    return table + offset if offset else 0


def _number(message: bytes, root: int, number: int, form: str) -> int:
    """A number of the root table; 0 when it is not there."""
    place = _field(message, _table(message, root), number)
    return int(struct.unpack_from(form, message, place)[0]) if place else 0
