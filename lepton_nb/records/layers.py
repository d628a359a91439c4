"""A layered graph as SVG: boxes in columns, joined from left to right."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence

__all__ = ["layers_svg"]

_CHARACTER, _HEIGHT, _ROW, _GAP, _MARGIN = 7.4, 34, 58, 64, 12
_STYLE = "font-family='system-ui,sans-serif' font-size='13'"
_MARKER = (
    "<marker id='lepton-arrow' viewBox='0 0 8 8' refX='8' refY='4' markerWidth='8' markerHeight='8' orient='auto'>"
    "<path d='M0 0L8 4L0 8z' fill='#5b7083'/></marker>"
)


def layers_svg(layers: Sequence[Sequence[str]], needs: Mapping[str, Sequence[str]], title: str) -> str:
    """Draw a layered graph; a line that others imply is left out.

    Args:
        layers: names by column; every name stands behind all that it needs.
        needs: for each name, the names it needs.
        title: read aloud by screen readers.

    Returns:
        One `<svg>` element; every text in it is escaped.

    Example:
        >>> layers_svg([["a"], ["b<c"]], {"a": [], "b<c": ["a"]}, "two").count("<rect")
        2
    """
    columns: list[list[object]] = [list(layer) for layer in layers]
    paths = [_slots(columns, source, target) for target in needs for source in _direct(target, needs)]
    widths = [max([60.0, *(len(name) * _CHARACTER + 26 for name in layer)]) for layer in layers]
    lefts = [_MARGIN + sum(widths[:column]) + column * _GAP for column in range(len(widths))]
    height = max((len(column) for column in columns), default=1) * _ROW - (_ROW - _HEIGHT) + 2 * _MARGIN
    lines = [_line([(lefts[c], widths[c], _middle(row)) for c, row in path]) for path in paths]
    boxes = [_box(name, lefts[c], widths[c], r) for c, layer in enumerate(layers) for r, name in enumerate(layer)]
    width = (lefts[-1] + widths[-1] if widths else 0) + _MARGIN
    return (
        f"<svg xmlns='http://www.w3.org/2000/svg' role='img' width='{width:.0f}' height='{height}' "
        f"viewBox='0 0 {width:.0f} {height}' {_STYLE}><title>{html.escape(title)}</title>"
        f"<defs>{_MARKER}</defs>"
        f"<g fill='none' stroke='#5b7083' stroke-width='1.5'>{''.join(lines)}</g>{''.join(boxes)}</svg>"
    )


def _direct(target: str, needs: Mapping[str, Sequence[str]]) -> list[str]:
    """What `target` needs, without what something else that it needs waits for anyway."""
    implied: set[str] = set()
    reached = [name for source in needs[target] for name in needs[source]]
    while reached:
        if (name := reached.pop()) not in implied:
            implied.add(name)
            reached += needs[name]
    return [source for source in needs[target] if source not in implied]


def _slots(columns: list[list[object]], source: str, target: str) -> list[tuple[int, int]]:
    """Where an edge passes: it takes an empty slot in each column between, so that it crosses no box."""
    first = next(c for c, column in enumerate(columns) if source in column)
    last = next(c for c, column in enumerate(columns) if target in column)
    path = [(first, columns[first].index(source))]
    for column in range(first + 1, last):
        # Lines from one box share the slot.
        if (source,) not in columns[column]:
            columns[column].append((source,))
        path.append((column, columns[column].index((source,))))
    return [*path, (last, columns[last].index(target))]


def _middle(row: int) -> float:
    return _MARGIN + row * _ROW + _HEIGHT / 2


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


def _box(name: str, left: float, width: float, row: int) -> str:
    top, centre, fill = _MARGIN + row * _ROW, left + width / 2, "fill='#eef3f7' stroke='#5b7083'"
    return (
        f"<rect x='{left:.1f}' y='{top}' width='{width:.1f}' height='{_HEIGHT}' rx='6' {fill}/>"
        f"<text x='{centre:.1f}' y='{top + 22}' text-anchor='middle' fill='#1c2733'>{html.escape(name)}</text>"
    )
