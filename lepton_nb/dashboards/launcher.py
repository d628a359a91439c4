"""Voila as a process of its own: loopback only, behind a token, showing neither sources nor tracebacks."""

from __future__ import annotations

import contextlib
import html
import http.client
import json
import os
import secrets
import sys
import time
from pathlib import Path
from typing import Literal

from ..errors import ConflictError, MissingError, NotFoundError, ServingError
from ..processes import Identity, free_port, is_alive, port_owner
from ..processes import start as start_process
from ..processes import stop as stop_process
from ..records import Dashboard
from ..workspace import Workspace, check_name, locked, read_json, write_atomic, write_json

__all__ = ["door", "is_running", "launch", "page_path", "stop"]

_HOST = "127.0.0.1"
_READY_S = 60.0
# Nothing is fetched from elsewhere: what the page needs is served beside it.
_POLICY = (
    "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; connect-src 'self' ws: data: blob:; "
    "frame-ancestors 'self'; form-action 'self'; object-src 'none'; base-uri 'self'"
)
_OPTIONS = (
    "--no-browser",
    f"--Voila.ip={_HOST}",
    "--Voila.port_retries=0",
    # With this the token is read from the file that JUPYTER_TOKEN_FILE names; an option would show it to `ps`.
    "--Voila.auto_token=True",
    "--VoilaConfiguration.strip_sources=True",
    "--VoilaConfiguration.show_tracebacks=False",
)
# What options cannot hold; Voila reads `voila.json` in its working folder before the user's own.
_SETTINGS = {
    "Voila": {
        "tornado_settings": {"headers": {"Content-Security-Policy": _POLICY}, "allow_remote_access": False},
    },
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
    for folder in folders:
        path = folder / f"{check_name(page, 'page')}.ipynb"
        if path.is_file():
            return path
    names = sorted({path.stem for folder in folders for path in folder.glob("*.ipynb")})
    raise NotFoundError(f"there is no dashboard {page!r}", expected=f"one of {', '.join(names) or 'none'}")


def launch(ws: Workspace, page: str = "deployments", port: int = 0) -> Dashboard:
    """Serve a page until `stop`; it keeps running when this process ends. One that runs already is reused.

    Args:
        ws: the workspace that the page shows.
        page: which page.
        port: TCP port, or 0 for a free one.

    Returns:
        The dashboard, ready to be opened.

    Raises:
        UsageError: the name is not legal.
        NotFoundError: there is no such page.
        ConflictError: the port is in use, or the page runs on another one.
        MissingError: Voila is not installed.
        ServingError: Voila did not start.
    """
    from importlib.util import find_spec

    notebook = page_path(page)
    if find_spec("voila") is None:
        raise MissingError("voila is not installed", hint="pip install voila")
    folder = ws.home / "dashboard" / page
    with locked(folder / "lock"):
        running, identity = _recorded(folder)
        if running and running.status == "running":
            if port and f":{port}/" not in running.url:
                raise ConflictError(f"dashboard {page} runs at {running.url} already", hint=f"lepton stop {page}")
            return running
        if port and (owner := port_owner(port, _HOST)):
            raise ConflictError(f"port {port} is in use by {owner}", hint="choose another port, or 0 for a free one")
        folder.chmod(0o700)
        write_atomic(folder / "token", secrets.token_urlsafe(32), mode=0o600)
        chosen = port or free_port(_HOST)
        write_atomic(folder / "voila.json", json.dumps(_SETTINGS, indent=1), mode=0o600)
        identity = _start(ws, notebook, folder, chosen)
        try:
            _wait(identity, chosen, folder / "log")
        except BaseException:
            stop_process(identity, grace=2.0)
            raise
        return _write(
            folder, Dashboard(page, "running", f"http://{_HOST}:{chosen}/", identity.pid, folder / "token"), identity
        )


def stop(ws: Workspace, page: str = "deployments") -> Dashboard:
    """End a page's server and its kernels; one that does not run is left as it is.

    Raises:
        NotFoundError: that page was never launched here.
    """
    folder = ws.home / "dashboard" / check_name(page, "page")
    if not (folder / "dashboard.json").is_file():
        raise NotFoundError(f"dashboard {page!r} does not run", hint=f"lepton dashboard {page}")
    with locked(folder / "lock"):
        found, identity = _recorded(folder)
        if found is None or identity is None:
            raise NotFoundError(f"dashboard {page!r} does not run", hint=f"lepton dashboard {page}")
        stop_process(identity)
        for secret in (folder / "token", folder / "open.html"):
            secret.unlink(missing_ok=True)
        ended = Dashboard(found.name, "stopped", found.url, found.pid, found.token_file)
        return _write(folder, ended, identity)


def door(one: Dashboard) -> Path:
    """A page of this user's own (mode 0600) that leads to a running dashboard.

    A browser is started with its path: with the address itself, the token would stand in the list of processes.
    """
    path = one.token_file.parent / "open.html"
    address = html.escape(one.open_url, quote=True)
    write_atomic(path, f'<!doctype html><meta http-equiv="refresh" content="0; url={address}">\n', mode=0o600)
    return path


def is_running(ws: Workspace, page: str) -> bool:
    """Whether a page of that name is being served; a name that no page can have is not."""
    folder = ws.home / "dashboard" / page
    if folder.parent != ws.home / "dashboard":
        return False
    found, _ = _recorded(folder)
    return found is not None and found.status == "running"


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


def _write(folder: Path, one: Dashboard, identity: Identity) -> Dashboard:
    record = {"status": one.status, "url": one.url, "pid": identity.pid, "started": identity.started}
    write_json(folder / "dashboard.json", record, mode=0o600)
    return one


def _start(ws: Workspace, notebook: Path, folder: Path, port: int) -> Identity:
    environment = {name: value for name, value in os.environ.items() if name != "JUPYTER_TOKEN"}
    environment |= {"LEPTON_HOME": str(ws.home.resolve()), "JUPYTER_TOKEN_FILE": str((folder / "token").resolve())}
    command = [sys.executable, "-m", "voila", str(notebook), f"--port={port}", *_OPTIONS]
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
