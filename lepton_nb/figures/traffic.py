"""Requests, latencies and answers over time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from ..records import Traffic
from .canvas import ACCENT, ALARM, GROUND, INK, MUTED, SOFT, WIDTH, css, element, say
from .events import Event, marked
from .plot import Panel, key, line, rectangle, write

__all__ = ["latency", "mix", "requests"]

_HEIGHT = 200
_CLASSES = 12


def requests(steps: Sequence[Traffic], events: Sequence[Event] = ()) -> str:
    """Requests per second over time, failed ones on top with a dashed edge.

    Args:
        steps: consecutive stretches of time, oldest first.
        events: what happened meanwhile.

    Returns:
        One `<svg>` element.
    """
    answered = [(step.requests - step.errors) / step.seconds for step in steps]
    every = [step.requests / step.seconds for step in steps]
    highest = max([*every, 0.01])
    panel = Panel.over(_HEIGHT, _reach(steps), (0, highest * 1.12))
    body = panel.axes() if steps else ""
    if steps:
        edges = [step.start for step in steps] + [steps[-1].start + _length(steps)]
        area = panel.stairs(edges, answered)
        body += f'<path d="{area}" style="fill: {css(SOFT)}; stroke: {css(ACCENT)}; stroke-width: 1.2"/>'
        for i, step in enumerate(steps):
            if step.errors:
                left, top = panel.x(edges[i]), panel.y(every[i])
                tall = panel.y(answered[i]) - top
                body += rectangle(left, top, panel.x(edges[i + 1]) - left, max(tall, 1.5), GROUND, edge=ALARM)
        body += marked(panel, events)
    body += key((("answered", ACCENT, ""), ("failed (dashed)", ALARM, "3 2")))
    count, failed = sum(step.requests for step in steps), sum(step.errors for step in steps)
    said = f"{count} requests, {failed} of them failed; at most {max([*every, 0]):.3g} per second"
    return element(_HEIGHT, "Requests per second", said, body)


def latency(steps: Sequence[Traffic], events: Sequence[Event] = ()) -> str:
    """Median, 95th and 99th percentile of the latency over time.

    Args:
        steps: consecutive stretches of time, oldest first.
        events: what happened meanwhile.

    Returns:
        One `<svg>` element.
    """
    tracks = (
        ("p50", [step.p50_ms for step in steps], ACCENT, ""),
        ("p95", [step.p95_ms for step in steps], INK, "6 3"),
        ("p99", [step.p99_ms for step in steps], ALARM, "2 2"),
    )
    highest = max((value for _, values, _, _ in tracks for value in values if value is not None), default=1.0)
    panel = Panel.over(_HEIGHT, _reach(steps), (0, highest * 1.15))
    body = panel.axes() if steps else ""
    middles = [step.start + _length(steps) / 2 for step in steps]
    for _, values, colour, dashes in tracks:
        for piece in panel.course(middles, values):
            body += line(piece, colour, 1.8, dashes) + _dots(piece, colour)
    body += marked(panel, events) + key(tuple((f"{name} ms", colour, dashes) for name, _, colour, dashes in tracks))
    latest = next((step for step in reversed(steps) if step.p50_ms is not None), None)
    said = "no answers yet"
    if latest is not None:
        said = f"last known: p50 {latest.p50_ms:.3g}, p95 {latest.p95_ms:.3g}, p99 {latest.p99_ms:.3g} milliseconds"
    return element(_HEIGHT, "Latency in milliseconds", said, body)


def mix(steps: Sequence[Traffic]) -> str:
    """How often each class was predicted.

    Args:
        steps: stretches of time, summed.

    Returns:
        One `<svg>` element: a bar per class, the most frequent first, with its count and share.
    """
    labels: Counter[str] = Counter()
    for step in steps:
        labels.update(step.labels)
    # Ties keep the order of the names, so that bars do not change places from one look to the next.
    ranked = sorted(labels.items(), key=lambda one: (-one[1], one[0]))
    shown, rest = ranked[:_CLASSES], ranked[_CLASSES:]
    if rest:
        shown.append((f"{len(rest)} more classes", sum(number for _, number in rest)))
    count = labels.total()
    slots = max(len(shown), 2)
    widest = max([number for _, number in shown], default=1)
    body = ""
    for place, (name, number) in enumerate(shown):
        middle = 18 + 24 * place
        long = (WIDTH - 190 - 110) * number / widest
        body += write(184, middle, say(name, 26), anchor="end", colour=INK)
        body += rectangle(190, middle - 7.5, long, 15, ACCENT)
        body += write(196 + long, middle, f"{number:,} ({number / count:.1%})", colour=MUTED)
    said = ", ".join(f"{name}: {number} ({number / count:.1%})" for name, number in shown) or "no predictions yet"
    return element(20 + 24 * slots, "Predictions per class", said, body)


def _length(steps: Sequence[Traffic]) -> float:
    """The length of a whole step; the last one may still be going on."""
    return max((step.seconds for step in steps), default=1.0)


def _reach(steps: Sequence[Traffic]) -> tuple[float, float]:
    return (steps[0].start, steps[-1].start + _length(steps)) if steps else (0.0, 1.0)


def _dots(piece: Sequence[tuple[float, float]], colour: str) -> str:
    """A dot where a point stands alone between gaps: a line through it would not be seen."""
    if len(piece) > 1:
        return ""
    x, y = piece[0]
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.4" style="fill: {css(colour)}"/>'
