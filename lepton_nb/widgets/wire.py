"""What a view is sent: facts as a small object, and of the curves only those that changed, as bytes."""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass, field
from typing import Any

from .. import figures
from ..records import Line, plain
from .state import Facts, Training

__all__ = ["Frame", "Wire", "facts_of", "packed"]

# Curves that do not fit into one update wait for the next one, and are then the first.
_MOST_BYTES = 40_000
_LONGEST = 300
_LARGEST = 3.4e38


@dataclass(frozen=True)
class Frame:
    """One update.

    Args:
        facts: what there is beside the curves.
        curves: name, panel, count and last value of each, in a fixed order.
        changed: place of a curve and its points.
        log: the last lines of the log.
        text: the same in one line, for a place without widgets.
        more: whether a curve waits for the next update.
    """

    facts: dict[str, Any]
    curves: list[dict[str, Any]]
    changed: dict[int, bytes] = field(default_factory=dict)
    log: list[str] = field(default_factory=list)
    text: str = ""
    more: bool = False


class Wire:
    """Remembers which curves a view has."""

    def __init__(self) -> None:
        self._sent: dict[str, int] = {}
        self._next = 0

    def frame(self, training: Training, *, asked: bool, problem: str, log: list[str]) -> Frame:
        """The update that is due.

        Args:
            training: what is known.
            asked: whether the trainer was asked to stop.
            problem: why it could not be asked.
            log: the last lines of the log.
        """
        every = list(training.series.values())
        changed: dict[int, bytes] = {}
        size, more = 0, False
        for turn in range(len(every)):
            place = (self._next + turn) % len(every)
            one = every[place]
            if self._sent.get(one.name) == one.version:
                continue
            points = packed(one.line())
            if changed and size + len(points) > _MOST_BYTES:
                self._next, more = place, True
                break
            changed[place] = points
            size += len(points)
            self._sent[one.name] = one.version
        curves = [
            {
                "name": clipped(one.name, 80),
                "panel": "loss" if figures.is_loss(one.name) else "metric",
                "count": one.count,
                "last": plain(one.last),
            }
            for one in every
        ]
        facts = facts_of(training.facts, asked=asked, problem=problem)
        return Frame(facts, curves, changed, log, said(training), more)


def packed(line: Line) -> bytes:
    """Steps as unsigned 32-bit numbers, then values as 32-bit floats, little-endian."""
    count = len(line.steps)
    steps = (min(step, 2**32 - 1) for step in line.steps)
    values = (value if abs(value) <= _LARGEST else math.nan for value in line.values)
    return struct.pack(f"<{count}I{count}f", *steps, *values)


def facts_of(facts: Facts, *, asked: bool, problem: str) -> dict[str, Any]:
    """The facts as what JSON can hold, every text short enough for an update."""
    state: dict[str, Any] = plain(facts)
    for name in ("samples", "started", "now", "before"):
        del state[name]
    state["title"], state["text"] = clipped(facts.title), clipped(facts.text)
    state["notes"] = [clipped(note) for note in facts.notes[-3:]]
    state["best_metrics"] = dict(list(state["best_metrics"].items())[:8])
    return state | {
        "seconds": facts.seconds,
        "left": facts.left,
        "asked": asked and not facts.over,
        "problem": clipped(problem),
    }


def said(training: Training) -> str:
    """How far a training is, in a line."""
    facts = training.facts
    parts = [f"training {training.name}: {facts.phase}", f"epoch {facts.epoch:,} of {facts.epochs:,}"]
    if facts.total:
        parts.append(f"batch {facts.done:,} of {facts.total:,}")
    parts += [f"{one.name} {one.last:.4g}" for one in list(training.series.values())[:6]]
    return clipped(", ".join(parts))


def clipped(text: str, most: int = _LONGEST) -> str:
    """`text`, or its beginning."""
    return text if len(text) <= most else text[: most - 1] + "…"
