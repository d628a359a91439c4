"""`lepton dashboard`: the pages of deployments, trainings and pipelines."""

from __future__ import annotations

import sys
import webbrowser
from pathlib import Path
from typing import Annotated, Literal

from ..errors import UsageError
from ..records import Dashboard, Written
from ..workspace import current
from .declare import Arg, Opt


def dashboard(
    page: Annotated[str, Arg("fleet, deployment, training or pipelines.", "[PAGE]")] = "fleet",
    *,
    name: Annotated[str | None, Opt("Deployment or pipeline run to look at.", "NAME", completes="deployment")] = None,
    since: Annotated[Literal["1h", "24h", "7d", "all"], Opt("How far back.")] = "24h",
    theme: Annotated[Literal["auto", "light", "dark"], Opt("Colours of the page.")] = "auto",
    export: Annotated[Path | None, Opt("Write the page to this HTML file instead.", "FILE")] = None,
    log_url: Annotated[
        str | None, Opt("NAME runs elsewhere and copies its log there; to be named once.", "URL")
    ] = None,
    port: Annotated[int, Opt("Port on this machine; 0 takes a free one.")] = 0,
    no_browser: Annotated[bool, Opt("Do not open a browser.")] = False,
) -> Dashboard | Written:
    """Open the dashboard: loopback only, behind a token. With --export, write a page as one file."""
    from .. import dashboards, monitoring

    if log_url is not None:
        if not name:
            raise UsageError("--log-url needs the name that the deployment has here", hint="--name NAME")
        monitoring.adopt(current(), name, log_url)
    if export is not None:
        return dashboards.export(current(), page, export, name=name or "", since=since, theme=theme)
    opened = dashboards.launch(current(), page, port=port)
    if not no_browser and sys.stdout.isatty():
        webbrowser.open(dashboards.door(opened, name=name or "", since=since, theme=theme).as_uri())
    return opened
