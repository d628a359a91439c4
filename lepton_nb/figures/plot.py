"""Figures that are drawn again at every update of a page: written as SVG directly, in a millisecond each.

They share their size and colours with those of Matplotlib (`canvas`).
"""

from __future__ import annotations

import html
import math
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .canvas import GRID, MUTED, WIDTH, css, say

__all__ = ["Panel", "key", "line", "rectangle", "round_ticks", "time_ticks", "write"]

_FONT = "font: {size:g}px system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
_MINUTES = (1, 2, 5, 10, 15, 30, 60, 120, 240, 360, 720)


@dataclass(frozen=True)
class Panel:
    """A rectangle with a scale in each direction.

    Args:
        left: pixels between it and the figure's left side.
        top: pixels above it.
        width: its own, in pixels.
        height: its own, in pixels.
        across: the values at its left and its right side.
        up: the values at its bottom and its top.
    """

    left: float
    top: float
    width: float
    height: float
    across: tuple[float, float]
    up: tuple[float, float]

    @classmethod
    def over(cls, height: float, across: tuple[float, float], up: tuple[float, float], *, left: float = 46) -> Panel:
        """One of a whole figure of that height, with room for a key above and a scale below."""
        return cls(left, 30, WIDTH - left - 12, height - 54, across, up)

    def x(self, value: float) -> float:
        """Where a value lies from left to right."""
        low, high = self.across
        return self.left + self.width * (value - low) / ((high - low) or 1.0)

    def y(self, value: float) -> float:
        """Where a value lies from top to bottom."""
        low, high = self.up
        return self.top + self.height * (1 - (value - low) / ((high - low) or 1.0))

    def axes(self, *, moments: bool = True) -> str:
        """Quiet lines at round values, and the time below."""
        parts = []
        for value in round_ticks(*self.up):
            y = self.y(value)
            parts.append(line([(self.left, y), (self.left + self.width, y)], GRID, 1))
            parts.append(write(self.left - 6, y, f"{value:g}", anchor="end"))
        if moments:
            below = self.top + self.height + 14
            parts += [write(self.x(moment), below, text, anchor="middle") for moment, text in time_ticks(*self.across)]
        return "".join(parts)

    def stairs(self, edges: Sequence[float], values: Sequence[float], base: Sequence[float] | None = None) -> str:
        """The path data of a closed shape: `values` over `base` between consecutive `edges`."""
        if not values:
            return ""
        above = [point for i, value in enumerate(values) for point in ((edges[i], value), (edges[i + 1], value))]
        floor = base if base is not None else [self.up[0]] * len(values)
        below = [point for i, value in enumerate(floor) for point in ((edges[i], value), (edges[i + 1], value))]
        return "M" + "L".join(f"{self.x(x):.1f} {self.y(y):.1f}" for x, y in (*above, *reversed(below))) + "z"

    def course(self, times: Sequence[float], values: Sequence[float | None]) -> list[list[tuple[float, float]]]:
        """The pieces of a curve between its gaps, as points of the figure."""
        pieces: list[list[tuple[float, float]]] = [[]]
        for moment, value in zip(times, values, strict=True):
            if value is None or not math.isfinite(value):
                pieces.append([])
            else:
                pieces[-1].append((self.x(moment), self.y(value)))
        return [piece for piece in pieces if piece]


def write(x: float, y: float, text: str, *, anchor: str = "start", colour: str = MUTED, size: float = 11.5) -> str:
    """A text that is vertically centred at a point, as it is, whatever characters it holds."""
    font = _FONT.format(size=size)
    return (
        f'<text x="{x:.1f}" y="{y + size * 0.35:.1f}" style="{font}; fill: {css(colour)}; '
        f'text-anchor: {anchor}">{html.escape(say(text, 200))}</text>'
    )


def line(points: Iterable[tuple[float, float]], colour: str, width: float, dashes: str = "") -> str:
    """A line through points of the figure."""
    drawn = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    dashed = f"; stroke-dasharray: {dashes}" if dashes else ""
    return f'<polyline points="{drawn}" style="fill: none; stroke: {css(colour)}; stroke-width: {width:g}{dashed}"/>'


def rectangle(
    x: float, y: float, width: float, height: float, colour: str, *, edge: str = "", opacity: float = 1
) -> str:
    """A filled rectangle; with an edge it is empty and hatched by its dashes, so that no colour alone says it."""
    style = f"fill: {css(colour)}"
    if edge:
        style += f"; stroke: {css(edge)}; stroke-width: 1.4; stroke-dasharray: 3 2"
    if opacity < 1:
        style += f"; fill-opacity: {opacity:.2f}"
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(width, 0):.1f}" height="{max(height, 0):.1f}" style="{style}"/>'


def key(entries: Sequence[tuple[str, str, str]], *, left: float = 46) -> str:
    """What each line is, in a row above the axes: text, colour and dashes of each."""
    parts, place = [], left
    for text, colour, dashes in entries:
        parts.append(line([(place, 14), (place + 22, 14)], colour, 2.4, dashes))
        parts.append(write(place + 28, 14, text))
        place += 48 + 6.6 * len(text)
    return "".join(parts)


def round_ticks(low: float, high: float, most: int = 4) -> list[float]:
    """Round values between two others.

    Example:
        >>> round_ticks(0, 10), round_ticks(0, 0.9)
        ([0.0, 2.5, 5.0, 7.5, 10.0], [0.0, 0.25, 0.5, 0.75])
    """
    if not high > low:
        return [low]
    rough = (high - low) / most
    power = 10.0 ** math.floor(math.log10(rough))
    apart = power * next(one for one in (1, 2, 2.5, 5, 10) if one * power >= rough * 0.999)
    first = math.ceil(low / apart - 1e-9)
    return [round(i * apart, 12) for i in range(first, math.floor(high / apart + 1e-9) + 1)]


def time_ticks(begin: float, end: float) -> list[tuple[float, str]]:
    """Whole hours and quarters of the local clock, not of Greenwich's, with what the clock says then.

    Args:
        begin: seconds since the epoch.
        end: seconds since the epoch.
    """
    if not end > begin:
        return []
    minutes = (end - begin) / 60
    days = max(1, math.ceil(minutes / 1440 / 7))
    apart = next((m for m in _MINUTES if minutes / m <= 7), 1440 * days) * 60
    offset = time.localtime(begin).tm_gmtoff
    first = int((begin + offset) // apart + 1) * apart - offset
    form = "%H:%M" if end - begin <= 2 * 86_400 else "%d %b"
    # A tick at the very edge would be cut off.
    return [
        (tick, time.strftime(form, time.localtime(tick)))
        for tick in range(int(first), int(end), int(apart))
        if end - tick > 0.03 * (end - begin)
    ]
