"""Voila with our pages: one address for each, a limit of how many are open, and executed notebooks to read."""

from __future__ import annotations

import asyncio
import functools
import os
import re
import socket
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from jupyter_server.base.handlers import JupyterHandler
from jupyter_server.utils import url_path_join
from tornado import web
from voila.app import Voila
from voila.tornado.contentshandler import VoilaContentsHandler
from voila.tornado.handler import TornadoVoilaHandler
from voila.tornado.kernel_websocket_handler import VoilaKernelWebsocketHandler
from voila.tornado.treehandler import TornadoVoilaTreeHandler

from ..errors import LeptonError
from ..kernels import Bound, start_bound
from ..workspace import current
from .counter import BOARD, asked_once
from .executed import SANDBOX, executed
from .framing import widened
from .live import Page
from .question import PAGES, Question

__all__ = ["Pages", "main"]

# A kernel holds some 60 MiB of its own.
_VIEWERS = 40
_LOOK_S = 2.0
_FULL = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>lepton: full</title>
<meta name="viewport" content="width=device-width"><meta http-equiv="refresh" content="10"></head>
<body style="font: 16px/1.5 system-ui, sans-serif; margin: 15vh auto; max-width: 34rem; padding: 0 1rem">
<h1 style="font-size: 1.4rem" data-lepton="full">The dashboard is full</h1>
<p>{open} pages are open, and this machine lets {limit} be open at once. This page tries again every ten seconds.</p>
<p>A page that is closed makes room at once. To allow more: <code>LEPTON_DASHBOARD_VIEWERS=80 lepton dashboard</code>,
with some 60 MiB of memory for each.</p></body></html>
"""


class PageHandler(TornadoVoilaHandler):  # type: ignore[misc] # Voila ships no types
    """A page with a kernel of its own, where there is room for one."""

    # Pages that were asked for and whose kernel is not listed yet, of all handlers.
    starting = 0

    def initialize(self, **kwargs: Any) -> None:
        """Remember where the pages lie and how many may be open."""
        self.pages: dict[str, str] = kwargs.pop("pages")
        self.limit: int = kwargs.pop("limit")
        super().initialize(**kwargs)

    @property
    def content_security_policy(self) -> str:
        """The policy of all answers, and who may show this page in a frame."""
        return widened(super().content_security_policy, Path(os.environ["JUPYTER_TOKEN_FILE"]).parent)

    @web.authenticated
    async def get(self, path: str | None = None) -> None:
        """Send the page; 503 when too many are open."""
        if (notebook := self.pages.get(path or "")) is None:
            raise web.HTTPError(404)
        if self.get_argument("token", ""):
            # It is in a cookie by now, and need not stand where people see and copy it.
            self.redirect(
                url_path_join(self.base_url, path or "") + Question.parse(path or "", self.request.query).link()
            )
            return
        count = len(self.kernel_manager.list_kernel_ids()) + PageHandler.starting
        if count >= self.limit:
            self.set_status(503)
            self.set_header("Retry-After", "10")
            self.finish(_FULL.format(open=count, limit=self.limit))
            return
        # Its script sends it back when the page is closed.
        self.xsrf_token  # noqa: B018 - asking for it puts it into a cookie
        self.notebook_path = notebook
        PageHandler.starting += 1
        try:
            await self._show_first(Question.parse(path or Path(notebook).stem, self.request.query))
            async for part in self.get_generator(path=None):
                self.write(part)
                self.flush()
        finally:
            PageHandler.starting -= 1

    async def _show_first(self, question: Question) -> None:
        """Send the page as the board knows it: nobody waits for a kernel to see the newest figures.

        Where the board does not answer, the notebook's own output is the page.
        """
        if Path(self.notebook_path).stem not in PAGES:
            return
        sections = await asyncio.to_thread(asked_once, os.environ.get(BOARD, ""), question)
        if sections is None:
            return
        self.page_config_hook = lambda config, **_: {**config, "leptonShown": True}
        self.set_header("Content-Type", "text/html; charset=utf-8")
        self.set_header("Cache-Control", "no-store")
        self.write(_head(self.base_url) + Page.as_html(question, sections))
        self.flush()


class NotebookHandler(JupyterHandler):
    """The executed notebook of a step, as text and pictures: nothing in it runs."""

    @web.authenticated
    async def get(self, run: str, step: str) -> None:
        """Send it; 404 where there is none."""
        try:
            page = await asyncio.to_thread(executed, current(), run, step)
        except LeptonError as fault:
            raise web.HTTPError(404, str(fault)) from fault
        self.set_header("Content-Security-Policy", SANDBOX)
        self.set_header("Content-Type", "text/html; charset=utf-8")
        self.finish(page)


class ChannelsHandler(VoilaKernelWebsocketHandler):  # type: ignore[misc]  # Voila ships no types
    """The connection to a page's kernel, which sends each message at once.

    An answer is three messages. The network would keep the second one back until the first is acknowledged, 40 ms
    later.
    """

    async def open(self, kernel_id: str) -> None:
        """Begin."""
        self.set_nodelay(True)
        await super().open(kernel_id)


class Pages(Voila):  # type: ignore[misc]  # Voila ships no types
    """The server of the pages; its one argument is the notebook of the page that its address leads to."""

    def start(self) -> None:
        """Serve, with a board and a keeper beside it, which end when this process does."""
        with tempfile.TemporaryDirectory(prefix="lepton-board-") as folder:
            if hasattr(socket, "AF_UNIX"):
                os.environ[BOARD] = str(Path(folder) / "socket")
                threading.Thread(target=_beside, args=(Path(folder),), daemon=True).start()
            super().start()

    def init_handlers(self) -> list[Any]:
        """Voila's handlers, without its lists of files, and ours."""
        own = (TornadoVoilaHandler, TornadoVoilaTreeHandler, VoilaContentsHandler)
        handlers = [
            _at_once(one)
            for one in super().init_handlers()
            if not (isinstance(one[1], type) and issubclass(one[1], own))
        ]
        first = Path(self.notebook_path)
        pages = {path.stem: str(path.relative_to(self.root_dir)) for path in first.parent.glob("*.ipynb")}
        options = {
            "template_paths": self.template_paths,
            "config": self.config,
            "voila_configuration": self.voila_configuration,
            "pages": pages,
            "limit": limit(),
        }
        pages[""] = pages[first.stem]
        names = "|".join(re.escape(name) for name in sorted(pages))
        return [
            *handlers,
            (url_path_join(self.server_url, rf"/({names})"), PageHandler, options),
            (url_path_join(self.server_url, r"/notebook/([^/]+)/([^/]+)"), NotebookHandler),
        ]


def _at_once(handler: tuple[Any, ...]) -> tuple[Any, ...]:
    return (handler[0], ChannelsHandler, *handler[2:]) if handler[1] is VoilaKernelWebsocketHandler else handler


@functools.cache
def _head(base_url: str) -> str:
    """The head of every page, from the template that a page without a board begins with too."""
    from jinja2 import Environment, FileSystemLoader
    from voila.static_file_handler import TemplateStaticFileHandler

    folder = Path(__file__).resolve().parent / "share" / "voila" / "templates"
    prefix = {"static_url_prefix": f"{base_url}voila/templates/", "static_path": None}

    def static_url(path: str) -> str:
        return str(TemplateStaticFileHandler.make_static_url(prefix, f"lepton/static/{path}"))

    made = Environment(loader=FileSystemLoader(folder / "lepton"), autoescape=True).get_template("head.html.j2")
    return made.render(static_url=static_url, resources={"base_url": base_url})


def _beside(folder: Path) -> None:
    """Keep a board and a keeper running. Until they do, and should they not, each page answers for itself."""
    ws = current()
    path = folder / "socket"
    running: dict[str, Bound] = {}
    while folder.is_dir():
        for name, argv in (("keeper", [str(ws.home)]), ("board", [str(ws.home), str(path)])):
            if name in running and running[name].poll() is None:
                continue
            if name == "board":
                path.unlink(missing_ok=True)
            # What it says is appended to the server's own log.
            log = ws.home / "dashboard" / f"{name}.log"
            running[name] = start_bound(f"lepton_nb.dashboards.{name}", argv, log=log, cwd=ws.root)
        time.sleep(_LOOK_S)


def limit() -> int:
    """How many pages may be open at once: `LEPTON_DASHBOARD_VIEWERS`, else forty."""
    said = os.environ.get("LEPTON_DASHBOARD_VIEWERS", "")
    return int(said) if said.isdigit() and int(said) > 0 else _VIEWERS


main = Pages.launch_instance

if __name__ == "__main__":
    main()
