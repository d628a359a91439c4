"""A layered graph as SVG: boxes in columns, joined from left to right, each with a word for how it stands."""

from __future__ import annotations

import functools
import html
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

__all__ = ["Mark", "layered", "layers_svg"]

_CHARACTER, _HEIGHT, _GAP, _MARGIN = 7.4, 34, 64, 12
_MARKED_HEIGHT, _BETWEEN, _LEGEND = 46, 24, 34
_STYLE = "font-family='system-ui,sans-serif' font-size='13'"
_MARKER = (
    "<marker id='lepton-arrow' viewBox='0 0 8 8' refX='8' refY='4' markerWidth='8' markerHeight='8' orient='auto'>"
    "<path d='M0 0L8 4L0 8z' fill='#5b7083'/></marker>"
)

Layers = tuple[tuple[str, ...], ...]
# For each edge, the columns and rows that it passes.
Paths = tuple[tuple[tuple[int, int], ...], ...]


@dataclass(frozen=True)
class Mark:
    """How a box stands: a word and a sign say it, the colours repeat it.

    Args:
        word: such as `running`.
        sign: one character in front of the word.
        fill: colour of the box.
        stroke: colour of its border and of the word.
    """

    word: str
    sign: str
    fill: str
    stroke: str


_PLAIN = Mark("", "", "#eef3f7", "#5b7083")


def layered(needs: Mapping[str, Sequence[str]]) -> Layers:
    """The names by column: each stands one column behind the last of those it needs.

    Args:
        needs: for each name, those it needs, which stand before it.

    Example:
        >>> layered({"a": [], "b": ["a"], "c": ["a"], "d": ["a", "c"]})
        (('a',), ('b', 'c'), ('d',))
    """
    depth: dict[str, int] = {}
    for name, wanted in needs.items():
        depth[name] = 1 + max((depth[one] for one in wanted), default=-1)
    count = max(depth.values(), default=-1) + 1
    return tuple(tuple(name for name, at in depth.items() if at == layer) for layer in range(count))


def layers_svg(
    layers: Sequence[Sequence[str]],
    needs: Mapping[str, Sequence[str]],
    title: str,
    marks: Mapping[str, Mark] | None = None,
) -> str:
    """Draw a layered graph; a line that others imply is left out.

    Args:
        layers: names by column; every name stands behind all that it needs.
        needs: for each name, the names it needs.
        title: read aloud by screen readers.
        marks: how each box stands; with it there is a legend below.

    Returns:
        One `<svg>` element; every text in it is escaped.

    Example:
        >>> layers_svg([["a"], ["b<c"]], {"a": [], "b<c": ["a"]}, "two").count("<rect")
        2
    """
    marks = marks or {}
    columns = tuple(tuple(layer) for layer in layers)
    paths = _paths(columns, tuple((name, tuple(wanted)) for name, wanted in needs.items()))
    tall = _MARKED_HEIGHT if marks else _HEIGHT
    widths = [_width(layer, marks) for layer in columns]
    lefts = [_MARGIN + sum(widths[:column]) + column * _GAP for column in range(len(widths))]
    rows = 1 + max((row for path in paths for _, row in path), default=0)
    rows = max([rows, *map(len, columns)])
    bottom = rows * (tall + _BETWEEN) - _BETWEEN + 2 * _MARGIN
    lines = [_line([(lefts[c], widths[c], _middle(row, tall)) for c, row in path]) for path in paths]
    boxes = [
        _box(name, (lefts[c], _MARGIN + row * (tall + _BETWEEN), widths[c], tall), marks.get(name, _PLAIN))
        for c, layer in enumerate(columns)
        for row, name in enumerate(layer)
    ]
    legend, wide = _legend(marks, bottom)
    width, height = max((lefts[-1] + widths[-1] if widths else 0) + _MARGIN, wide), bottom + (_LEGEND if marks else 0)
    return (
        f"<svg xmlns='http://www.w3.org/2000/svg' role='img' width='{width:.0f}' height='{height}' "
        f"viewBox='0 0 {width:.0f} {height}' {_STYLE}><title>{html.escape(title)}</title>"
        f"<defs>{_MARKER}</defs>"
        f"<g fill='none' stroke='#5b7083' stroke-width='1.5'>{''.join(lines)}</g>{''.join(boxes)}{legend}</svg>"
    )


@functools.lru_cache(maxsize=8)
def _paths(layers: Layers, needs: tuple[tuple[str, tuple[str, ...]], ...]) -> Paths:
    """Where each line passes; the same for every picture of one run."""
    columns: list[list[object]] = [list(layer) for layer in layers]
    wanted = dict(needs)
    return tuple(_slots(columns, source, target) for target in wanted for source in _direct(target, wanted))


def _direct(target: str, needs: Mapping[str, Sequence[str]]) -> list[str]:
    """What `target` needs, without what something else that it needs waits for anyway."""
    implied: set[str] = set()
    reached = [name for source in needs[target] for name in needs[source]]
    while reached:
        if (name := reached.pop()) not in implied:
            implied.add(name)
            reached += needs[name]
    return [source for source in needs[target] if source not in implied]


def _slots(columns: list[list[object]], source: str, target: str) -> tuple[tuple[int, int], ...]:
    """Where an edge passes: it takes an empty slot in each column between, so that it crosses no box."""
    first = next(c for c, column in enumerate(columns) if source in column)
    last = next(c for c, column in enumerate(columns) if target in column)
    path = [(first, columns[first].index(source))]
    for column in range(first + 1, last):
        # Lines from one box share the slot.
        if (source,) not in columns[column]:
            columns[column].append((source,))
        path.append((column, columns[column].index((source,))))
    return (*path, (last, columns[last].index(target)))


def _width(names: Sequence[str], marks: Mapping[str, Mark]) -> float:
    words = [f"{mark.sign} {mark.word}" for name in names if (mark := marks.get(name))]
    return max([60.0, *(len(text) * _CHARACTER + 26 for text in (*names, *words))])


def _middle(row: int, tall: int) -> float:
    return _MARGIN + row * (tall + _BETWEEN) + tall / 2


def _line(stops: list[tuple[float, float, float]]) -> str:
    left, width, y = stops[0]
    x = left + width
    path = [f"M{x:.1f} {y:.1f}"]
    for left, width, below in stops[1:]:
        path.append(f"C{x + _GAP / 2:.1f} {y:.1f} {left - _GAP / 2:.1f} {below:.1f} {left:.1f} {below:.1f}")
        x, y = left, below
        if (left, width, below) != stops[-1]:
            x = left + width
            path.append(f"H{x:.1f}")
    return f"<path d='{' '.join(path)}' marker-end='url(#lepton-arrow)'/>"


def _box(name: str, place: tuple[float, float, float, float], mark: Mark) -> str:
    left, top, width, height = place
    centre = left + width / 2
    word = (
        f"<text x='{centre:.1f}' y='{top + 37}' text-anchor='middle' font-size='11' fill='{mark.stroke}'>"
        f"{html.escape(mark.sign)} {html.escape(mark.word)}</text>"
        if mark.word
        else ""
    )
    return (
        f"<rect x='{left:.1f}' y='{top}' width='{width:.1f}' height='{height}' rx='6' "
        f"fill='{mark.fill}' stroke='{mark.stroke}'/>"
        f"<text x='{centre:.1f}' y='{top + (20 if word else 22)}' text-anchor='middle' fill='#1c2733'>"
        f"{html.escape(name)}</text>{word}"
    )


def _legend(marks: Mapping[str, Mark], top: int) -> tuple[str, float]:
    """One entry per way to stand, with how many do; and where it ends."""
    parts, left = [], float(_MARGIN)
    for mark, count in Counter(marks.values()).items():
        text = f"{mark.sign} {mark.word} {count}"
        width = len(text) * _CHARACTER * 0.85 + 18
        parts.append(
            f"<rect x='{left:.1f}' y='{top}' width='{width:.1f}' height='22' rx='11' fill='{mark.fill}' "
            f"stroke='{mark.stroke}'/><text x='{left + width / 2:.1f}' y='{top + 15}' text-anchor='middle' "
            f"font-size='11' fill='{mark.stroke}'>{html.escape(text)}</text>"
        )
        left += width + 8
    return "".join(parts), left + _MARGIN - 8
