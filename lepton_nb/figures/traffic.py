"""Requests, latencies and answers over time."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..records import Traffic
from .canvas import ACCENT, ALARM, GRID, GROUND, INK, MUTED, SOFT, axes, canvas, label, say, svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["latency", "mix", "requests"]

_HEIGHT = 200
_CLASSES = 12


def requests(steps: Sequence[Traffic]) -> str:
    """Requests per second over time, failed ones on top and hatched.

    Args:
        steps: consecutive stretches of time, oldest first.

    Returns:
        One `<svg>` element.
    """
    answered = [(step.requests - step.errors) / step.seconds for step in steps]
    every = [step.requests / step.seconds for step in steps]
    figure = canvas(_HEIGHT)
    area = axes(figure, left=46, top=30)
    _time_axis(area, steps)
    if steps:
        edges = [step.start for step in steps] + [steps[-1].start + _length(steps)]
        area.stairs(answered, edges, fill=True, color=SOFT)
        area.stairs(answered, edges, color=ACCENT, linewidth=1.5)
        area.stairs(every, edges, baseline=answered, fill=True, facecolor=GROUND, edgecolor=ALARM, hatch="////", lw=0)
    area.set_ylim(0, max([*every, 0.01]) * 1.12)
    _key(area, (("answered", ACCENT, "-"), ("failed (hatched)", ALARM, ":")))
    count, failed = sum(step.requests for step in steps), sum(step.errors for step in steps)
    return svg(
        figure,
        "Requests per second",
        f"{count} requests, {failed} of them failed; at most {max([*every, 0]):.3g} per second",
    )


def latency(steps: Sequence[Traffic]) -> str:
    """Median, 95th and 99th percentile of the latency over time.

    Args:
        steps: consecutive stretches of time, oldest first.

    Returns:
        One `<svg>` element.
    """
    figure = canvas(_HEIGHT)
    area = axes(figure, left=46, top=30)
    _time_axis(area, steps)
    lines = (
        ("p50", [step.p50_ms for step in steps], ACCENT, "-"),
        ("p95", [step.p95_ms for step in steps], INK, "--"),
        ("p99", [step.p99_ms for step in steps], ALARM, ":"),
    )
    middles = [step.start + _length(steps) / 2 for step in steps]
    for _, values, colour, dashes in lines:
        known = [float("nan") if value is None else value for value in values]
        area.plot(middles, known, color=colour, linestyle=dashes, linewidth=1.8, marker="o", markersize=2.6)
    highest = max((value for _, values, _, _ in lines for value in values if value is not None), default=1.0)
    area.set_ylim(0, highest * 1.15)
    _key(area, tuple((f"{name} ms", colour, dashes) for name, _, colour, dashes in lines))
    latest = next((step for step in reversed(steps) if step.p50_ms is not None), None)
    said = "no answers yet"
    if latest is not None:
        said = f"last known: p50 {latest.p50_ms:.3g}, p95 {latest.p95_ms:.3g}, p99 {latest.p99_ms:.3g} milliseconds"
    return svg(figure, "Latency in milliseconds", said)


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
    figure = canvas(20 + 24 * max(len(shown), 2))
    area = axes(figure, left=190, right=110, top=6, bottom=14)
    places = range(len(shown))
    area.barh(places, [number for _, number in shown], height=0.62, color=ACCENT)
    area.set_xlim(0, max([number for _, number in shown], default=1))
    area.set_ylim(max(len(shown), 2) - 0.5, -0.5)
    area.set_xticks([])
    area.set_yticks([])
    area.spines["bottom"].set_visible(False)
    widest = area.get_xlim()[1]
    for place, (name, number) in zip(places, shown, strict=True):
        label(area, -0.02 * widest, place, say(name, 26), ha="right")
        label(area, number + 0.02 * widest, place, f"{number:,} ({number / count:.1%})", color=MUTED)
    said = ", ".join(f"{name}: {number} ({number / count:.1%})" for name, number in shown) or "no predictions yet"
    return svg(figure, "Predictions per class", said)


def _length(steps: Sequence[Traffic]) -> float:
    """The length of a whole step; the last one may still be going on."""
    return max((step.seconds for step in steps), default=1.0)


def _time_axis(area: Axes, steps: Sequence[Traffic]) -> None:
    from matplotlib.ticker import MaxNLocator

    area.grid(axis="y", color=GRID, linewidth=1)
    area.yaxis.set_major_locator(MaxNLocator(4))
    if not steps:
        area.set_xticks([])
        return
    begin, end = steps[0].start, steps[-1].start + _length(steps)
    area.set_xlim(begin, end)
    minutes = (end - begin) / 60
    apart = next((m for m in (1, 2, 5, 10, 15, 30, 60, 120, 240, 360, 720) if minutes / m <= 7), 1440) * 60
    # Whole hours and quarters of the local clock, not of Greenwich's.
    offset = time.localtime(begin).tm_gmtoff
    first = int((begin + offset) // apart + 1) * apart - offset
    # A tick at the very edge would be cut off.
    ticks = [tick for tick in range(int(first), int(end), int(apart)) if end - tick > 0.03 * (end - begin)]
    form = "%H:%M" if end - begin <= 2 * 86_400 else "%d %b"
    area.set_xticks(ticks, [time.strftime(form, time.localtime(tick)) for tick in ticks])


def _key(area: Axes, entries: Sequence[tuple[str, str, str]]) -> None:
    """What each line is, written in a row above the axes."""
    place = 0.0
    for text, colour, dashes in entries:
        area.plot(
            [place, place + 0.045],
            [1.1, 1.1],
            color=colour,
            linestyle=dashes,
            linewidth=2.4,
            transform=area.transAxes,
            clip_on=False,
        )
        label(area, place + 0.06, 1.1, text, transform=area.transAxes, color=MUTED)
        place += 0.1 + 0.0155 * len(text)
