"""Which environment an agent acts in: by its name, or as the notebook makes it."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...errors import UsageError
from .layouts import ACTIONS
from .mazes import Mazes
from .worlds import Worlds

__all__ = ["PARTS", "Environment", "environment", "is_environment", "seeds_of"]

# Of which numbers the seeds of each part are. Training draws from below 2^31, and of environments that step together
# each has the next number, so no episode is played that it saw. NumPy's older generators take no seed from 2^32 on.
PARTS = {"train": 0, "validation": 3 * 2**30, "test": 7 * 2**29}

_FORMS = "maze:HEIGHTxWIDTH, maze:HEIGHTxWIDTH:REMOVED or gym:ID, such as maze:8x8 or gym:CartPole-v1"
_MAZE = re.compile(r"(\d+)x(\d+)(?::(\d*\.?\d+))?")
_SMALLEST, _LARGEST, _REMOVED = 2, 64, 0.1


@dataclass(frozen=True)
class Environment:
    """What an agent acts in.

    Args:
        name: for people; also how it is found again, unless it has a source.
        feature_shape: shape of an observation, float32.
        actions: what may be done, in order.
        maze: height, width and share of the walls that are taken out; None for another kind.
        source: of a notebook's own, a callable that makes a gymnasium environment.
        threshold: return from which an episode counts as solved; None where nobody says.
    """

    name: str
    feature_shape: tuple[int, ...]
    actions: tuple[str, ...]
    maze: tuple[int, int, float] | None = None
    source: Callable[[], Any] | None = None
    threshold: float | None = None

    def __str__(self) -> str:
        return self.name

    def worlds(self, count: int, seed: int, seeds: Sequence[int] | None = None) -> Worlds:
        """Environments that step together.

        Args:
            count: how many.
            seed: of everything that is drawn in them.
            seeds: of the first mazes; other environments take `seed` alone.
        """
        if self.maze is not None:
            return Mazes(count, *self.maze, seeds=seeds, rng=np.random.default_rng(seed))
        from .gyms import GymWorlds

        return GymWorlds(self.name.removeprefix("gym:"), self.source, count, seed)


def is_environment(value: object) -> bool:
    """Whether a text names an environment.

    Example:
        >>> is_environment("maze:8x8"), is_environment("gym:CartPole-v1"), is_environment("rows.csv")
        (True, True, False)
    """
    return isinstance(value, Environment) or (isinstance(value, str) and value.startswith(("maze:", "gym:")))


def seeds_of(part: str, count: int) -> list[int]:
    """The seeds of the first episodes of a part of `PARTS`."""
    return [PARTS[part] + number for number in range(count)]


def environment(value: object) -> Environment:
    """The environment of a name, or of a callable without arguments that makes a gymnasium environment.

    Args:
        value: `maze:HEIGHTxWIDTH`, with `:REMOVED` for the share of walls that is taken out (0.1), `gym:ID`, or the
            callable.

    Raises:
        UsageError: there is no such environment, or its actions or observations cannot be learned from.
        MissingError: what such an environment needs is not installed.

    Example:
        >>> found = environment("maze:3x4")
        >>> found.feature_shape, found.actions
        ((3, 7, 9), ('up', 'right', 'down', 'left'))
    """
    if isinstance(value, Environment):
        return value
    if isinstance(value, str):
        kind, _, rest = value.partition(":")
        if kind == "maze":
            return _maze(value, rest)
        if kind == "gym" and rest:
            from .gyms import described

            found = described(rest)
            return Environment(value, found.feature_shape, found.actions, threshold=found.threshold)
    elif callable(value):
        from .gyms import own_described

        name = getattr(value, "__name__", type(value).__name__)
        found = own_described(name, value)
        return Environment(name, found.feature_shape, found.actions, source=value, threshold=found.threshold)
    raise UsageError(
        f"{value!r} is no environment" if isinstance(value, str) else f"a {type(value).__name__} is no environment",
        expected=f"{_FORMS}, or a function of the notebook that makes a gymnasium environment",
    )


def of_maze(name: str, height: int, width: int, removed: float) -> Environment:
    """The environment of mazes of a size."""
    return Environment(name, (3, 2 * height + 1, 2 * width + 1), ACTIONS, (height, width, removed))


def _maze(name: str, text: str) -> Environment:
    found = _MAZE.fullmatch(text)
    height, width = (int(found[1]), int(found[2])) if found else (0, 0)
    removed = float(found[3]) if found and found[3] else _REMOVED
    if not all(_SMALLEST <= one <= _LARGEST for one in (height, width)) or not 0 <= removed <= 1:
        raise UsageError(
            f"{name!r} is no maze",
            expected=f"maze:HEIGHTxWIDTH of {_SMALLEST} to {_LARGEST} rooms each, with :REMOVED for the share of walls "
            "that is taken out, from 0 to 1",
            hint="maze:8x8, or maze:8x8:0.3",
        )
    return of_maze(name, height, width, removed)
