"""Who may ask: an ASGI middleware that stands before every route but the health checks."""

from __future__ import annotations

import functools
import hmac
import os
from collections.abc import Callable

import orjson
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from .errors import RequestError
from .settings import Settings

__all__ = ["HEALTH_PATHS", "Gate", "refusal"]

# Asked by orchestrators that know neither the token nor the name; they say nothing about the model.
HEALTH_PATHS = frozenset({"/livez", "/readyz", "/healthz"})


@functools.cache
def _from_environment() -> Settings:
    return Settings.from_environment(os.environ)


class Gate:
    """Refuses foreign Host names (403) and requests without the token (401).

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
        fault = None if path in HEALTH_PATHS else _fault(Headers(scope=scope), self._settings())
        await (refusal(fault) if fault else self._app)(scope, receive, send)


def refusal(fault: RequestError) -> Response:
    """The answer to a request that is refused."""
    headers = {"www-authenticate": "Bearer"} if fault.status == 401 else None
    return Response(orjson.dumps(fault.to_dict()), fault.status, headers, "application/json")


def _fault(headers: Headers, settings: Settings | None) -> RequestError | None:
    if settings is None:
        return RequestError(503, "not_ready", "the server has not started")
    if _host_name(headers.get("host", "")) not in settings.hosts:
        return RequestError(403, "foreign_host", "this Host name is not served here; see LEPTON_ALLOWED_HOSTS")
    if settings.token is None:
        return None
    scheme, _, given = headers.get("authorization", "").partition(" ")
    same = hmac.compare_digest(given.strip().encode(), settings.token.encode())
    if scheme.lower() == "bearer" and same:
        return None
    return RequestError(401, "unauthorized", "expected the header 'Authorization: Bearer TOKEN' with the right token")


def _host_name(header: str) -> str:
    """The name in a Host header, without its port.

    Example:
        >>> _host_name("LocalHost:80"), _host_name("[::1]:80"), _host_name("evil.example")
        ('localhost', '[::1]', 'evil.example')
    """
    name, colon, port = header.lower().rpartition(":")
    return name if colon and port.isdecimal() else header.lower()
