"""`lepton monitor`: how a deployment is doing."""

from __future__ import annotations

import re
from typing import Annotated

from ..errors import UsageError
from ..records import Deployment, Health
from ..workspace import current
from .declare import Arg, Opt
from .find import named

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def monitor(
    deployment: Annotated[
        object, Arg("name of a deployment, running or stopped.", "DEPLOYMENT", completes="deployment")
    ],
    *,
    since: Annotated[str | None, Opt("Only this far back: 30m, 24h, 7d (default: everything).", "AGE")] = None,
) -> Health:
    """Show latency, errors and drift of a deployment, and say whether it is healthy."""
    from .. import monitoring, serving

    ws, seconds = current(), seconds_of(since)
    found = named(deployment, Deployment)
    one = found if isinstance(found, Deployment) else serving.get(ws, str(found))
    return monitoring.health(ws, one, since=seconds)


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
