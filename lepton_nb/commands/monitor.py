"""`lepton monitor`: how a deployment is doing."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

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
    alerts: Annotated[Path | None, Opt("Take the alerts from this YAML file from now on.", "FILE")] = None,
) -> Health:
    """Show latency, errors, drift and quality of a deployment, and say whether it is healthy.

    Its alerts are looked at, and delivered: rules such as `psi(age) > 0.2 for 30m` in the file of --alerts, else in
    alerts.yml in the deployment's folder. In a shell the exit status is 0 healthy, 1 warning, 2 drifting, 3 failing.
    """
    from .. import monitoring, serving

    ws, seconds = current(), seconds_of(since)
    found = named(deployment, Deployment)
    one = found if isinstance(found, Deployment) else serving.get(ws, str(found))
    if alerts is not None and not is_replayed():
        monitoring.remember_alerts(ws, one, Path(alerts))
    return monitoring.monitor(ws, one, since=seconds, deliver=not is_replayed())
