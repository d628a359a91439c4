"""What a long piece of work says while it runs. Hosts draw it; the run's `events.jsonl` keeps it."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from ..errors import FormatError
from .shown import plain

__all__ = [
    "Curve",
    "Drawing",
    "Epoch",
    "Event",
    "Failed",
    "Finished",
    "Note",
    "Progress",
    "Report",
    "Resumed",
    "Started",
    "Usage",
    "decode",
    "encode",
    "silent",
]

_FORMAT = 1


@dataclass(frozen=True)
class Event:
    """Something that happened.

    Args:
        time: seconds since the epoch.
    """

    kind: ClassVar[str] = ""
    time: float


@dataclass(frozen=True)
class Started(Event):
    """The work began.

    Args:
        title: what it is, for people.
        total: units of work, 0 when unknown.
        run: id of the run, when the work is a training, whose units are batches.
        epochs: most epochs of a training, 0 when unknown.
    """

    kind: ClassVar[str] = "started"
    title: str
    total: int = 0
    run: str = ""
    epochs: int = 0


@dataclass(frozen=True)
class Resumed(Event):
    """A run goes on that had ended; what ended it before is over."""

    kind: ClassVar[str] = "resumed"


@dataclass(frozen=True)
class Progress(Event):
    """Some of the work is done.

    Args:
        done: units of work finished.
        total: units of work in all, 0 when unknown.
        text: what is being done now.
    """

    kind: ClassVar[str] = "progress"
    done: int
    total: int
    text: str = ""


@dataclass(frozen=True)
class Epoch(Event):
    """An epoch ended.

    Args:
        epoch: counted from 0.
        step: optimizer steps so far.
        metrics: values at its end; NaN for one that is not finite when it comes from a file.
        best: whether the weights of this epoch are the best so far.
    """

    kind: ClassVar[str] = "epoch"
    epoch: int
    step: int
    metrics: Mapping[str, float] = field(default_factory=dict)
    best: bool = False


@dataclass(frozen=True)
class Curve(Event):
    """Points of curves, one for each name.

    Args:
        step: optimizer steps before the measurement.
        metrics: values; NaN for one that is not finite when it comes from a file.
    """

    kind: ClassVar[str] = "curve"
    step: int
    metrics: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Usage(Event):
    """What a training took since the last of these events.

    Args:
        rate: rows per second.
        cpu: processors in use, 1.0 for one that is busy all the time.
        memory: bytes resident.
        gpu: share of the time that the GPU was busy, from 0 to 1; None without one.
        gpu_memory: bytes on the GPU; None without one.
    """

    kind: ClassVar[str] = "usage"
    rate: float
    cpu: float
    memory: int
    gpu: float | None = None
    gpu_memory: int | None = None


@dataclass(frozen=True)
class Note(Event):
    """A line for people."""

    kind: ClassVar[str] = "note"
    text: str


@dataclass(frozen=True)
class Drawing(Event):
    """A picture that takes the place of the one before it.

    Args:
        svg: one `<svg>` element, every text in it escaped.
        text: the same in a line.
    """

    kind: ClassVar[str] = "drawing"
    svg: str
    text: str = ""


@dataclass(frozen=True)
class Finished(Event):
    """The work ended as it should, or was stopped on request.

    Args:
        status: `finished` or `stopped`.
        text: a closing line.
    """

    kind: ClassVar[str] = "finished"
    status: str = "finished"
    text: str = ""


@dataclass(frozen=True)
class Failed(Event):
    """The work ended badly.

    Args:
        error: class name of the exception.
        message: its message, one line.
    """

    kind: ClassVar[str] = "failed"
    error: str
    message: str


Report = Callable[[Event], None]

_KINDS = {
    event.kind: event for event in (Started, Resumed, Progress, Epoch, Curve, Usage, Note, Drawing, Finished, Failed)
}


def silent(event: Event) -> None:
    """A report that nobody reads."""


def encode(event: Event) -> bytes:
    """One line of strict JSON, with its format and kind; a number that is not finite is null.

    Example:
        >>> encode(Epoch(time=1.0, epoch=0, step=4, metrics={"loss": float("inf")})).strip()
        b'{"format": 1, "kind": "epoch", "time": 1.0, "epoch": 0, "step": 4, "metrics": {"loss": null}, "best": false}'
    """
    body = {"format": _FORMAT, "kind": event.kind, **plain(event)}
    return json.dumps(body, allow_nan=False).encode() + b"\n"


def decode(line: bytes) -> Event:
    """The event of one line.

    Raises:
        FormatError: the line is torn, of an unknown kind or newer than this version.
    """
    try:
        body = json.loads(line)
        version, kind = body.pop("format"), _KINDS[body.pop("kind")]
        if version > _FORMAT:
            raise FormatError(f"run event of format {version}", expected=f"format {_FORMAT} or older")
        if "metrics" in body:
            body["metrics"] = {name: math.nan if value is None else value for name, value in body["metrics"].items()}
        return kind(**body)
    except (ValueError, KeyError, TypeError, AttributeError) as cause:
        raise FormatError("unreadable run event", expected="one JSON object of a known kind", got=str(cause)) from cause
