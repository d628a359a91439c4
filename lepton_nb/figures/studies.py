"""What a study has tried: the best so far or the front, parallel coordinates, what mattered, and the best trials."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..records import Objective, Study, Trial, cell
from .canvas import ACCENT, ALARM, GRID, INK, MUTED, SOFT, WIDTH, css, element, say
from .plot import Panel, line, rectangle, round_ticks, write

__all__ = ["board"]

_HIGH, _GAP, _ROW = 120.0, 50.0, 18.0
_LEFT, _RIGHT = 58.0, 18.0
# More axes cannot be told apart, and more lines only fill the file.
_AXES, _LINES, _DOTS, _TABLE, _BARS = 6, 60, 250, 5, 6


def board(study: Study) -> str:
    """A study as one picture.

    Args:
        study: as it stands.

    Returns:
        One `<svg>` element, below 100 KB; every text in it is escaped.
    """
    parts = [write(8, 12, say(f"study {study.name}: {study.said}", 90), colour=INK)]
    top = 50.0
    many = len(study.objectives) > 1
    for title, drawn in (
        (_heading(study), _front(study, top) if many else _best_so_far(study, top)),
        ("what was tried; the best in front", _parallel(study, top + _HIGH + _GAP)),
    ):
        parts += [write(8, top - 15, title), drawn]
        top += _HIGH + _GAP
    rows = _importance(study, top)
    if rows:
        parts.append(write(8, top - 14, f"what {say(study.objectives[0].name, 24)} hangs on"))
        parts += rows
        top += len(rows) / 3 * _ROW + 26
    best = _ordered(study)[:_TABLE]
    parts += [write(8, top - 14, "the best" if best else "")]
    parts += [write(8, top + _ROW * place, _row(study, one), colour=INK) for place, one in enumerate(best)]
    return element(top + _ROW * max(len(best), 1), f"Study {study.name}", _words(study), "".join(parts))


@dataclass(frozen=True)
class _Scale:
    """Where values of one name lie between 0 and 1.

    Args:
        low: the least.
        high: the largest.
        log: whether their logarithm is spread evenly.
        names: the choices, where they are no numbers.
    """

    low: float
    high: float
    log: bool = False
    names: tuple[str, ...] = ()

    @classmethod
    def of(cls, values: Sequence[Any]) -> _Scale:
        """The scale of what was tried."""
        if not values or not all(_is_number(one) for one in values):
            names = tuple(sorted({cell(one) for one in values}))
            return cls(0, max(1, len(names) - 1), names=names)
        low, high = float(min(values)), float(max(values))
        return cls(low, high, log=low > 0 and high > 20 * low)

    def place(self, value: Any) -> float:
        """Between 0 and 1; a half where there is only one value."""
        if self.names:
            return self.names.index(cell(value)) / self.high if len(self.names) > 1 else 0.5
        if self.high <= self.low:
            return 0.5
        turn = math.log if self.log else float
        return (turn(value) - turn(self.low)) / (turn(self.high) - turn(self.low))

    def ticks(self) -> list[tuple[float, str]]:
        """Places with what stands there."""
        if self.names:
            return [(self.place(name), name) for name in self.names[:8]]
        if not self.log:
            return [(self.place(one), f"{one:g}") for one in round_ticks(self.low, self.high, 3)]
        return [(self.place(one), f"{one:.2g}") for one in (self.low, math.sqrt(self.low * self.high), self.high)]


def _heading(study: Study) -> str:
    if len(study.objectives) > 1:
        first, second = study.objectives[:2]
        return say(f"{first.name} (across) and {second.name} (up); the front is joined", 90)
    return say(f"{study.objectives[0].name} of each trial, and the best so far", 90)


def _best_so_far(study: Study, top: float) -> str:
    shown = [one for one in study.trials if one.complete]
    last = max([one.number for one in study.trials], default=0)
    scale = _Scale.of([_value(one) for one in shown])
    panel = Panel(_LEFT, top, WIDTH - _LEFT - _RIGHT, _HIGH, (0, max(last, 1)), (0, 1))
    dots = [_dot(panel.x(one.number), panel.y(scale.place(_value(one))), SOFT) for one in _thin(shown)]
    best: float | None = None
    stairs: list[tuple[float, float]] = []
    cost = study.objectives[0].cost
    for place, one in enumerate(shown):
        value, before = _value(one), best
        if best is None or cost(value) < cost(best):
            best = value
        if best != before or place == len(shown) - 1:
            level = best if before is None else before
            stairs += [(panel.x(one.number), panel.y(scale.place(at))) for at in dict.fromkeys((level, best))]
    body = _axis(panel, scale) + "".join(dots)
    for one in _thin([one for one in study.trials if one.status in ("pruned", "failed")]):
        # What has no value stands below: a bar for pruned, a cross for failed.
        mark, colour = ("|", MUTED) if one.status == "pruned" else ("x", ALARM)
        body += write(panel.x(one.number), top + _HIGH + 8, mark, anchor="middle", colour=colour, size=9)
    return body + (line(stairs, ACCENT, 2.0) if len(stairs) > 1 else "")


def _front(study: Study, top: float) -> str:
    shown = [one for one in study.trials if one.complete]
    across, up = (_Scale.of([_value(one, place) for one in shown]) for place in (0, 1))
    panel = Panel(_LEFT, top, WIDTH - _LEFT - _RIGHT, _HIGH, (0, 1), (0, 1))
    body = _axis(panel, up)
    for place, text in across.ticks():
        body += write(panel.x(place), top + _HIGH + 12, say(text, 12), anchor="middle")
    front = {one.number for one in study.front}
    for one in (*_thin([one for one in shown if one.number not in front]), *_thin(study.front)):
        x, y = panel.x(across.place(_value(one, 0))), panel.y(up.place(_value(one, 1)))
        body += _dot(x, y, ACCENT if one.number in front else SOFT, 4.0 if one.number in front else 2.6)
    if len(study.objectives) == 2:
        front_line = _thin(study.front)
        joined = [(panel.x(across.place(_value(one, 0))), panel.y(up.place(_value(one, 1)))) for one in front_line]
        body += line(joined, ACCENT, 1.6, "5 3") if len(joined) > 1 else ""
    return body


def _parallel(study: Study, top: float) -> str:
    """A line for each trial over an axis for each name, and one for the objective."""
    shown = list(reversed(_ordered(study)[:_LINES]))
    names = _names(study)[:_AXES]
    if not shown or not names:
        return write(_LEFT, top + _HIGH / 2, "no trial has ended yet")
    columns = [[one.params.get(name) for one in shown] for name in names]
    columns.append([_value(one) for one in shown])
    scales = [_Scale.of([value for value in values if value is not None]) for values in columns]
    apart = (WIDTH - _LEFT - 80) / max(1, len(columns) - 1)
    panel = Panel(_LEFT, top, WIDTH - _LEFT - 80, _HIGH, (0, len(columns) - 1), (0, 1))
    front = {one.number for one in study.front}
    body = ""
    for place, one in enumerate(shown):
        points = [
            (panel.x(column), panel.y(scales[column].place(values[place])))
            for column, values in enumerate(columns)
            if values[place] is not None
        ]
        best = one.number in front
        body += line(points, ACCENT if best else SOFT, 2.4 if best else 1.0)
    for column, name in enumerate((*names, study.objectives[0].name)):
        x = panel.x(column)
        body += line([(x, top), (x, top + _HIGH)], GRID, 1)
        body += write(x, top + _HIGH + 13, say(name, max(6, int(apart / 7))), anchor="middle", colour=INK)
        for at, text in scales[column].ticks():
            body += write(x + 4, panel.y(at), say(text, max(5, int(apart / 8))), size=9.5)
    return body


def _importance(study: Study, top: float) -> list[str]:
    """Three elements a name: what it is called, its bar, and its share."""
    found = sorted(study.importance.items(), key=lambda item: -item[1])[:_BARS]
    parts: list[str] = []
    for place, (name, share) in enumerate(found):
        middle = top + _ROW * place
        parts += [
            write(150, middle, say(name, 20), anchor="end", colour=INK),
            rectangle(158, middle - 5, max(1.5, 260 * min(max(share, 0.0), 1.0)), 10, ACCENT),
            write(166 + 260 * min(max(share, 0.0), 1.0), middle, f"{share:.0%}"),
        ]
    return parts


def _axis(panel: Panel, scale: _Scale) -> str:
    body = ""
    for place, text in scale.ticks():
        y = panel.y(place)
        body += line([(panel.left, y), (panel.left + panel.width, y)], GRID, 1)
        body += write(panel.left - 6, y, say(text, 9), anchor="end")
    return body


def _dot(x: float, y: float, colour: str, radius: float = 2.6) -> str:
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:g}" style="fill: {css(colour)}"/>'


def _thin(trials: Sequence[Trial]) -> Sequence[Trial]:
    """So many of them, evenly, as a picture has room for."""
    return trials[:: -(-len(trials) // _DOTS)] if len(trials) > _DOTS else trials


def _names(study: Study) -> list[str]:
    """The names that were tried, those that matter most first."""
    names = list(dict.fromkeys(name for one in study.trials for name in one.params))
    return sorted(names, key=lambda name: -study.importance.get(name, 0.0))


def _ordered(study: Study) -> list[Trial]:
    """The complete trials, the front first, then from the best on."""
    front = [one.number for one in study.front]
    cost = study.objectives[0].cost if study.objectives else Objective("", "min").cost
    complete = [one for one in study.trials if one.complete]
    return sorted(complete, key=lambda one: (one.number not in front, cost(_value(one)), one.number))


def _row(study: Study, one: Trial) -> str:
    values = [f"{what.name} {cell(value)}" for what, value in zip(study.objectives, one.values, strict=True)]
    tried = [f"{name}={cell(value)}" for name, value in one.params.items()]
    return say(f"trial {one.number}: {', '.join(values)}; {' '.join(tried)}", 92)


def _words(study: Study) -> str:
    best = "; ".join(_row(study, one) for one in _ordered(study)[:3])
    shares = ", ".join(f"{name} {share:.0%}" for name, share in study.importance.items())
    return f"{study.said}. {best or 'no trial has ended yet'}" + (f". Importance: {shares}" if shares else "")


def _value(one: Trial, place: int = 0) -> float:
    """The value of an objective of a complete trial."""
    return float(one.values[place] or 0.0)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
