"""The lines of a prediction log: where they end, and what each says."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from ..errors import FormatError
from ..runtime import FORMAT

__all__ = ["parse_line", "pieces", "whole_lines"]

# About ten thousand lines at a time: enough for counting them together, little enough to hold in memory.
_CHUNK_BYTES = 8 * 1024 * 1024
# Seconds since the epoch that a clock can show: to the year 9999.
_LATEST = 253_402_300_800.0


def whole_lines(log: Path, offset: int) -> Iterator[bytes]:
    """The bytes behind `offset` up to the last line's end, in pieces that end with a line each."""
    with log.open("rb") as stream:
        yield from pieces(stream, offset, _CHUNK_BYTES)


def pieces(stream: BinaryIO, offset: int, size: int) -> Iterator[bytes]:
    """The whole lines of a stream behind `offset`, about `size` bytes of them at a time."""
    stream.seek(offset)
    rest = b""
    while block := stream.read(size):
        whole, end, tail = block.rpartition(b"\n")
        if end:
            yield rest + whole + end
            rest = tail
        else:
            rest += block


def parse_line(line: bytes) -> dict[str, Any] | None:
    """The entry of one line, or None when it is broken.

    Raises:
        FormatError: it has a newer format than this version reads.
    """
    try:
        entry = orjson.loads(line)
        number, time, latency = int(entry["format"]), float(entry["time"]), float(entry["latency_ms"])
        sound = isinstance(entry["version"], str) and 0 <= time < _LATEST and math.isfinite(latency)
        if "error" in entry:
            sound = sound and isinstance(entry["status"], int)
        else:
            outputs = entry["outputs"]
            # A model that tells no class answers numbers by their names.
            sound = sound and isinstance(entry["inputs"], dict) and isinstance(outputs, dict) and bool(outputs)
            sound = sound and isinstance(outputs.get("label", ""), str)
    except (ValueError, TypeError, KeyError):
        return None
    if number > FORMAT:
        raise FormatError(
            f"the prediction log has lines of format {number}",
            expected=f"format {FORMAT} or older",
            hint="upgrade lepton_nb to the version that serves this deployment",
        )
    return entry if sound else None
