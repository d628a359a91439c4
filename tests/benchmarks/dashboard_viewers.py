"""Thirty viewers of one dashboard, for bench_dashboard.py: what a page's script does, without a browser."""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import os
import re
import secrets
import statistics
import threading
import time
import uuid
from collections.abc import Callable
from typing import Any

import psutil
from conftest import LoggedDeployment

__all__ = ["looked_at"]

VIEWERS, ROWS = 30, 10
EVERY_S = 2.0
# So many open their pages at a time: people come one after the other, if quickly.
AT_ONCE = 4
# A machine that is busy with other things opens them slowly; behind this time the case says so and fails.
PATIENCE_S = 240.0


class Viewer:
    """A page that asks for what is new.

    Args:
        address: of the page, with the token.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        self.opened = 0.0
        self.taken: list[float] = []

    async def look(self, door: asyncio.Semaphore, ended: threading.Event) -> None:
        """Open the page, and ask until it is over."""
        from tornado.httpclient import AsyncHTTPClient, HTTPRequest
        from tornado.websocket import websocket_connect

        token = self.address.partition("token=")[2].partition("&")[0]
        base = re.match(r"http://[^/]+/", self.address)[0]  # type: ignore[index]
        headers = {"Authorization": f"token {token}"}
        async with door:
            begun = time.monotonic()
            client = AsyncHTTPClient(force_instance=True)
            patience = {"request_timeout": PATIENCE_S, "connect_timeout": PATIENCE_S}
            answer = await client.fetch(HTTPRequest(f"{base}deployment?name=shop", headers=headers, **patience))
            kernel = re.search(r"data-kernel=\"([^\"]+)\"", answer.body.decode())[1]  # type: ignore[index]
            session = secrets.token_hex(8)
            channels = f"{base.replace('http', 'ws', 1)}api/kernels/{kernel}/channels?session_id={session}"
            connection = await websocket_connect(HTTPRequest(channels, headers=headers, **patience))
            comm = uuid.uuid4().hex
            await _send(connection, "comm_open", {"comm_id": comm, "target_name": "lepton.page", "data": {}})
            self.opened = time.monotonic() - begun
        have: dict[str, str] = {}
        while not ended.is_set():
            begun = time.monotonic()
            await _send(connection, "comm_msg", {"comm_id": comm, "data": {"query": "name=shop", "have": have}})
            found = await _heard(connection, comm)
            self.taken.append((time.monotonic() - begun) * 1000)
            have |= {name: part["version"] for name, part in found["sections"].items()}
            await asyncio.sleep(max(0.0, EVERY_S - (time.monotonic() - begun)))
        connection.close()


async def _send(connection: Any, kind: str, content: dict[str, Any]) -> None:
    header = {"msg_id": uuid.uuid4().hex, "msg_type": kind, "session": "bench", "username": "", "version": "5.3"}
    message = {"channel": "shell", "header": header, "parent_header": {}, "metadata": {}, "content": content}
    await connection.write_message(json.dumps(message | {"buffers": []}))


async def _heard(connection: Any, comm: str) -> dict[str, Any]:
    while True:
        raw = await connection.read_message()
        if raw is None:
            raise ConnectionResetError("the page's kernel is gone")
        message = json.loads(raw)
        if message["header"]["msg_type"] == "comm_msg" and message["content"]["comm_id"] == comm:
            return dict(message["content"]["data"])


def looked_at(one: LoggedDeployment, address: str, *, seconds: float, pause: Callable[[float], object]) -> list[float]:
    """What 95 % of the answers took at most, in milliseconds, once all pages are open; one value.

    Args:
        one: the deployment, which goes on answering.
        address: of its page.
        seconds: how long is measured.
        pause: waits so many milliseconds, and lets the browser live.
    """
    viewers = [Viewer(address) for _ in range(VIEWERS - 1)]
    ended, faults = threading.Event(), list[BaseException]()

    def go_on() -> None:
        while not ended.wait(1.0):
            one.answer(one.rows(ROWS))

    async def all_of_them() -> None:
        door = asyncio.Semaphore(AT_ONCE)
        await asyncio.gather(*(viewer.look(door, ended) for viewer in viewers))

    def look() -> None:
        try:
            asyncio.run(all_of_them())
        except BaseException as fault:  # noqa: BLE001 - it is told by whoever waits for it
            faults.append(fault)

    threads = [threading.Thread(target=work) for work in (go_on, look)]
    for thread in threads:
        thread.start()
    try:
        _until_open(viewers, faults, pause)
        skipped = [len(viewer.taken) for viewer in viewers]
        pause(1000 * seconds)
        if faults:
            raise RuntimeError("a page went away") from faults[0]
        taken = sorted(ms for viewer, skip in zip(viewers, skipped, strict=True) for ms in viewer.taken[skip:])
        memory = sum(_memory(pid) for pid in _family(one))
        print(f"{len(taken)} answers; {memory / 2**20:,.0f} MiB (PSS) for all that serves them", flush=True)
    finally:
        ended.set()
        for thread in threads:
            thread.join()
    print(f"median {statistics.median(taken):.0f} ms, largest {taken[-1]:.0f} ms", flush=True)
    return [taken[math.ceil(0.95 * len(taken)) - 1]]


def _until_open(viewers: list[Viewer], faults: list[BaseException], pause: Callable[[float], object]) -> None:
    begun = time.monotonic()
    while not all(viewer.taken for viewer in viewers):
        there = sum(bool(viewer.taken) for viewer in viewers)
        if faults or time.monotonic() - begun > PATIENCE_S:
            raise RuntimeError(f"{there} of {len(viewers)} pages opened: {faults or 'no time left'}")
        pause(250)
    opened = [viewer.opened for viewer in viewers]
    print(f"thirty pages are open after {time.monotonic() - begun:.1f} s, {AT_ONCE} at a time", end="; ")
    print(f"one took {statistics.median(opened):.2f} s (longest {max(opened):.2f} s)", flush=True)


def _memory(pid: int) -> int:
    with contextlib.suppress(psutil.Error):
        return int(psutil.Process(pid).memory_full_info().pss)
    return 0


def _family(one: LoggedDeployment) -> set[int]:
    """The server and what it started: by the workspace in their command, or the folder that they work in."""
    found = set()
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if str(one.ws.home) in " ".join(process.cmdline()) or _works_for(process, one):
                found.add(process.pid)
    return found - {os.getpid()}


def _works_for(process: psutil.Process, one: LoggedDeployment) -> bool:
    """A kernel, a board or a keeper: forked from a template, its working folder is in the workspace."""
    with contextlib.suppress(psutil.Error):
        folder = process.cwd()
        return bool(folder.startswith(str(one.ws.root)) or "notebooks/dashboards" in folder)
    return False
