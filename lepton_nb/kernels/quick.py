"""Clients that know when a kernel is ready, instead of waiting until it has been silent for a while."""

from __future__ import annotations

import time
from queue import Empty
from typing import Any

from jupyter_client.asynchronous.client import AsyncKernelClient
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_core.utils import ensure_async, run_sync

__all__ = ["QuickAsyncClient", "QuickBlockingClient", "make_quick"]

_REPLY_S = 1.0
_IDLE_S = 0.1


async def _wait_for_ready(client: Any, timeout: float | None) -> None:  # noqa: ASYNC109 -- the method's own
    """Ask for the kernel's description until an answer's `idle` has come on the other channel, too."""
    deadline = time.monotonic() + (float("inf") if timeout is None else timeout)
    while True:
        asked = client.kernel_info()
        reply = await _next(client.shell_channel, asked, "kernel_info_reply", _REPLY_S)
        # What was published before the subscription came through is lost: then ask again.
        if reply and await _next(client.iopub_channel, asked, "status", _IDLE_S):
            client._handle_kernel_info_reply(reply)  # noqa: SLF001 -- what the overridden method does, too
            return
        if not await ensure_async(client.is_alive()):
            raise RuntimeError("Kernel died before replying to kernel_info")
        if time.monotonic() >= deadline:
            raise RuntimeError(f"Kernel didn't respond in {timeout:g} seconds")


async def _next(channel: Any, asked: str, kind: str, seconds: float) -> dict[str, Any] | None:
    """The answer of that kind to a request, or the end of its handling; None when it does not come in time."""
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        try:
            message: dict[str, Any] = await ensure_async(channel.get_msg(timeout=left))
        except Empty:
            return None
        answers = message["parent_header"].get("msg_id") == asked and message["msg_type"] == kind
        if answers and message["content"].get("execution_state", "idle") == "idle":
            return message
    return None


class QuickAsyncClient(AsyncKernelClient):
    """For asyncio."""

    async def _async_wait_for_ready(self, timeout: float | None = None) -> None:  # noqa: ASYNC109 -- the method's own
        await _wait_for_ready(self, timeout)

    wait_for_ready = _async_wait_for_ready


class QuickBlockingClient(BlockingKernelClient):
    """For everybody else."""

    async def _async_wait_for_ready(self, timeout: float | None = None) -> None:  # noqa: ASYNC109 -- the method's own
        await _wait_for_ready(self, timeout)

    wait_for_ready = run_sync(_async_wait_for_ready)


def make_quick(manager: Any) -> None:
    """Have a kernel manager that makes Jupyter's own clients make these."""
    quick: dict[Any, Any] = {AsyncKernelClient: QuickAsyncClient, BlockingKernelClient: QuickBlockingClient}
    if replaced := quick.get(manager.client_factory):
        manager.client_factory = replaced
