"""Who may show the pages inside a page of its own: a JupyterLab on this machine that has asked for it, nobody else."""

from __future__ import annotations

import re
import socket
from pathlib import Path
from urllib.parse import urlsplit

from ..errors import FormatError
from ..records import Dashboard
from ..workspace import locked, read_json, write_json

__all__ = ["FRAMES", "framed", "widened"]

# Beside the token; it is forgotten with it.
FRAMES = "frames.json"
_ORIGIN = re.compile(r"http://(127\.0\.0\.1|localhost)(:[0-9]{1,5})?")
_MOST = 16


def framed(one: Dashboard, origin: str) -> str:
    """Let an origin show a running dashboard in a frame.

    A frame has its cookie only where it has the host name of the page around it, so the address has that of the origin.

    Args:
        one: the dashboard.
        origin: of the page around, such as `http://localhost:8888`.

    Returns:
        The address with its token, for a browser of this user; empty where the origin is not of this machine.
    """
    found = _ORIGIN.fullmatch(origin)
    address = urlsplit(one.open_url)
    if not found or (found[1] == "localhost" and _answers_elsewhere(address.port or 0)):
        return ""
    path = one.token_file.parent / FRAMES
    with locked(path.with_name(".frames.lock")):
        origins = [known for known in _origins(path.parent) if known != origin]
        write_json(path, {"origins": [*origins, origin][-_MOST:]}, mode=0o600)
    return address._replace(netloc=f"{found[1]}:{address.port}").geturl()


def widened(policy: str, folder: Path) -> str:
    """A policy that names the origins which may frame a page; the rest of it stays.

    Args:
        policy: a Content-Security-Policy with `frame-ancestors 'self'`.
        folder: where the dashboard is recorded.
    """
    return policy.replace("frame-ancestors 'self'", " ".join(["frame-ancestors 'self'", *_origins(folder)]))


def _origins(folder: Path) -> list[str]:
    try:
        known = read_json(folder / FRAMES).get("origins", [])
    except (FileNotFoundError, FormatError):
        return []
    return [one for one in known if isinstance(one, str) and _ORIGIN.fullmatch(one)]


def _answers_elsewhere(port: int) -> bool:
    """Whether `localhost` may lead to another server, which would be sent the token: we listen on 127.0.0.1 alone."""
    if not socket.has_ipv6:
        return False
    with socket.socket(socket.AF_INET6) as probe:
        probe.settimeout(1.0)
        return probe.connect_ex(("::1", port)) == 0
