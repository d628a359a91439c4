"""A request's head and body, read with all limits."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import Mapping
from io import FileIO
from typing import Any, Self

from starlette.types import Receive, Scope, Send

from .errors import RequestError
from .settings import Settings

__all__ = ["INLINE_BYTES", "Gone", "body_of", "head_of", "kind_of", "send_content"]

# Bodies above this are worked on in a thread: parsing them alone would hold up the other requests.
INLINE_BYTES = 64 * 1024
# A body of no stated size may turn out too large: so much of it is held in memory, the rest in a file without a name.
_HELD_BYTES = 1024 * 1024
_ASIDE_BYTES = 32 * 1024 * 1024
_JSON = "application/json"


class Gone(Exception):  # noqa: N818 - whoever asked has gone; that is no fault of ours
    """The client has hung up: nobody is there to answer to."""


def head_of(scope: Scope) -> dict[bytes, bytes]:
    """The request's headers by lower-case name; of several with one name the last."""
    return dict(scope["headers"])


def kind_of(head: Mapping[bytes, bytes], legal: tuple[str, ...] = (_JSON,)) -> str:
    """The content type, when it is one of those that a route takes.

    Raises:
        RequestError: 415 when it is another one, or the body is compressed.
    """
    given = head.get(b"content-type", b"").decode("latin-1")
    kind, _, parameter = given.partition(";")
    kind = kind.strip().lower()
    if kind not in legal or (parameter and parameter.strip().lower() not in ("charset=utf-8", 'charset="utf-8"')):
        raise RequestError(415, "unsupported_type", f"expected Content-Type: {' or '.join(legal)}, in UTF-8")
    if head.get(b"content-encoding", b"identity") != b"identity":
        raise RequestError(415, "unsupported_type", "expected a body without Content-Encoding")
    return kind


async def body_of(head: Mapping[bytes, bytes], receive: Receive, settings: Settings) -> bytes:
    """The request's body.

    Raises:
        RequestError: 413 when it is too large, before any of it is parsed; 408 when it does not come to its end.
        Gone: the client has hung up.
    """
    limit = settings.max_body
    stated = head.get(b"content-length", b"0")
    if not stated.isdigit() or int(stated) > limit:
        raise _too_large(limit)
    try:
        async with asyncio.timeout(settings.body_s):
            message = await receive()
            if message["type"] == "http.request" and not message.get("more_body"):
                body = bytes(message.get("body", b""))
                if len(body) > limit:
                    raise _too_large(limit)
                return body
            return await _rest(message, receive, limit, limit if b"content-length" in head else _HELD_BYTES)
    except TimeoutError:
        text = f"the body did not come to its end within {settings.body_s:g} s"
        raise RequestError(408, "body_timeout", text) from None


async def _rest(message: Any, receive: Receive, limit: int, held: int) -> bytes:
    size = 0
    with _Body(held) as body:
        while True:
            if message["type"] == "http.disconnect":
                raise Gone
            part = message.get("body", b"")
            size += len(part)
            if size > limit:
                raise _too_large(limit)
            body.add(part)
            if not message.get("more_body"):
                return body.whole()
            message = await receive()


class _Body:
    """What has come of a body: beyond so many bytes in a file without a name, where a disk has room for it.

    Args:
        held: bytes that stay in memory.
    """

    # Of all bodies of this worker: the folder for such files may be small.
    _aside = 0

    def __init__(self, held: int) -> None:
        self._held, self._memory, self._written = held, bytearray(), 0
        self._file: FileIO | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        _Body._aside -= self._written
        if self._file is not None:
            self._file.close()

    def add(self, part: bytes) -> None:
        self._memory += part
        if len(self._memory) <= self._held or _Body._aside >= _ASIDE_BYTES:
            return
        try:
            if self._file is None:
                # Without a buffer it is known how much was written when the disk is full; the rest stays in memory.
                self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - closed with the body
            written = self._file.write(self._memory) or 0
        except OSError:
            self._held = sys.maxsize
            return
        self._written += written
        _Body._aside += written
        del self._memory[:written]

    def whole(self) -> bytes:
        if self._file is None:
            return bytes(self._memory)
        self._file.seek(0)
        return self._file.read(self._written) + bytes(self._memory)


def _too_large(limit: int) -> RequestError:
    return RequestError(413, "body_too_large", f"the body is larger than {limit} bytes; send fewer rows")


async def send_content(
    send: Send,
    content: bytes,
    kind: bytes = b"application/json",
    status: int = 200,
    more: tuple[tuple[bytes, bytes], ...] = (),
) -> None:
    """Send a whole answer."""
    headers = [(b"content-type", kind), (b"content-length", str(len(content)).encode()), *more]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content})
