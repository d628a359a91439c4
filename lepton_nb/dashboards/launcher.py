"""Voila as a process of its own: loopback only, behind a token, showing neither sources nor tracebacks."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import html
import http.client
import json
import os
import secrets
import sys
import time
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlencode

from ..errors import ConflictError, MissingError, NotFoundError, ServingError
from ..processes import Identity, free_port, is_alive, port_owner
from ..processes import start as start_process
from ..processes import stop as stop_process
from ..records import Dashboard
from ..workspace import Workspace, check_name, locked, read_json, write_atomic, write_json
from .framing import FRAMES
from .question import PAGES

__all__ = ["door", "is_running", "launch", "page_of", "page_path", "stop"]

_HOST = "127.0.0.1"
_READY_S = 60.0
# Nothing is fetched from elsewhere, and no script runs but the one file that we ship: should a text ever escape its
# escaping, it is still not run.
_POLICY = (
    "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self' ws://127.0.0.1:{port}; frame-ancestors 'self'; form-action 'self'; object-src 'none'; "
    "base-uri 'self'"
)
# Voila finds its templates here, beside those that are installed.
_SHARE = Path(__file__).resolve().parent / "share"
_ALIASES = {"deployments": "fleet"}
_OPTIONS = (
    "--no-browser",
    f"--Voila.ip={_HOST}",
    "--Voila.port_retries=0",
    # With this the token is read from the file that JUPYTER_TOKEN_FILE names; an option would show it to `ps`.
    "--Voila.auto_token=True",
    "--VoilaConfiguration.template=lepton",
    "--VoilaConfiguration.allow_template_override=NO",
    "--VoilaConfiguration.allow_theme_override=NO",
    "--VoilaConfiguration.strip_sources=True",
    "--VoilaConfiguration.show_tracebacks=False",
)
# What options cannot hold; Voila reads `voila.json` in its working folder before the user's own.
_SETTINGS: dict[str, Any] = {
    "Voila": {
        "tornado_settings": {"headers": {"X-Content-Type-Options": "nosniff"}, "allow_remote_access": False},
    },
    # Sockets of files instead of ports, which other users of the machine could reach.
    "KernelManager": {"transport": "ipc"},
    "VoilaConfiguration": {"file_denylist": [".*"]},
    # A page that was closed without a goodbye leaves its kernel, which goes on updating what nobody sees: only a
    # connection is a sign of life, none of these messages.
    "MappingKernelManager": {
        "cull_idle_timeout": 300,
        "cull_interval": 60,
        "untracked_message_types": [
            *("comm_open", "comm_msg", "comm_info_request", "comm_info_reply", "kernel_info_request", "status"),
            *("execute_request", "execute_input", "execute_result", "display_data", "stream"),
        ],
    },
}


def page_path(page: str) -> Path:
    """The notebook of a page: in the installed package, else in the repository around it.

    Raises:
        UsageError: the name is not legal.
        NotFoundError: there is no such page; the message lists those there are.
    """
    package = Path(__file__).resolve().parent
    folders = (package / "pages", package.parents[1] / "notebooks" / "dashboards")
    name = check_name(_ALIASES.get(page, page), "page")
    for folder in folders:
        path = folder / f"{name}.ipynb"
        if path.is_file():
            return path
    names = sorted({path.stem for folder in folders for path in folder.glob("*.ipynb")})
    raise NotFoundError(f"there is no dashboard {page!r}", expected=f"one of {', '.join(names) or 'none'}")


def page_of(name: str) -> str:
    """The page of a name: the one it has now, where it had another one before.

    Raises:
        UsageError: the name is not legal.
        NotFoundError: there is no such page.
    """
    return page_path(name).stem


def launch(ws: Workspace, page: str = "fleet", port: int = 0) -> Dashboard:
    """Serve the pages until `stop`; they stay when this process ends. A server that runs already is reused.

    Args:
        ws: the workspace that the pages show.
        page: which page it opens with; the others are beside it.
        port: TCP port, or 0 for a free one.

    Returns:
        The dashboard, ready to be opened.

    Raises:
        UsageError: the name is not legal.
        NotFoundError: there is no such page.
        ConflictError: the port is in use, or the pages are served on another one.
        MissingError: Voila is not installed.
        ServingError: Voila did not start.
    """
    from importlib.util import find_spec

    notebook = page_path(page)
    page = _ALIASES.get(page, page)
    if find_spec("voila") is None:
        raise MissingError("voila is not installed", hint="pip install voila")
    folder = ws.home / "dashboard" / page
    with locked(ws.home / "dashboard" / ".lock"):
        if running := _serving(ws, notebook):
            if port and f":{port}/" not in running.url:
                hint = f"lepton stop {running.name}"
                raise ConflictError(f"dashboard {running.name} runs at {running.url} already", hint=hint)
            return running if running.name == page else dataclasses.replace(running, url=f"{running.url}{page}")
        if port and (owner := port_owner(port, _HOST)):
            raise ConflictError(f"port {port} is in use by {owner}", hint="choose another port, or 0 for a free one")
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
        (folder / FRAMES).unlink(missing_ok=True)
        write_atomic(folder / "token", secrets.token_urlsafe(32), mode=0o600)
        chosen = port or free_port(_HOST)
        write_atomic(folder / "voila.json", json.dumps(_settings(chosen), indent=1), mode=0o600)
        identity = _start(ws, notebook, folder, chosen)
        try:
            _wait(identity, chosen, folder / "log")
        except BaseException:
            stop_process(identity, grace=2.0)
            raise
        started = Dashboard(page, "running", f"http://{_HOST}:{chosen}/", identity.pid, folder / "token")
        return _write(folder, started, identity, notebook.parent)


def stop(ws: Workspace, page: str = "fleet") -> Dashboard:
    """End the server that was launched with a page, and its kernels; one that does not run is left as it is.

    Raises:
        NotFoundError: that page was never launched here.
    """
    folder = _folder(ws, check_name(page, "page"))
    if not (folder / "dashboard.json").is_file():
        raise NotFoundError(f"dashboard {page!r} does not run", hint=f"lepton dashboard {page}")
    with locked(ws.home / "dashboard" / ".lock"):
        found, identity = _recorded(folder)
        if found is None or identity is None:
            raise NotFoundError(f"dashboard {page!r} does not run", hint=f"lepton dashboard {page}")
        stop_process(identity)
        for secret in (folder / "token", folder / "open.html", folder / FRAMES):
            secret.unlink(missing_ok=True)
        ended = Dashboard(found.name, "stopped", found.url, found.pid, found.token_file)
        return _write(folder, ended, identity)


def door(one: Dashboard, **asked: str) -> Path:
    """A page of this user's own (mode 0600) that leads to a running dashboard.

    A browser is started with its path: with the address itself, the token would stand in the list of processes.

    Args:
        one: the dashboard.
        asked: what its page is asked for, such as `name` and `since`.
    """
    path = one.token_file.parent / "open.html"
    query = urlencode({name: value for name, value in asked.items() if value})
    address = html.escape(one.open_url + (f"&{query}" if query else ""), quote=True)
    write_atomic(path, f'<!doctype html><meta http-equiv="refresh" content="0; url={address}">\n', mode=0o600)
    return path


def is_running(ws: Workspace, page: str) -> bool:
    """Whether a server that was launched with that page runs; a name that no page can have is none."""
    folder = _folder(ws, page)
    if folder.parent != ws.home / "dashboard":
        return False
    found, _ = _recorded(folder)
    return found is not None and found.status == "running"


def _folder(ws: Workspace, page: str) -> Path:
    """Where a server is recorded: under the page it was launched with. Any other of its pages means it as well."""
    name = _ALIASES.get(page, page)
    for one in (page, name):
        if (ws.home / "dashboard" / one / "dashboard.json").is_file():
            return ws.home / "dashboard" / one
    if name in PAGES:
        for path in sorted((ws.home / "dashboard").glob("*/dashboard.json")):
            found, _ = _recorded(path.parent)
            if found and found.status == "running":
                return path.parent
    return ws.home / "dashboard" / name


def _serving(ws: Workspace, notebook: Path) -> Dashboard | None:
    """A server that runs and has the page."""
    for path in sorted((ws.home / "dashboard").glob("*/dashboard.json")):
        found, _ = _recorded(path.parent)
        if found and found.status == "running" and read_json(path).get("pages") == str(notebook.parent):
            return found
    return None


def _settings(port: int) -> dict[str, Any]:
    """The settings of a server; a page's policy names its own address, since `self` may leave web sockets out."""
    settings = copy.deepcopy(_SETTINGS)
    settings["Voila"]["tornado_settings"]["headers"]["Content-Security-Policy"] = _POLICY.format(port=port)
    return settings


def _recorded(folder: Path) -> tuple[Dashboard | None, Identity | None]:
    """The dashboard as it was recorded last, its status derived from its process."""
    try:
        value = read_json(folder / "dashboard.json")
    except FileNotFoundError:
        return None, None
    identity = Identity(int(value["pid"]), float(value["started"]))
    status: Literal["running", "stopped"] = "stopped"
    if value["status"] == "running" and is_alive(identity):
        status = "running"
    return Dashboard(folder.name, status, str(value["url"]), identity.pid, folder / "token"), identity


def _write(folder: Path, one: Dashboard, identity: Identity, pages: Path | None = None) -> Dashboard:
    record: dict[str, Any] = {"status": one.status, "url": one.url, "pid": identity.pid, "started": identity.started}
    record |= {"pages": str(pages)} if pages else {}
    write_json(folder / "dashboard.json", record, mode=0o600)
    return one


def _start(ws: Workspace, notebook: Path, folder: Path, port: int) -> Identity:
    environment = {name: value for name, value in os.environ.items() if name != "JUPYTER_TOKEN"}
    environment |= {"LEPTON_HOME": str(ws.home.resolve()), "JUPYTER_TOKEN_FILE": str((folder / "token").resolve())}
    environment["JUPYTER_PATH"] = os.pathsep.join([str(_SHARE), *filter(None, [os.environ.get("JUPYTER_PATH")])])
    command = [sys.executable, "-m", "lepton_nb.dashboards.server", str(notebook), f"--port={port}", *_OPTIONS]
    return start_process(command, log=folder / "log", cwd=folder, env=environment)


def _wait(identity: Identity, port: int, log: Path) -> None:
    """Wait until the server answers; that it asks for the token is answer enough."""
    deadline = time.monotonic() + _READY_S
    while time.monotonic() < deadline:
        if not is_alive(identity):
            break
        connection = http.client.HTTPConnection(_HOST, port, timeout=5)
        with contextlib.suppress(OSError, http.client.HTTPException), contextlib.closing(connection):
            connection.request("GET", "/login")
            connection.getresponse()
            return
        time.sleep(0.1)
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    last = lines[-1] if lines else "nothing"
    raise ServingError(f"the dashboard did not start on port {port}", got=last, hint=f"see {log}")
