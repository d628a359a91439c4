"""Clients that know when a kernel is ready, instead of waiting until it has been silent for a while."""

from __future__ import annotations

import time
from queue import Empty
from typing import Any

from jupyter_client import AsyncKernelClient, BlockingKernelClient
from jupyter_client.utils import ensure_async, run_sync

__all__ = ["QuickAsyncClient", "QuickBlockingClient", "make_quick"]

_ASK_AGAIN_S = 0.5


async def _wait_for_ready(client: Any, timeout: float | None) -> None:
    """Ask for the kernel's description until an answer's `idle` has come on the other channel, too."""
    deadline = time.monotonic() + (float("inf") if timeout is None else timeout)
    while True:
        asked, reply, idle = client.kernel_info(), None, False
        again = time.monotonic() + _ASK_AGAIN_S
        while time.monotonic() < min(again, deadline):
            left = max(0.0, min(again, deadline) - time.monotonic())
            try:
                if reply is None:
                    message = await ensure_async(client.shell_channel.get_msg(timeout=left))
                    reply = message if message["parent_header"].get("msg_id") == asked else None
                    continue
                message = await ensure_async(client.iopub_channel.get_msg(timeout=left))
            except Empty:
                break
            idle = message["content"].get("execution_state") == "idle"
            if idle and message["parent_header"].get("msg_id") == asked:
                client._handle_kernel_info_reply(reply)  # noqa: SLF001 -- what the overridden method does, too
                return
        if not await ensure_async(client.is_alive()):
            raise RuntimeError("Kernel died before replying to kernel_info")
        if time.monotonic() >= deadline:
            raise RuntimeError(f"Kernel didn't respond in {timeout:g} seconds")


class QuickAsyncClient(AsyncKernelClient):  # type: ignore[misc] # jupyter_client has no types
    """For asyncio."""

    async def _async_wait_for_ready(self, timeout: float | None = None) -> None:
        await _wait_for_ready(self, timeout)

    wait_for_ready = _async_wait_for_ready


class QuickBlockingClient(BlockingKernelClient):  # type: ignore[misc] # jupyter_client has no types
    """For everybody else."""

    async def _async_wait_for_ready(self, timeout: float | None = None) -> None:
        await _wait_for_ready(self, timeout)

    wait_for_ready = run_sync(_async_wait_for_ready)


def make_quick(manager: Any) -> None:
    """Have a kernel manager that makes Jupyter's own clients make these."""
    quick = {AsyncKernelClient: QuickAsyncClient, BlockingKernelClient: QuickBlockingClient}
    if replaced := quick.get(getattr(manager, "client_factory", None)):
        manager.client_factory = replaced
