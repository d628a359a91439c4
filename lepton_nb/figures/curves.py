"""How loss and metrics went over the steps of a training, or of several."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..records import Line
from .canvas import ACCENT, ALARM, GRID, INK, MUTED, SOFT, WIDTH, axes, canvas, label, say, svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["curves", "is_loss", "overlay"]

_PANEL = 190
_LEFT, _RIGHT, _TOP, _BOTTOM = 54, 150, 26, 26
# Lines of a panel differ in dashes first, and in colour too: the dashes alone tell them apart.
_DASHES = (
    "-",
    (0, (6, 2)),
    (0, (1.2, 1.8)),
    (0, (6, 2, 1.2, 2)),
    (0, (12, 3)),
    (0, (3, 3)),
    (0, (9, 2, 1.2, 2, 1.2, 2)),
)
_COLOURS = (ACCENT, INK, ALARM, MUTED, SOFT)
_MOST_LINES = 14
# A point takes a dozen bytes of SVG.
_MOST_POINTS = 4000
_MARKED = 30
_PLACES = re.compile(r' (?:d|x|y)="[^"]*"')
_NUMBER = re.compile(r"-?\d+\.\d{2,}")


def is_loss(name: str) -> bool:
    """Whether a metric of this name is a loss, which is drawn with the losses.

    Example:
        >>> is_loss("val_loss"), is_loss("val_accuracy")
        (True, False)
    """
    return "loss" in name.lower()


def curves(lines: Sequence[Line], *, title: str, best: int | None = None) -> str:
    """Losses in one panel, with a logarithmic scale where they span more than a decade, other metrics in a second.

    Args:
        lines: the curves of one training.
        title: what was trained.
        best: steps at the end of the best epoch, which is marked.

    Returns:
        One `<svg>` element, below 150 KB.
    """
    panels = [("loss", [line for line in lines if is_loss(line.name)])]
    panels.append(("metrics", [line for line in lines if not is_loss(line.name)]))
    panels = [(name, held) for name, held in panels if held] or [("loss", [])]
    figure = canvas(_PANEL * len(panels))
    begin, end = min((line.steps[0] for line in lines if line.steps), default=0), _steps(lines)
    for place, (name, held) in enumerate(panels):
        below = _PANEL * (len(panels) - 1 - place)
        area = axes(figure, left=_LEFT, right=_RIGHT, top=_TOP + _PANEL * place, bottom=_BOTTOM + below)
        entries = [(line, line.name) for line in held[:_MOST_LINES]]
        most = _MOST_POINTS // max(1, min(_MOST_LINES, len(held)) * len(panels))
        log = name == "loss" and _spans_decades(held)
        if end > begin:
            area.set_xlim(begin - 0.02 * (end - begin), end + 0.02 * (end - begin))
        _draw(area, entries, most, log=log)
        more = len(held) - len(entries)
        heading = name + (", logarithmic" if log else "") + (f" ({more} more not drawn)" if more else "")
        label(area, 0, 1 + 12 / 130, heading, transform=area.transAxes, color=MUTED)
        if best is not None:
            area.axvline(best, color=MUTED, linewidth=1, linestyle=(0, (1, 2)))
            label(area, best, 1 + 12 / 130, "best", transform=area.get_xaxis_transform(), ha="center", color=MUTED)
    return _finish(svg(figure, say(f"Curves of {title}", 80), _said(lines, best)))


def overlay(lines: Sequence[Line], *, metric: str) -> str:
    """One metric of several runs.

    Args:
        lines: that metric's curves; `Line.run` names the run of each.
        metric: its name.

    Returns:
        One `<svg>` element; each run has dashes and a colour of its own, and its name at its end.
    """
    figure = canvas(_PANEL + 50)
    area = axes(figure, left=_LEFT, right=_RIGHT, top=_TOP, bottom=_BOTTOM)
    shown = lines[:_MOST_LINES]
    log = is_loss(metric) and _spans_decades(lines)
    _draw(area, [(line, line.run or line.name) for line in shown], _MOST_POINTS // max(1, len(shown)), log=log)
    more = f" ({len(lines) - len(shown)} more runs not drawn)" if len(lines) > len(shown) else ""
    heading = f"{say(metric)}{', logarithmic' if log else ''}{more}"
    label(area, 0, 1.06, heading, transform=area.transAxes, color=MUTED)
    said = "; ".join(f"{line.run or line.name}: {_ending(line)}" for line in shown) or "no runs"
    return _finish(svg(figure, say(f"{metric} of {len(lines)} runs", 80), said))


def thin(line: Line, most: int) -> Line:
    """At most about `most` points of a curve: the lowest and the highest of each stretch, gaps, and both ends."""
    count = len(line.steps)
    if count <= most:
        return line
    stretches = max(1, most // 3)
    kept = {0, count - 1}
    for i in range(stretches):
        places = range(count * i // stretches, count * (i + 1) // stretches)
        known = [place for place in places if math.isfinite(line.values[place])]
        if known:
            kept |= {min(known, key=line.values.__getitem__), max(known, key=line.values.__getitem__)}
        if len(known) < len(places):
            kept.add(next(place for place in places if not math.isfinite(line.values[place])))
    order = sorted(kept)
    return Line(line.name, tuple(line.steps[i] for i in order), tuple(line.values[i] for i in order), line.run)


def _draw(area: Axes, entries: Sequence[tuple[Line, str]], most: int, *, log: bool) -> None:
    from matplotlib.ticker import LogLocator, MaxNLocator, ScalarFormatter

    area.grid(axis="y", color=GRID, linewidth=1)
    ends = []
    for place, (line, name) in enumerate(entries):
        style: dict[str, Any] = {"color": _COLOURS[place % len(_COLOURS)], "linestyle": _DASHES[place % len(_DASHES)]}
        drawn = thin(line, most)
        values = [value if math.isfinite(value) else math.nan for value in drawn.values]
        known = [value for value in values if not math.isnan(value)]
        # A point between two gaps is no line: few points are marked, so that none is lost.
        marker: dict[str, Any] = {"marker": "os^Dv"[place % 5], "markersize": 3} if len(values) <= _MARKED else {}
        area.plot(drawn.steps, values, linewidth=1.6 if len(values) < 200 else 1.1, **style, **marker)
        ends.append((known[-1] if known else None, f"{say(name, 15)} {_number(line)}", style))
    if log:
        area.set_yscale("log")
        # Powers of ten alone would leave a short scale with a single number.
        area.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if _decades(area) < 3 else (1,)))
        area.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    else:
        area.yaxis.set_major_locator(MaxNLocator(4))
        area.yaxis.set_major_formatter(ScalarFormatter(useOffset=False, useMathText=False))
    area.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    area.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    area.tick_params(which="minor", labelleft=False, length=0)
    if not entries:
        area.set_xticks([])
        area.set_yticks([])
        label(area, 0.5, 0.5, "nothing was measured", transform=area.transAxes, ha="center", color=MUTED)
    _name_ends(area, ends)


def _name_ends(area: Axes, ends: Sequence[tuple[float | None, str, dict[str, Any]]]) -> None:
    """Write each line's name at the height of its end, or as near as there is room."""
    height = area.get_window_extent().height
    apart = min(15.0, (height + 10) / max(1, len(ends)))
    wanted = []
    for place, (end, _, _) in enumerate(ends):
        at = 0.0 if end is None else float(area.transAxes.inverted().transform(area.transData.transform((0, end)))[1])
        wanted.append((at * height, place))
    wanted.sort()
    spots: dict[int, float] = {}
    low = -6.0
    for at, place in wanted:
        spots[place] = max(at, low)
        low = spots[place] + apart
    high = height + 4
    for _, place in reversed(wanted):
        spots[place] = min(spots[place], high)
        high = spots[place] - apart
    for place, (_, text, style) in enumerate(ends):
        at = spots[place] / height
        begin = 1 + 6 / (WIDTH - _LEFT - _RIGHT)
        area.plot([begin, begin + 0.06], [at, at], transform=area.transAxes, clip_on=False, linewidth=2, **style)
        label(area, begin + 0.075, at, text, transform=area.transAxes, fontsize=10)


def _decades(area: Axes) -> float:
    low, high = area.get_ylim()
    return math.log10(high / low)


def _steps(lines: Sequence[Line]) -> int:
    return max((line.steps[-1] for line in lines if line.steps), default=0)


def _spans_decades(lines: Sequence[Line]) -> bool:
    values = [value for line in lines for value in line.values if math.isfinite(value)]
    return bool(values) and min(values) > 0 and max(values) > 10 * min(values)


def _number(line: Line) -> str:
    known = next((value for value in reversed(line.values) if math.isfinite(value)), None)
    return "-" if known is None else f"{known:.4g}"


def _ending(line: Line) -> str:
    known = [value for value in line.values if math.isfinite(value)]
    if not known:
        return "no values"
    return f"last {_number(line)}, lowest {min(known):.4g}, highest {max(known):.4g} over {line.steps[-1]} steps"


def _said(lines: Sequence[Line], best: int | None) -> str:
    said = "; ".join(f"{line.name}: {_ending(line)}" for line in lines[: 2 * _MOST_LINES]) or "nothing was measured"
    return said if best is None else f"{said}; the best epoch ended at step {best}"


def _finish(text: str) -> str:
    """The same picture with coordinates of a tenth of a pixel: no eye sees more, and a file holds half."""

    def shorter(number: re.Match[str]) -> str:
        return f"{float(number[0]):.1f}".removesuffix(".0")

    return _PLACES.sub(lambda found: _NUMBER.sub(shorter, found[0]), text)
