"""What `/feedback` and `lepton feedback` wrote: one label a line."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import orjson

from ...errors import FormatError
from ...runtime import FORMAT
from .finding import moment_of

__all__ = ["FEEDBACK", "Step", "Told", "told"]

# Those of other machines have a time before their names.
FEEDBACK = "*feedback-*.jsonl"


class Told(NamedTuple):
    """A label.

    Args:
        id: of the prediction that it belongs to.
        label: the class that was right.
        time: when it was told, seconds since the epoch.
    """

    id: str
    label: str
    time: float


class Step(NamedTuple):
    """What a stretch of a file said.

    Args:
        labels: in the order of the file.
        end: where the last whole line ends.
        broken: lines that are none of ours.
    """

    labels: list[Told]
    end: int
    broken: int


def told(path: Path, offset: int, most: int) -> Step:
    """The labels of a file behind `offset`; a line that is still being written waits for its end.

    Args:
        path: the file.
        offset: bytes that were read before.
        most: bytes to read now, up to the end of the line that they end in.

    Raises:
        FormatError: a line has a newer format than this version reads.
    """
    with path.open("rb") as stream:
        stream.seek(offset)
        content = stream.read(most)
        if len(content) == most:
            content += stream.readline()
    whole, end, _ = content.rpartition(b"\n")
    lines = whole.split(b"\n") if end else []
    found = list(_parsed(lines, path))
    return Step(found, offset + len(whole) + len(end), len(lines) - len(found))


def _parsed(lines: list[bytes], path: Path) -> Iterator[Told]:
    for line in lines:
        try:
            entry = orjson.loads(line)
            number = int(entry["format"])
            one = Told(str(entry["id"]), _text(entry["label"]), float(entry["time"]))
            sound = math.isfinite(moment_of(one.id)) and math.isfinite(one.time)
        except (ValueError, TypeError, KeyError):
            continue
        if number > FORMAT:
            raise FormatError(
                f"{path} has lines of format {number}",
                expected=f"format {FORMAT} or older",
                hint="upgrade lepton_nb to the version that serves this deployment",
            )
        if sound:
            yield one


def _text(label: object) -> str:
    """A label as one text, which is the same whatever the order of several labels or numbers is."""
    if isinstance(label, (list, dict)):
        return orjson.dumps(sorted(label) if isinstance(label, list) else label, option=orjson.OPT_SORT_KEYS).decode()
    return str(label)
