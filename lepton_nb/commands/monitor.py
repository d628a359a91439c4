"""`lepton monitor`: how a deployment is doing."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

from ..errors import UsageError
from ..records import Deployment, Health, seconds_of
from ..workspace import current
from .declare import Arg, Opt
from .find import named
from .replaying import is_replayed

__all__ = ["monitor", "seconds_of"]


def monitor(
    deployment: Annotated[
        object, Arg("name of a deployment, running or stopped.", "DEPLOYMENT", completes="deployment")
    ],
    *,
    since: Annotated[str | None, Opt("Only this far back: 30m, 24h, 7d (default: everything).", "AGE")] = None,
    against: Annotated[
        str | None, Opt("Compare with this stretch of the past, such as 8d..7d ago (default: training).", "AGE..AGE")
    ] = None,
    log_url: Annotated[str | None, Opt("It runs elsewhere and copies its log there; to be named once.", "URL")] = None,
    alerts: Annotated[Path | None, Opt("Take the alerts from this YAML file from now on.", "FILE")] = None,
) -> Health:
    """Show latency, errors, drift and quality of a deployment, and say whether it is healthy.

    Its alerts are looked at, and delivered: rules such as `psi(age) > 0.2 for 30m` in the file of --alerts, else in
    alerts.yml in the deployment's folder. In a shell the exit status is 0 healthy, 1 warning, 2 drifting, 3 failing; 4
    means that it could not look, and 5 that the words are wrong.
    """
    from .. import monitoring, serving

    ws, seconds = current(), seconds_of(since)
    found = named(deployment, Deployment)
    if log_url is not None and not is_replayed():
        monitoring.adopt(ws, str(found), log_url)
    one = found if isinstance(found, Deployment) else str(found)
    if isinstance(one, str) and not monitoring.is_elsewhere(ws, one):
        one = serving.get(ws, one)
    if alerts is not None and not is_replayed():
        monitoring.remember_alerts(ws, one, Path(alerts))
    return monitoring.monitor(ws, one, since=seconds, against=_stretch(against), deliver=not is_replayed())


def _stretch(ages: str | None) -> tuple[float, float] | None:
    """Two ages such as `8d..7d` as moments, in seconds since the epoch.

    Raises:
        UsageError: they are none.
    """
    if ages is None:
        return None
    first, found, last = ages.partition("..")
    begin, end = seconds_of(first), seconds_of(last or "0s")
    if not found or begin is None or end is None:
        raise UsageError(
            f"{ages!r} is no stretch of the past", expected="two ages such as 8d..7d, the longer one first"
        )
    now = time.time()
    return now - begin, now - end
