"""How people write a length of time."""

from __future__ import annotations

import re

from ..errors import UsageError

__all__ = ["seconds_of"]

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def seconds_of(age: str | None) -> float | None:
    """An age such as `30m` in seconds.

    Example:
        >>> seconds_of("30m"), seconds_of(None)
        (1800.0, None)

    Raises:
        UsageError: the age is not a number and a unit.
    """
    if age is None:
        return None
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd])", age)
    if not found:
        raise UsageError(f"age {age!r} is not understood", expected="a number and s, m, h or d, such as 24h")
    return float(found[1]) * _UNITS[found[2]]
