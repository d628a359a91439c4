"""Whether an ONNX file stands alone.

ONNX Runtime follows references to other files, and a hard link is enough to lead it out of the model's folder. The
`onnx` package could tell, but a Bento does not carry it, so the few messages that lead to a tensor are walked here
(field numbers of onnx.proto3; wire format of Protocol Buffers).
"""

from __future__ import annotations

from collections.abc import Iterator

from .errors import ModelError

__all__ = ["stands_alone"]

# Message -> field number -> the message that lies there.
_INSIDE = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node", 11: "attribute"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {},
}
_EXTERNAL_DATA, _DATA_LOCATION = 13, 14
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


def stands_alone(content: bytes) -> bool:
    """Whether no tensor of a serialised ONNX model lies in another file.

    Args:
        content: the file's bytes.

    Raises:
        ModelError: they are not a Protocol Buffers message.
    """
    try:
        return not _refers(memoryview(content), "model")
    except (IndexError, RecursionError) as cause:
        raise ModelError("the bytes are not an ONNX model") from cause


def _refers(message: memoryview, kind: str) -> bool:
    for number, value in _fields(message):
        if kind == "tensor" and (number == _EXTERNAL_DATA or (number == _DATA_LOCATION and value)):
            return True
        inner = _INSIDE[kind].get(number)
        if inner and isinstance(value, memoryview) and _refers(value, inner):
            return True
    return False


def _fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Field number and value of each field: a number, or the bytes of text, bytes and messages."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        wire = key & 7
        value: int | memoryview = 0
        if wire == _VARINT:
            value, at = _varint(message, at)
        elif wire == _BYTES:
            size, at = _varint(message, at)
            if at + size > len(message):
                raise IndexError(at)
            value, at = message[at : at + size], at + size
        elif wire in (_FIXED64, _FIXED32):
            at += 8 if wire == _FIXED64 else 4
        else:
            raise IndexError(at)
        yield key >> 3, value


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at
        if shift > 63:
            raise IndexError(at)
