"""Measures over time, and how long things took."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from .canvas import ACCENT, ALARM, GROUND, INK, MUTED, SOFT, WIDTH, css, element, say
from .events import Event, marked
from .plot import Panel, key, line, rectangle, write

__all__ = ["Track", "bars", "trends"]

_HEIGHT = 200
_LOOKS = ((ACCENT, ""), (INK, "6 3"), (ALARM, "2 2"), (MUTED, "8 2 2 2"), (SOFT, "10 3"))
_MOST = 14


@dataclass(frozen=True)
class Track:
    """A measure over time.

    Args:
        name: of the measure.
        times: seconds since the epoch, ascending.
        values: one per time; None where there is none.
    """

    name: str
    times: tuple[float, ...]
    values: tuple[float | None, ...]


def trends(
    tracks: Sequence[Track],
    *,
    title: str,
    across: tuple[float, float] | None = None,
    up: tuple[float, float] | None = None,
    events: Sequence[Event] = (),
) -> str:
    """Several measures over time on one scale.

    Args:
        tracks: the measures, five at most are drawn.
        title: what they are.
        across: begin and end, in seconds since the epoch; default: those of the measures.
        up: lowest and highest value of the scale; default: from 0, or the lowest, to the highest.
        events: what happened meanwhile.

    Returns:
        One `<svg>` element.
    """
    shown = tracks[: len(_LOOKS)]
    known = [v for one in shown for v in one.values if v is not None and math.isfinite(v)]
    times = [t for one in shown for t in one.times]
    reach = across or ((min(times), max(times)) if times else (0.0, 1.0))
    low, high = min([*known, 0.0]), max(known, default=1.0)
    panel = Panel.over(_HEIGHT, reach, up or (low, high * 1.12 if high > 0 else 1.0))
    body = panel.axes() if known else ""
    for one, (colour, dashes) in zip(shown, _LOOKS, strict=False):
        for piece in panel.course(one.times, one.values):
            body += line(piece, colour, 1.8, dashes)
            if len(piece) <= 2:
                body += "".join(
                    f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.4" style="fill: {css(colour)}"/>' for x, y in piece
                )
    looks = zip(shown, _LOOKS, strict=False)
    body += marked(panel, events) + key([(say(one.name, 16), colour, dashes) for one, (colour, dashes) in looks])
    said = "; ".join(f"{one.name}: last {_last(one)}" for one in tracks) or "nothing was measured"
    return element(_HEIGHT, title, said, body)


def bars(rows: Sequence[tuple[str, float, str, bool]], *, title: str) -> str:
    """One bar per row.

    Args:
        rows: name, length, what is written behind the bar, and whether it is bad.
        title: what the lengths are.

    Returns:
        One `<svg>` element.
    """
    shown = rows[:_MOST]
    widest = max([value for _, value, _, _ in shown], default=1.0) or 1.0
    body = ""
    for place, (name, value, words, bad) in enumerate(shown):
        middle = 14 + 22 * place
        long = (WIDTH - 200 - 150) * max(value, 0.0) / widest
        body += write(194, middle, say(name, 28), anchor="end", colour=INK)
        body += rectangle(200, middle - 6.5, max(long, 1.5), 13, GROUND if bad else ACCENT, edge=ALARM if bad else "")
        body += write(208 + long, middle, say(words, 26), colour=ALARM if bad else MUTED)
    said = "; ".join(f"{name}: {words}" for name, _, words, _ in shown) or "nothing yet"
    return element(14 + 22 * max(len(shown), 2), title, said, body)


def _last(one: Track) -> str:
    known = [value for value in one.values if value is not None and math.isfinite(value)]
    return f"{known[-1]:.4g}" if known else "unknown"
