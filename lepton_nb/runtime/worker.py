"""What one worker holds, and the routes that ask it."""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from .asking import Gone, body_of, head_of, kind_of, send_content
from .engine import Arrival, Engine, Logging
from .errors import RequestError
from .formats import uuid7
from .gate import refusal
from .metrics import Counters, exposition
from .predlog import PredictionLog
from .settings import Settings
from .slots import Follower, Standing

__all__ = ["Worker", "broken"]

KEY_HEADER = b"lepton-key"
# So many times the queue may bodies be arriving.
_UPLOADS = 8
_logger = logging.getLogger(__name__)


@dataclass
class Worker:
    """What one worker holds; empty until it starts."""

    counters: Counters
    settings: Settings | None = None
    follower: Follower | None = None
    logging: Logging | None = None
    feedback: Any = None
    # Bodies that are arriving, requests that are worked on, and answers of the shadow that are to be made.
    uploading: int = 0
    waiting: int = 0
    shadowing: int = 0
    # The shadow has a thread of its own: what waits in it holds up nobody.
    shadows: ThreadPoolExecutor = field(default_factory=partial(ThreadPoolExecutor, 1, "lepton-shadow"))

    def started(self) -> tuple[Settings, Standing]:
        """The settings and what answers.

        Raises:
            RequestError: 503 when it has not started.
        """
        if self.settings is None or self.follower is None or self.follower.standing is None:
            raise RequestError(503, "not_ready", "the server has not started")
        return self.settings, self.follower.standing

    async def answered(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        legal: tuple[str, ...],
        work: Callable[..., Awaitable[Any]],
        status: int = 200,
    ) -> None:
        """Read a body, have it answered, and send what is to be sent: an answer, or a refusal that is on the log.

        Args:
            scope: of the request.
            receive: gives its body.
            send: takes the answer.
            legal: content types that the route takes.
            work: takes the engine, the body, its content type and the arrival; gives content, kind and headers.
            status: of the answer.
        """
        arrival = Arrival.now()
        settings, standing = self.started()
        head = head_of(scope)
        engine = standing.engine(head.get(KEY_HEADER))
        try:
            kind = kind_of(head, legal)
            body = await self._body(head, receive, settings)
            content, given, more = await self._worked(settings, work, engine, body, kind, arrival)
            if settings.durable:
                for log in self.logs():
                    await log.sync()
        except Gone:
            return
        except Exception as cause:  # noqa: BLE001 - whatever it is, it is logged and answered
            fault = cause if isinstance(cause, RequestError) else broken(cause)
            engine.note(fault, arrival)
            await refusal(fault)(scope, receive, send)
        else:
            await send_content(send, content, given, status, more)

    async def _body(self, head: dict[bytes, bytes], receive: Receive, settings: Settings) -> bytes:
        """Read a body; many that never come to their end do not take the place of those that do."""
        if self.uploading >= _UPLOADS * settings.queue:
            raise RequestError(429, "busy", "too many bodies are arriving; come again")
        self.uploading += 1
        try:
            return await body_of(head, receive, settings)
        finally:
            self.uploading -= 1

    async def _worked(self, settings: Settings, work: Callable[..., Awaitable[Any]], *given: Any) -> Any:
        if self.waiting >= settings.queue:
            raise RequestError(429, "busy", f"{settings.queue} requests are waiting already; come again")
        self.waiting += 1
        try:
            return await work(*given)
        finally:
            self.waiting -= 1

    def logs(self) -> list[PredictionLog]:
        """What is written to."""
        return [self.logging.log, self.logging.bulk, self.feedback] if self.logging else []

    async def rows(self, engine: Engine, body: bytes, _: str, arrival: Arrival) -> tuple[bytes, bytes, Any]:
        """The answer to rows in JSON."""
        if len(body) > engine.inline_bytes:
            content, rows = await asyncio.to_thread(engine.answer, body, arrival)
        else:
            content, rows = await engine.reply(body, arrival)
        self.shadow(engine, functools.partial(self._repeat, rows, arrival))
        return content, b"application/json", ()

    def _repeat(self, rows: list[dict[str, Any]], arrival: Arrival, other: Engine) -> None:
        other.repeat(rows, arrival)

    def shadow(self, engine: Engine, repeat: Callable[[Engine], None]) -> None:
        """Have the challenger answer the same, behind the answer; more than can wait are left out and counted."""
        settings, standing = self.started()
        other = standing.shadow
        if other is None or other is engine:
            return
        if self.shadowing >= settings.queue:
            self.counters.left_out()
            return
        self.shadowing += 1
        asyncio.get_running_loop().run_in_executor(self.shadows, repeat, other).add_done_callback(self._shadowed)

    def _shadowed(self, _: object) -> None:
        self.shadowing -= 1

    # ---- routes that ask for nothing but words

    async def signature(self, request: Request) -> Response:
        """GET /signature."""
        _, standing = self.started()
        champion = standing.champion
        return _json({"version": champion.version, **champion.signature.to_dict()})

    async def livez(self, request: Request) -> Response:
        """GET /livez."""
        return _json({"status": "alive"})

    async def readyz(self, request: Request) -> Response:
        """GET /readyz."""
        self.started()
        return _json({"status": "ready"})

    async def metrics(self, request: Request) -> Response:
        """GET /metrics."""
        settings, standing = self.started()
        name, _, version = standing.champion.version.partition(":")
        self.count_lost()
        text = exposition(
            self.counters.merged(settings.log_dir),
            service=name,
            version=version,
            in_progress=self.counters.in_progress,
        )
        return Response(text, media_type="text/plain; version=0.0.4")

    def count_lost(self) -> None:
        """Tell the counters what could not be logged."""
        self.counters.lost(sum(log.lost for log in self.logs()))


def _json(value: object) -> Response:
    return Response(orjson.dumps(value), media_type="application/json")


def broken(cause: Exception) -> RequestError:
    """What the client is told of an unexpected fault; the server's log gets the rest under the same number."""
    identifier = uuid7()
    _logger.error("request %s failed", identifier, exc_info=cause)
    return RequestError(500, "internal", f"request {identifier} failed; the server's log says why")
