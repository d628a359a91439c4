"""`lepton dashboard`: the Voila page of the deployments."""

from __future__ import annotations

import sys
import webbrowser
from typing import Annotated

from ..records import Dashboard
from ..workspace import current
from .declare import Arg, Opt


def dashboard(
    page: Annotated[str, Arg("which page.", "[PAGE]")] = "deployments",
    *,
    port: Annotated[int, Opt("Port on this machine; 0 takes a free one.")] = 0,
    no_browser: Annotated[bool, Opt("Do not open a browser.")] = False,
) -> Dashboard:
    """Open the dashboard of the deployments: loopback only, behind a token."""
    from .. import dashboards

    opened = dashboards.launch(current(), page, port=port)
    if not no_browser and sys.stdout.isatty():
        webbrowser.open(dashboards.door(opened).as_uri())
    return opened
