"""The served app, the same under bare uvicorn and mounted in a BentoML service.

BentoML answers /livez, /readyz and /metrics itself when the app is mounted at "/"; it runs this app's start-up, so its
readiness waits for the model.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import multiprocessing
import os
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import orjson
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from .engine import Arrival, Engine
from .errors import RequestError
from .formats import CHAMPION, uuid7
from .gate import Gate, refusal
from .metrics import Counters, Measured, exposition
from .model import Model
from .predlog import PredictionLog
from .settings import Settings

__all__ = ["create_app"]

# Bodies above this are answered in a thread: parsing and predicting them would hold up the other requests.
_INLINE_BYTES = 64 * 1024
_ROUTES = ("/predict", "/signature", "/livez", "/readyz", "/metrics")
_logger = logging.getLogger(__name__)


@dataclass
class _Server:
    """What one worker holds; empty until it starts."""

    settings: Settings | None = None
    engine: Engine | None = None
    counters: Counters = field(default_factory=lambda: Counters(_ROUTES))

    def started(self) -> tuple[Settings, Engine]:
        if self.settings is None or self.engine is None:
            raise RequestError(503, "not_ready", "the server has not started")
        return self.settings, self.engine

    async def predict(self, request: Request) -> Response:
        """POST /predict."""
        arrival = Arrival.now()
        settings, engine = self.started()
        try:
            body = await _body(request, settings.max_body)
            if len(body) > _INLINE_BYTES:
                content = await run_in_threadpool(engine.answer, body, arrival)
            else:
                content = engine.answer(body, arrival)
            return Response(content, media_type="application/json")
        except ClientDisconnect:
            return Response(status_code=400)
        except RequestError as fault:
            engine.note(fault, arrival)
            return refusal(fault)
        except Exception as cause:  # noqa: BLE001 - whatever it is, it is logged and answered
            broken = _broken(cause)
            engine.note(broken, arrival)
            return refusal(broken)

    async def signature(self, request: Request) -> Response:
        """GET /signature."""
        _, engine = self.started()
        return _json({"version": engine.version, **engine.model.signature.to_dict()})

    async def livez(self, request: Request) -> Response:
        """GET /livez."""
        return _json({"status": "alive"})

    async def readyz(self, request: Request) -> Response:
        """GET /readyz."""
        self.started()
        return _json({"status": "ready"})

    async def metrics(self, request: Request) -> Response:
        """GET /metrics."""
        settings, engine = self.started()
        name, _, version = engine.version.partition(":")
        text = exposition(self.counters.merged(settings.log_dir), service=name, version=version)
        return Response(text, media_type="text/plain; version=0.0.4")

    @contextlib.asynccontextmanager
    async def lifespan(self, app: Starlette) -> AsyncIterator[None]:
        """Load the model, then serve."""
        settings = self.settings or Settings.from_environment(os.environ)
        model = Model.load(settings.champion.path)
        model.warm_up()
        log = PredictionLog(settings.log_dir)
        self.engine = Engine(model, CHAMPION, settings.champion.bento, log)
        self.settings = settings
        _end_with_supervisor()
        # What start-up made stays for good: full collections over it cost tens of milliseconds each.
        gc.collect()
        gc.freeze()
        sharing = asyncio.create_task(_share_counts(self.counters, settings))
        try:
            yield
        finally:
            sharing.cancel()
            gc.unfreeze()
            self.engine = None
            log.close()
            _leave_counts(self.counters, settings)


def create_app(settings: Settings | None = None) -> Starlette:
    """The served app. Nothing is read or loaded before it starts.

    Args:
        settings: how it serves; default: what the environment says at start-up.
    """
    server = _Server(settings)
    handlers = [server.predict, server.signature, server.livez, server.readyz, server.metrics]
    return Starlette(
        routes=[
            Route(path, handler, methods=["POST" if path == "/predict" else "GET"])
            for path, handler in zip(_ROUTES, handlers, strict=True)
        ],
        middleware=[
            Middleware(Measured, counters=server.counters),
            Middleware(Gate, settings=lambda: server.settings),
        ],
        exception_handlers={HTTPException: _refuse_route, RequestError: _refuse, Exception: _refuse_broken},
        lifespan=server.lifespan,
    )


async def _body(request: Request, limit: int) -> bytes:
    """The request's body, of the right type and no larger than `limit` bytes."""
    kind, _, parameter = request.headers.get("content-type", "").partition(";")
    if kind.strip().lower() != "application/json" or parameter.strip().lower() not in ("", "charset=utf-8"):
        raise RequestError(415, "unsupported_type", "expected Content-Type: application/json, in UTF-8")
    if request.headers.get("content-encoding", "identity") != "identity":
        raise RequestError(415, "unsupported_type", "expected a body without Content-Encoding")
    too_large = RequestError(413, "body_too_large", f"the body is larger than {limit} bytes; send fewer rows")
    if int(request.headers.get("content-length", 0)) > limit:
        raise too_large
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            raise too_large
    return bytes(body)


async def _share_counts(counters: Counters, settings: Settings) -> None:
    while True:
        await asyncio.sleep(1.0)
        _leave_counts(counters, settings)


def _leave_counts(counters: Counters, settings: Settings) -> None:
    if settings.log_dir is not None:
        # Counts that cannot be shared are not worth a failed request or a failed end.
        with contextlib.suppress(OSError):
            counters.flush(settings.log_dir)


def _end_with_supervisor() -> None:
    """A worker whose supervisor was killed would go on holding the port: end with it."""
    supervisor = multiprocessing.parent_process()
    if supervisor is not None:
        loop = asyncio.get_running_loop()

        def end() -> None:
            loop.remove_reader(supervisor.sentinel)
            os.kill(os.getpid(), signal.SIGTERM)

        loop.add_reader(supervisor.sentinel, end)


def _json(value: object) -> Response:
    return Response(orjson.dumps(value), media_type="application/json")


async def _refuse_route(request: Request, fault: Exception) -> Response:
    assert isinstance(fault, HTTPException)  # noqa: S101 - narrows what Starlette registers it for
    code = {404: "not_found", 405: "method_not_allowed"}.get(fault.status_code, "refused")
    return refusal(RequestError(fault.status_code, code, f"{request.method} {request.url.path}: {fault.detail}"))


async def _refuse(request: Request, fault: Exception) -> Response:
    assert isinstance(fault, RequestError)  # noqa: S101 - narrows what Starlette registers it for
    return refusal(fault)


async def _refuse_broken(request: Request, fault: Exception) -> Response:
    return refusal(_broken(fault))


def _broken(cause: Exception) -> RequestError:
    """What the client is told of an unexpected fault; the server's log gets the rest under the same number."""
    identifier = uuid7()
    _logger.error("request %s failed", identifier, exc_info=cause)
    return RequestError(500, "internal", f"request {identifier} failed; the server's log says why")
