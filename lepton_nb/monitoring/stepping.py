"""Stretches of time cut into steps that people count in."""

from __future__ import annotations

import math
from collections.abc import Mapping

from .counts import Counts, total
from .vectors import Span

__all__ = ["step_of", "steps"]

_SECONDS = 60
# From a minute to a week.
_STEPS = tuple(_SECONDS * minutes for minutes in (1, 2, 5, 10, 15, 30, 60, 120, 240, 720, 1440, 10080))
_MOST_STEPS = 60


def step_of(seconds: float, step_seconds: float | None = None) -> int:
    """The length of a step, whole minutes.

    Args:
        seconds: the length of the whole.
        step_seconds: what is wanted; None makes at most 60 steps.

    Example:
        >>> step_of(3600.0), step_of(86400.0), step_of(86400.0, 90.0)
        (60, 1800, 120)
    """
    if step_seconds is None:
        return next((one for one in _STEPS if seconds / one <= _MOST_STEPS), _STEPS[-1])
    return max(math.ceil(step_seconds / _SECONDS), 1) * _SECONDS


def steps(windows: Mapping[Span, Counts], begin: float, end: float, step: int) -> list[tuple[int, float, Counts]]:
    """Windows added up step by step, quiet steps too.

    Args:
        windows: counts per window.
        begin: a moment of the first step, seconds since the epoch.
        end: a moment of the last step.
        step: the length of a step.

    Returns:
        The start of each step, how long it lasts up to `end`, and its counts.
    """
    found: dict[int, list[Counts]] = {}
    for span, counts in windows.items():
        found.setdefault(span.start // step, []).append(counts)
    # The step that is going on is as long as it lasts so far: a rate over its whole length would sag.
    return [
        (i * step, min(step, max(end - i * step, 1.0)), total(found.get(i, [])))
        for i in range(int(begin // step), int(end // step) + 1)
    ]
