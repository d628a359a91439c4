"""The served app, the same under bare uvicorn and mounted in a BentoML service.

BentoML answers /livez, /readyz and /metrics itself when the app is mounted at "/"; it runs this app's start-up, so its
readiness waits for the model.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import multiprocessing
import os
import signal
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from .batching import Batcher
from .bulk import BULK_KINDS, bulk
from .engine import Engine, Logging
from .errors import RequestError
from .feedback import Feedback
from .gate import Gate, refusal
from .inference import inference_routes
from .metrics import Counters, Measured
from .model import Model
from .openapi import document
from .pictures import KINDS
from .plans import Slot
from .predlog import PredictionLog
from .sealing import tend
from .settings import Settings
from .slots import Follower
from .upkeep import upkeep
from .worker import Worker, broken

__all__ = ["create_app"]

_ROUTES = ("/predict", "/feedback", "/signature", "/livez", "/readyz", "/metrics", "/docs.json")
_JSON = "application/json"


def create_app(settings: Settings | None = None) -> Starlette:
    """The served app. Nothing is read or loaded before it starts.

    Args:
        settings: how it serves; default: what the environment says at start-up.
    """
    worker = Worker(Counters(_ROUTES), settings)
    given = settings
    worker.settings = None
    predict = _Predict(worker)
    routes = [
        Route("/predict", predict, methods=["POST"]),
        Route("/feedback", Feedback(worker), methods=["POST"]),
        Route("/signature", worker.signature, methods=["GET"]),
        Route("/livez", worker.livez, methods=["GET"]),
        Route("/readyz", worker.readyz, methods=["GET"]),
        Route("/metrics", worker.metrics, methods=["GET"]),
        *(Route(path, partial(_docs, worker), methods=["GET"]) for path in ("/docs.json", "/openapi.json")),
        *inference_routes(worker),
    ]
    return Starlette(
        routes=routes,
        middleware=[
            Middleware(Measured, counters=worker.counters),
            Middleware(Gate, settings=lambda: worker.settings or given),
            Middleware(_Straight, predict=predict),
        ],
        exception_handlers={HTTPException: _refuse_route, RequestError: _refuse, Exception: _refuse_broken},
        lifespan=partial(_lifespan, worker, given),
    )


class _Predict:
    """POST /predict: rows as JSON, many rows as Arrow or NumPy, or a picture's file."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        worker = self._worker

        async def work(engine: Engine, body: bytes, kind: str, arrival: Any) -> Any:
            if kind in KINDS:
                content, rows = await engine.picture(body, arrival)
                worker.shadow(engine, lambda other: other.repeat(rows, arrival))
                return content, _JSON.encode(), ()
            ask = worker.rows if kind == _JSON else partial(bulk, worker)
            return await ask(engine, body, kind, arrival)

        await worker.answered(scope, receive, send, (_JSON, *BULK_KINDS, *KINDS), work)


class _Straight:
    """Takes the requests that matter past the router, which would cost them a third of their time.

    Args:
        app: what stands behind it.
        predict: what answers POST /predict.
    """

    def __init__(self, app: ASGIApp, predict: ASGIApp) -> None:
        self._app, self._predict = app, predict

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] == "/predict" and scope["method"] == "POST":
            try:
                await self._predict(scope, receive, send)
            except RequestError as fault:
                await refusal(fault)(scope, receive, send)
        else:
            await self._app(scope, receive, send)


@contextlib.asynccontextmanager
async def _lifespan(worker: Worker, given: Settings | None, app: Starlette) -> AsyncIterator[None]:
    """Load the models, then serve."""
    settings = given or Settings.from_environment(os.environ)
    log_of = partial(PredictionLog, settings.log_dir, seconds=settings.segment_s, durable=settings.durable)
    log, bulk_log = log_of(), log_of(name="bulk", suffix="records")
    kept = settings.kept.with_salt(settings.log_dir)
    worker.logging = Logging(log, bulk_log, kept, settings.sample, settings.durable)
    worker.feedback = log_of(name="feedback")
    load = partial(_load, settings)
    follower = Follower(settings.slots, settings.champion, load, partial(_stand, worker.logging), settings.log_dir)
    follower.start()
    worker.follower, worker.settings = follower, settings
    _end_with_supervisor()
    # What start-up made stays for good: full collections over it cost tens of milliseconds each. What requests
    # leave behind is collected when none is at hand.
    gc.collect()
    gc.freeze()
    gc.disable()
    tasks = [asyncio.create_task(follower.follow()), asyncio.create_task(upkeep(worker))]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        gc.enable()
        gc.unfreeze()
        worker.follower = None
        follower.end()
        worker.shadows.shutdown(wait=False, cancel_futures=True)
        worker.count_lost()
        for one in worker.logs():
            one.close()
        if settings.log_dir is not None:
            with contextlib.suppress(OSError):
                worker.counters.flush(settings.log_dir)
            # A pod's disk goes with it: what is sealed now is copied now.
            await asyncio.to_thread(tend, settings, set().union(*(one.closed for one in worker.logs())))
        worker.counters.close()


def _load(settings: Settings, slot: Slot) -> tuple[Model, Batcher]:
    model = Model.load(slot.path)
    settings.kept.check(slot.bento, [one.name for one in model.signature.inputs])
    model.warm_up()
    return model, Batcher(model)


def _stand(logging: Logging, name: str, slot: Slot, loaded: tuple[Model, Batcher]) -> Engine:
    return Engine(*loaded, name, slot.bento, logging)


async def _docs(worker: Worker, request: Request) -> Response:
    _, standing = worker.started()
    return Response(document(standing.champion.signature, standing.champion.version), media_type=_JSON)


def _end_with_supervisor() -> None:
    """A worker whose supervisor was killed would go on holding the port: end with it."""
    supervisor = multiprocessing.parent_process()
    if supervisor is not None:
        loop = asyncio.get_running_loop()

        def end() -> None:
            loop.remove_reader(supervisor.sentinel)
            os.kill(os.getpid(), signal.SIGTERM)

        loop.add_reader(supervisor.sentinel, end)


async def _refuse_route(request: Request, fault: Exception) -> Response:
    assert isinstance(fault, HTTPException)  # noqa: S101 - narrows what Starlette registers it for
    code = {404: "not_found", 405: "method_not_allowed"}.get(fault.status_code, "refused")
    return refusal(RequestError(fault.status_code, code, f"{request.method} {request.url.path}: {fault.detail}"))


async def _refuse(request: Request, fault: Exception) -> Response:
    assert isinstance(fault, RequestError)  # noqa: S101 - narrows what Starlette registers it for
    return refusal(fault)


async def _refuse_broken(request: Request, fault: Exception) -> Response:
    return refusal(broken(fault))
