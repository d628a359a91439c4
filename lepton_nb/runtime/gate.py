"""Who may ask: an ASGI middleware that stands before every route but the health checks."""

from __future__ import annotations

import functools
import hmac
import os
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

import orjson
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from .asking import head_of
from .errors import RequestError
from .settings import Settings

__all__ = ["HEALTH_PATHS", "Gate", "fault_of", "refusal"]

# Asked by orchestrators that know neither the token nor the name; they say nothing about the model.
HEALTH_PATHS = frozenset({"/livez", "/readyz", "/healthz", "/v2/health/live", "/v2/health/ready"})
_RETRY_S = 1


@functools.cache
def _from_environment() -> Settings:
    return Settings.from_environment(os.environ)


class Gate:
    """Refuses foreign Host and Origin names (403) and requests without the token (401).

    Args:
        app: what stands behind it.
        settings: gives the settings, or None while the server has not started; default: from the environment.
    """

    def __init__(self, app: ASGIApp, settings: Callable[[], Settings | None] = _from_environment) -> None:
        self._app, self._settings = app, settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the refusal, or pass the request on."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        fault = None if path in HEALTH_PATHS else fault_of(head_of(scope), self._settings())
        await (refusal(fault) if fault else self._app)(scope, receive, send)


def refusal(fault: RequestError) -> Response:
    """The answer to a request that is refused."""
    headers = {401: {"www-authenticate": "Bearer"}, 429: {"retry-after": str(_RETRY_S)}}.get(fault.status)
    return Response(orjson.dumps(fault.to_dict()), fault.status, headers, "application/json")


def fault_of(head: Mapping[bytes, bytes], settings: Settings | None) -> RequestError | None:
    """Why a request may not pass; None when it may."""
    if settings is None:
        return RequestError(503, "not_ready", "the server has not started")
    if _host_name(head.get(b"host", b"").decode("latin-1")) not in settings.hosts:
        return RequestError(403, "foreign_host", "this Host name is not served here; see LEPTON_ALLOWED_HOSTS")
    if b"origin" in head and not _is_ours(head[b"origin"].decode("latin-1"), settings):
        return RequestError(403, "foreign_origin", "pages of this Origin may not ask here; see LEPTON_ALLOWED_HOSTS")
    if settings.token is None:
        return None
    scheme, _, given = head.get(b"authorization", b"").partition(b" ")
    if scheme.lower() == b"bearer" and hmac.compare_digest(given.strip(), settings.token.encode()):
        return None
    return RequestError(401, "unauthorized", "expected the header 'Authorization: Bearer TOKEN' with the right token")


def _is_ours(origin: str, settings: Settings) -> bool:
    """Whether a page's origin is a name that is served here."""
    try:
        return _host_name(urlsplit(origin).netloc) in settings.hosts
    except ValueError:
        return False


def _host_name(header: str) -> str:
    """The name in a Host header, without its port.

    Example:
        >>> _host_name("LocalHost:80"), _host_name("[::1]:80"), _host_name("evil.example")
        ('localhost', '[::1]', 'evil.example')
    """
    name, colon, port = header.lower().rpartition(":")
    return name if colon and port.isdecimal() else header.lower()
