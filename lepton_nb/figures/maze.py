"""A maze and a walk through it, which moves by itself: no script, one `<svg>` element."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from .canvas import ACCENT, GRID, INK, SOFT, WIDTH, css, element

__all__ = ["maze"]

_HEIGHT, _EDGE = 300, 10
_STEP_S, _PAUSE_S = 0.22, 1.2


def maze(walls: Sequence[Sequence[bool]], walk: Sequence[int], shortest: Sequence[int], *, title: str) -> str:
    """A maze with a walk through it.

    Args:
        walls: [2 H + 1][2 W + 1], where a wall stands; room (r, c) lies at (2 r + 1, 2 c + 1).
        walk: rooms, row * W + column, in the order in which they were entered; the first one is the start.
        shortest: rooms of a shortest way from the start to the goal.
        title: what it shows.

    Returns:
        One `<svg>` element, in which the agent walks again and again.

    Example:
        >>> closed = [[True] * 5, [True, False, False, False, True], [True] * 5]
        >>> "<animateTransform" in maze(closed, [0, 1], [0, 1], title="two rooms")
        True
    """
    rows, columns = len(walls) // 2, len(walls[0]) // 2
    side = min((WIDTH - 2 * _EDGE) / columns, (_HEIGHT - 2 * _EDGE) / rows)
    left, top = (WIDTH - side * columns) / 2, (_HEIGHT - side * rows) / 2

    def middle(room: int) -> tuple[float, float]:
        row, column = divmod(room, columns)
        return left + side * (column + 0.5), top + side * (row + 0.5)

    body = _walls(walls, left, top, side)
    body += _path([middle(room) for room in shortest], GRID, side / 3, "")
    body += _path([middle(room) for room in walk], SOFT, side / 10, "3 3")
    (x, y), half = middle(shortest[-1]), side / 4
    body += (
        f'<rect x="{x - half:.1f}" y="{y - half:.1f}" width="{2 * half:.1f}" height="{2 * half:.1f}" '
        f'style="fill: none; stroke: {css(INK)}; stroke-width: 2"/>'
    )
    body += _walker([middle(room) for room in walk], side / 5)
    steps, least = len(walk) - 1, len(shortest) - 1
    reached = "reaches the goal" if walk[-1] == shortest[-1] else "does not reach the goal"
    return element(_HEIGHT, title, f"The agent {reached} in {steps} steps; the shortest way takes {least}.", body)


def _walls(walls: Sequence[Sequence[bool]], left: float, top: float, side: float) -> str:
    parts = []
    for row, line in enumerate(walls):
        for column, wall in enumerate(line):
            if wall and row % 2 != column % 2:
                x, y = left + side * (column // 2), top + side * (row // 2)
                # Between two posts: a wall that lies on a row of posts runs to the right, others run down.
                parts.append(f"M{x:.1f} {y:.1f}{f'h{side:.1f}' if row % 2 == 0 else f'v{side:.1f}'}")
    return (
        f'<path d="{"".join(parts)}" style="fill: none; stroke: {css(INK)}; stroke-width: 2; stroke-linecap: round"/>'
    )


def _path(points: Sequence[tuple[float, float]], colour: str, width: float, dashes: str) -> str:
    return (
        f'<path d="{_drawn(points)}" style="fill: none; stroke: {css(colour)}; stroke-width: {width:.1f}; '
        f'stroke-linecap: round; stroke-linejoin: round; stroke-dasharray: {dashes or "none"}"/>'
    )


def _walker(points: Sequence[tuple[float, float]], radius: float) -> str:
    """The agent: it goes from room to room, as long in each where it stays, and waits at the end."""
    moves = max(1, len(points) - 1)
    lasts = moves * _STEP_S + _PAUSE_S
    x, y = points[0]
    values = ";".join(f"{a - x:.1f} {b - y:.1f}" for a, b in (*points, points[-1]))
    times = [place * _STEP_S / lasts for place in range(len(points))]
    moving = (
        f'<animateTransform attributeName="transform" type="translate" dur="{lasts:.2f}s" repeatCount="indefinite" '
        f'values="{values}" keyTimes="{";".join(f"{one:.4f}" for one in (*times, 1))}"/>'
    )
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}" style="fill: {css(ACCENT)}">{moving}</circle>'


def _drawn(points: Sequence[tuple[float, float]]) -> str:
    first = f"M{points[0][0]:.1f} {points[0][1]:.1f}"
    return first + "".join(f"L{b[0]:.1f} {b[1]:.1f}" for a, b in pairwise(points) if a != b)
