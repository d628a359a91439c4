"""The REST routes: the runs of the project, and the start of its dashboard."""

from __future__ import annotations

import asyncio
import functools
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from jupyter_server.auth.decorator import authorized
from jupyter_server.base.handlers import APIHandler
from jupyter_server.utils import url_path_join
from tornado import web

from ..errors import AmbiguousError, ConflictError, LeptonError, NotFoundError, TrackingError, UsageError
from ..records import Run, plain
from ..workspace import Workspace, current

__all__ = ["LeptonHandler", "routes"]

# A panel shows the newest runs; `lepton runs` lists them all.
_SHOWN = 100

_STATUS = {UsageError: 400, NotFoundError: 404, AmbiguousError: 409, ConflictError: 409, TrackingError: 503}


class LeptonHandler(APIHandler):
    """A route that answers with one JSON object, or with a status and a one-line `message`."""

    auth_resource = "lepton"

    def initialize(self, root: Path) -> None:
        """Remember the folder that the server shows; the project is the one that holds it."""
        self.root = root

    async def answer(self, work: Callable[[Workspace], dict[str, Any]]) -> None:
        """Do `work` in a thread, so that heavy imports and slow stores hold up nobody else."""
        try:
            body = await asyncio.to_thread(work, current(self.root))
        except LeptonError as error:
            self.set_status(_STATUS.get(type(error), 500))
            body = {"message": str(error)}
        except Exception:
            self.log.exception("lepton: %s %s failed", self.request.method, self.request.path)
            self.set_status(500)
            body = {"message": "unexpected error; next: read the log of the Jupyter server"}
        self.finish(json.dumps(plain(body), allow_nan=False))


class RunsHandler(LeptonHandler):
    """The newest runs."""

    # A panel that refreshes by itself must not keep an abandoned server from being culled.
    _track_activity = False

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """Answer `{"runs": [...]}`, newest first."""
        await self.answer(_runs)


class DashboardHandler(LeptonHandler):
    """The dashboard."""

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """Answer `{"deployments": [...]}`, the names that a page of its own can be asked for."""
        await self.answer(_names)

    @web.authenticated
    @authorized
    async def post(self) -> None:
        """Start the dashboard, or find it running; answer `{"url": ..., "frame": ...}`.

        `?page=` asks for another page than that of all deployments, and `&name=` for what it shows.

        With `?frame` the page that asks may show it within itself, at the second address; that one is empty where the
        page or the browser is not of this machine.
        """
        # A browser names the origin of the page that asks; no script can name another one.
        origin = self.request.headers.get("Origin", "") if "frame" in self.request.arguments else ""
        page, name = self.get_query_argument("page", "fleet"), self.get_query_argument("name", "")
        await self.answer(functools.partial(_dashboard, origin=origin, page=page, name=name))


def routes(base_url: str, root: Path) -> list[tuple[str, type[LeptonHandler], dict[str, Any]]]:
    """What Tornado is told.

    Args:
        base_url: the path under which the Jupyter server lives.
        root: the folder that it shows.

    Returns:
        One (pattern, handler, arguments) per route.
    """
    handlers = {"runs": RunsHandler, "dashboard": DashboardHandler}
    return [
        (url_path_join(base_url, "lepton", "api", name), handler, {"root": root}) for name, handler in handlers.items()
    ]


def _runs(workspace: Workspace) -> dict[str, Any]:
    from ..tracking import runs

    now = time.time()
    return {"runs": [_row(run, now) for run in runs(workspace, limit=_SHOWN).runs]}


def _row(run: Run, now: float) -> dict[str, Any]:
    metric, value = run.main_metric or (None, None)
    return {
        "id": run.id,
        "name": run.name,
        "status": run.status,
        "metric": metric,
        "value": value,
        "age_s": max(0.0, now - run.created),
        "created": run.created,
    }


def _names(workspace: Workspace) -> dict[str, Any]:
    from .. import monitoring, serving

    found = (*serving.deployments(workspace).deployments, *monitoring.living_elsewhere(workspace))
    return {"deployments": sorted(one.name for one in found)}


def _dashboard(workspace: Workspace, origin: str, page: str, name: str) -> dict[str, Any]:
    from ..dashboards import framed, launch

    one = launch(workspace, page)
    frame = framed(one, origin) if origin else ""
    asked = f"&{urlencode({'name': name})}" if name else ""
    return {"url": one.open_url + asked, "frame": frame and frame + asked}
