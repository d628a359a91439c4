"""Mazes as arrays: made by seed, many at once, with the shortest ways through them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["ACTIONS", "Layouts", "distances", "layouts", "neighbours", "planes", "shortest_way", "walked"]

ACTIONS = ("up", "right", "down", "left")

_OPPOSITE = np.array([2, 3, 0, 1])
_GOLDEN = 0x9E3779B97F4A7C15


@dataclass(frozen=True)
class Layouts:
    """M mazes of H x W rooms; a room is known by its number, row * W + column.

    Args:
        height: rooms from top to bottom.
        width: rooms from left to right.
        passages: bool [M, H * W, 4], whether there is a way out of a room, in the order of `ACTIONS`.
        starts: int64 [M], the room of the agent.
        goals: int64 [M], another room.
    """

    height: int
    width: int
    passages: NDArray[np.bool_]
    starts: NDArray[np.int64]
    goals: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.starts)

    def at(self, places: Any) -> Layouts:
        """Some of them."""
        return Layouts(self.height, self.width, self.passages[places], self.starts[places], self.goals[places])


def layouts(seeds: Sequence[int] | NDArray[np.uint64], height: int, width: int, removed: float) -> Layouts:
    """The mazes of some seeds; a seed gives the same maze whatever others are made with it.

    A walk that turns into a random room that it has not seen, and goes back where there is none, leaves exactly one way
    between any two rooms (a depth-first perfect maze). Then each wall that is left within is taken out with the
    probability `removed`, which makes loops.

    Args:
        seeds: [M], from 0 on.
        height: rooms from top to bottom, 2 or more.
        width: rooms from left to right, 2 or more.
        removed: share of the walls that are taken out, from 0 to 1.

    Example:
        >>> made = layouts([7], 3, 3, 0.0)
        >>> int(made.passages.sum()) // 2
        8
    """
    drawn, rooms, beside = _Draws(seeds), height * width, neighbours(height, width)
    # The walk comes last: how much it draws depends on the other mazes.
    starts, others = (drawn.numbers(1)[:, 0] % np.uint64(n) for n in (rooms, rooms - 1))
    lots = {action: drawn.shares(rooms) for action in (1, 2)}
    passages = _perfect(drawn, height, width)
    for action, shares in lots.items():
        inner = np.flatnonzero(beside[:, action] < rooms)
        gone = shares[:, inner] < removed
        passages[:, inner, action] |= gone
        passages[:, beside[inner, action], _OPPOSITE[action]] |= gone
    goals = (starts.astype(np.int64) + 1 + others.astype(np.int64)) % rooms
    return Layouts(height, width, passages, starts.astype(np.int64), goals)


def neighbours(height: int, width: int) -> NDArray[np.int64]:
    """The room beyond each side of each room, int64 [H * W, 4]; `H * W` where the maze ends."""
    row, column = np.divmod(np.arange(height * width), width)
    found = np.stack([row - 1, column + 1, row + 1, column - 1], axis=1)
    limits = np.array([height, width, height, width])
    inside = (found >= 0) & (found < limits)
    numbers = np.stack([found[:, 0] * width + column, row * width + found[:, 1],
                        found[:, 2] * width + column, row * width + found[:, 3]], axis=1)  # fmt: skip
    return np.where(inside, numbers, height * width)


def distances(mazes: Layouts) -> NDArray[np.int64]:
    """Steps from each room to the goal on a shortest way, by breadth-first search in all mazes at once.

    Returns:
        int64 [M, H * W]; -1 where no way leads to the goal.
    """
    count, rooms = len(mazes), mazes.height * mazes.width
    beside = neighbours(mazes.height, mazes.width)
    # One room more stands for what is beyond the walls.
    found = np.full((count, rooms + 1), -1, np.int64)
    found[np.arange(count), mazes.goals] = 0
    for steps in range(1, rooms):
        reached = found == steps - 1
        fresh = (reached[:, beside] & mazes.passages).any(axis=2) & (found[:, :rooms] < 0)
        if not fresh.any():
            break
        found[:, :rooms][fresh] = steps
    return found[:, :rooms]


def shortest_way(maze: Layouts) -> list[int]:
    """The rooms of a shortest way from start to goal of the first maze, both included."""
    steps, beside = distances(maze)[0], neighbours(maze.height, maze.width)
    way = [int(maze.starts[0])]
    while steps[way[-1]] > 0:
        ways = [int(beside[way[-1], one]) for one in np.flatnonzero(maze.passages[0, way[-1]])]
        way.append(min(ways, key=lambda room: int(steps[room])))
    return way


def walked(maze: tuple[int, int, float], seed: int, actions: Sequence[int]) -> tuple[Any, list[int], list[int]]:
    """A walk through a maze, to be drawn.

    Args:
        maze: height, width and share of the walls that are taken out.
        seed: of the maze.
        actions: what was done, by number.

    Returns:
        Walls, bool [2 H + 1, 2 W + 1]; the rooms of the walk; the rooms of a shortest way.
    """
    made, beside = layouts([seed], *maze), neighbours(*maze[:2])
    way = [int(made.starts[0])]
    for action in actions:
        way.append(int(beside[way[-1], action]) if made.passages[0, way[-1], action] else way[-1])
    return planes(made)[0, 0] > 0, way, shortest_way(made)


def planes(mazes: Layouts) -> NDArray[np.float32]:
    """What an agent sees of mazes before it moves.

    Returns:
        float32 [M, 3, 2 H + 1, 2 W + 1], 1 for a wall, the agent and the goal, else 0. Room (r, c) lies at
        (2 r + 1, 2 c + 1), and what is between two rooms between them.
    """
    count, height, width = len(mazes), mazes.height, mazes.width
    seen = np.zeros((count, 3, 2 * height + 1, 2 * width + 1), np.float32)
    walls = seen[:, 0]
    walls[...] = 1
    walls[:, 1::2, 1::2] = 0
    ways = mazes.passages.reshape(count, height, width, 4)
    walls[:, 1::2, 2:-1:2] = ~ways[:, :, :-1, 1]
    walls[:, 2:-1:2, 1::2] = ~ways[:, :-1, :, 2]
    rows = np.arange(count)
    for plane, rooms in ((1, mazes.starts), (2, mazes.goals)):
        seen[rows, plane, 2 * (rooms // width) + 1, 2 * (rooms % width) + 1] = 1
    return seen


def _perfect(drawn: _Draws, height: int, width: int) -> NDArray[np.bool_]:
    rooms, beside = height * width, neighbours(height, width)
    count = len(drawn)
    rows = np.arange(count)
    passages = np.zeros((count, rooms, 4), bool)
    seen = np.zeros((count, rooms + 1), bool)
    seen[:, rooms] = True
    came_from = np.zeros((count, rooms), np.int64)
    now = (drawn.numbers(1)[:, 0] % np.uint64(rooms)).astype(np.int64)
    came_from[rows, now] = now
    seen[rows, now] = True
    for _ in range(2 * rooms):
        ways = ~seen[rows[:, None], beside[now]]
        chosen = np.where(ways, drawn.quarters(), -1).argmax(axis=1)
        goes = np.flatnonzero(ways.any(axis=1))
        before, action = now[goes], chosen[goes]
        there = beside[before, action]
        passages[goes, before, action] = passages[goes, there, _OPPOSITE[action]] = True
        seen[goes, there] = True
        came_from[goes, there] = before
        now = came_from[rows, now]
        now[goes] = there
        if len(goes) == 0 and seen.all():
            break
    return passages


class _Draws:
    """A stream of random numbers for each seed (splitmix64), all streams drawn from at once.

    Args:
        seeds: [M], from 0 on.
    """

    def __init__(self, seeds: Sequence[int] | NDArray[np.uint64]) -> None:
        self._keys, self._drawn = _mixed(np.asarray(seeds, np.uint64) + np.uint64(1)), 0

    def __len__(self) -> int:
        return len(self._keys)

    def numbers(self, count: int) -> NDArray[np.uint64]:
        """uint64 [M, count]."""
        places = np.arange(self._drawn + 1, self._drawn + 1 + count, dtype=np.uint64)
        self._drawn += count
        return _mixed(self._keys[:, None] + places * np.uint64(_GOLDEN))

    def shares(self, count: int) -> NDArray[np.float64]:
        """float64 [M, count], from 0 to below 1."""
        shares: NDArray[np.float64] = (self.numbers(count) >> np.uint64(11)).astype(np.float64) * 2.0**-53
        return shares

    def quarters(self) -> NDArray[np.int64]:
        """Four numbers of 16 bits, int64 [M, 4]."""
        shifts = np.arange(0, 64, 16, dtype=np.uint64)
        return ((self.numbers(1) >> shifts) & np.uint64(0xFFFF)).astype(np.int64)


def _mixed(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The finaliser of splitmix64 (Steele, Lea and Flood, doi:10.1145/2660193.2660195)."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))
