"""Moments that explain a curve: promotions, roll-backs, decisions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .canvas import INK, MUTED
from .plot import Panel, line, write

__all__ = ["Event", "marked"]

_MOST = 12


@dataclass(frozen=True)
class Event:
    """Something that happened at a moment.

    Args:
        time: seconds since the epoch.
        sign: one or two characters that stand at its line.
    """

    time: float
    sign: str


def marked(panel: Panel, events: Sequence[Event]) -> str:
    """A dotted line and a sign for each event within the panel's time, the newest twelve."""
    begin, end = panel.across
    within = [one for one in events if begin <= one.time <= end][-_MOST:]
    top, bottom = panel.top, panel.top + panel.height
    return "".join(
        line([(panel.x(one.time), top), (panel.x(one.time), bottom)], MUTED, 1.2, "1 3")
        + write(panel.x(one.time), top + 6, one.sign, anchor="middle", colour=INK)
        for one in within
    )
