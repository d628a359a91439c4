"""The dashboard against a plain Voila notebook of the same deployment, which reads its log with pandas.

python tests/benchmarks/bench_dashboard.py [--case first_figure] [--runs 5] [--json]

`first_figure`: seconds from the request to the first figure on the screen, each with the newest rows of the log in it.
`update`: milliseconds from choosing another time to the figure that shows it. `viewers_30`: thirty open pages, one of
them in Chromium, that ask every two seconds while the deployment answers; milliseconds until 95 % of the answers are
there, and on standard output the memory that they all take.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import http.client
import json
import math
import os
import re
import secrets
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import psutil
from playwright.sync_api import Page, sync_playwright

sys.path.insert(0, str(Path(__file__).parents[1]))

from conftest import LoggedDeployment

from lepton_nb import dashboards, monitoring
from lepton_nb.workspace import Workspace

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
MINUTES, ROWS, VIEWERS = 24 * 60, 10, 30
LONG_MS = 300_000
PLAIN = """
import json
from pathlib import Path

import ipywidgets
import matplotlib.pyplot as plt
import pandas as pd

LOGS = Path({folder!r})


def draw(hours):
    lines = [json.loads(line) for path in sorted(LOGS.glob("log-*.jsonl")) for line in path.open()]
    frame = pd.DataFrame([line for line in lines if "error" not in line])
    frame["time"] = pd.to_datetime(frame["time"], unit="s")
    frame = frame[frame["time"] > frame["time"].max() - pd.Timedelta(hours=hours)]
    by_minute = frame.set_index("time").resample("30min")
    figure, axes = plt.subplots(1, 2, figsize=(10, 3))
    by_minute.size().plot(ax=axes[0], title=f"predictions, last {{hours}} h: {{len(frame)}}")
    by_minute["latency_ms"].quantile(0.95).plot(ax=axes[1], title="p95 ms")
    plt.show()


ipywidgets.interact(draw, hours=[24, 1]);
"""


@contextlib.contextmanager
def deployed(folder: Path) -> Iterator[LoggedDeployment]:
    """A day of traffic, a request of ten rows a minute, and somebody who goes on."""
    one = LoggedDeployment(Workspace(folder / ".lepton"), "shop")
    now = time.time()
    for minute in range(MINUTES, 0, -1):
        one.answer(one.rows(ROWS, seed=minute), at=now - 60 * minute, ms=2.0 + minute % 7)
    one.record()
    monitoring.observe(one.ws, one.name)
    yield one


@contextlib.contextmanager
def ours(one: LoggedDeployment) -> Iterator[str]:
    """The address of our page; the first kernel, and the template with it, is warm."""
    running = dashboards.launch(one.ws)
    try:
        yield f"{running.url}deployment?token={running.token_file.read_text()}&name=shop&since=all"
    finally:
        dashboards.stop(one.ws)


@contextlib.contextmanager
def plain(one: LoggedDeployment, folder: Path) -> Iterator[str]:
    """The address of the plain notebook under Voila as it comes."""
    cell = nbformat.v4.new_code_cell(PLAIN.format(folder=str(one.folder)))
    spec = {"name": "python3", "display_name": "python3", "language": "python"}
    nbformat.write(nbformat.v4.new_notebook(cells=[cell], metadata={"kernelspec": spec}), folder / "plain.ipynb")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "voila", "plain.ipynb", "--no-browser", f"--port={port}", "--Voila.ip=127.0.0.1"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(command, cwd=folder, env={**os.environ, "LEPTON_WARM": "0"}, **quiet)
    try:
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError), contextlib.closing(http.client.HTTPConnection("127.0.0.1", port)) as ask:
                ask.request("GET", "/voila/static/none")
                ask.getresponse()
                break
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}/"
    finally:
        process.terminate()
        process.wait(20)


def figure_of(page: Page, side: str) -> Any:
    if side == "ours":
        return page.get_by_role("img", name=re.compile("Requests per second"))
    return page.locator(".jp-OutputArea-output img").first


def open_page(page: Page, address: str, side: str) -> float:
    """Seconds until the first figure is there."""
    begun = time.perf_counter()
    page.goto(address, timeout=LONG_MS, wait_until="commit")
    figure_of(page, side).wait_for(state="visible", timeout=LONG_MS)
    return time.perf_counter() - begun


def first_figure(folder: Path, runs: int) -> dict[str, list[float]]:
    return in_turn(folder, runs, opened)


def opened(page: Page, address: str, side: str, one: LoggedDeployment) -> float:
    one.answer(one.rows(ROWS))
    rows = sum(1 for path in one.segments for _ in path.open("rb"))
    # The keeper looks once a second; a row that is as old as that must be on the page.
    time.sleep(1.5)
    seconds = open_page(page, address, side)
    if side == "ours":
        said = page.locator("[data-lepton=predictions]").text_content() or ""
        assert int(said.replace(",", "")) == rows, f"{said} of {rows} rows"
    return seconds


def update(folder: Path, runs: int) -> dict[str, list[float]]:
    return in_turn(folder, runs, chosen)


def chosen(page: Page, address: str, side: str, one: LoggedDeployment) -> float:
    open_page(page, address, side)
    figure = figure_of(page, side)
    attribute = "aria-label" if side == "ours" else "src"
    if side == "ours":
        page.locator("html[data-answered]").wait_for(state="attached", timeout=LONG_MS)
        box, value = page.locator("select[name=since]"), "1h"
    else:
        box, value = page.locator("select").first, "1"
        box.wait_for(timeout=LONG_MS)
    before = figure.get_attribute(attribute)
    begun = time.perf_counter()
    box.select_option(value)
    while figure.get_attribute(attribute) == before:
        if time.perf_counter() - begun > 60:
            raise TimeoutError("the figure does not change")
    return (time.perf_counter() - begun) * 1000


def in_turn(folder: Path, runs: int, measure: Any) -> dict[str, list[float]]:
    """Both sides in turn; the first pair warms what is to be warm, and is not counted."""
    found: dict[str, list[float]] = {"ours": [], "plain": []}
    with deployed(folder) as one, ours(one) as mine, plain(one, folder) as other, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        for turn in range(runs + 1):
            for side in ("ours", "plain") if turn % 2 else ("plain", "ours"):
                context = browser.new_context(viewport={"width": 1280, "height": 1200})
                taken = measure(context.new_page(), mine if side == "ours" else other, side, one)
                context.close()
                found[side] += [taken] if turn else []
        browser.close()
    return found


class Viewer:
    """What the page's script does, without a browser."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.taken: list[float] = []

    async def look(self, until: float) -> None:
        from tornado.httpclient import AsyncHTTPClient, HTTPRequest
        from tornado.websocket import websocket_connect

        client = AsyncHTTPClient(force_instance=True)
        token = self.address.partition("token=")[2].partition("&")[0]
        base = re.match(r"http://[^/]+/", self.address)[0]
        headers = {"Authorization": f"token {token}"}
        answer = await client.fetch(
            HTTPRequest(f"{base}deployment?name=shop", headers=headers, request_timeout=300, connect_timeout=300),
            raise_error=True,
        )
        kernel = re.search(r"data-kernel=\"([^\"]+)\"", answer.body.decode())[1]
        socket_url = f"{base.replace('http', 'ws', 1)}api/kernels/{kernel}/channels?session_id={secrets.token_hex(8)}"
        connection = await websocket_connect(HTTPRequest(socket_url, headers=headers))
        comm = uuid.uuid4().hex
        await self._send(connection, "comm_open", {"comm_id": comm, "target_name": "lepton.page", "data": {}})
        have: dict[str, str] = {}
        while time.monotonic() < until:
            begun = time.monotonic()
            data = {"query": "name=shop", "have": have}
            await self._send(connection, "comm_msg", {"comm_id": comm, "data": data})
            found = await self._heard(connection, comm)
            self.taken.append((time.monotonic() - begun) * 1000)
            have |= {name: part["version"] for name, part in found["sections"].items()}
            await asyncio.sleep(max(0.0, 2.0 - (time.monotonic() - begun)))
        connection.close()

    async def _send(self, connection: Any, kind: str, content: dict[str, Any]) -> None:
        header = {"msg_id": uuid.uuid4().hex, "msg_type": kind, "session": "bench", "username": "", "version": "5.3"}
        message = {"channel": "shell", "header": header, "parent_header": {}, "metadata": {}, "content": content}
        await connection.write_message(json.dumps(message | {"buffers": []}))

    async def _heard(self, connection: Any, comm: str) -> dict[str, Any]:
        while True:
            raw = await connection.read_message()
            if raw is None:
                raise ConnectionResetError("the page's kernel is gone")
            message = json.loads(raw)
            if message["header"]["msg_type"] == "comm_msg" and message["content"]["comm_id"] == comm:
                return dict(message["content"]["data"])


def viewers_30(folder: Path, runs: int) -> dict[str, list[float]]:
    seconds = 20.0 * runs / 5
    with deployed(folder) as one, ours(one) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        page = browser.new_page()
        open_page(page, address, "ours")
        viewers = [Viewer(address) for _ in range(VIEWERS - 1)]
        ended = threading.Event()

        def go_on() -> None:
            while not ended.wait(1.0):
                one.answer(one.rows(ROWS))

        async def all_of_them() -> None:
            until = time.monotonic() + seconds + 60
            await asyncio.gather(*(viewer.look(until) for viewer in viewers))

        writer = threading.Thread(target=go_on)
        writer.start()
        looking = threading.Thread(target=lambda: asyncio.run(all_of_them()))
        looking.start()
        try:
            begun = time.monotonic()
            while not all(viewer.taken for viewer in viewers) and time.monotonic() - begun < 300:
                page.wait_for_timeout(500)
            print(f"thirty pages are open after {time.monotonic() - begun:.1f} s", flush=True)
            skipped = [len(viewer.taken) for viewer in viewers]
            page.wait_for_timeout(1000 * seconds)
            taken = [ms for viewer, skip in zip(viewers, skipped, strict=True) for ms in viewer.taken[skip:]]
            memory = sum(psutil.Process(pid).memory_full_info().pss for pid in family(one))
            print(f"{len(taken)} answers; {memory / 2**20:,.0f} MiB (PSS) for all that serves them", flush=True)
        finally:
            ended.set()
            looking.join()
            writer.join()
        browser.close()
    taken.sort()
    print(f"median {statistics.median(taken):.0f} ms, largest {taken[-1]:.0f} ms", flush=True)
    return {"ours": [taken[math.ceil(0.95 * len(taken)) - 1]], "plain": []}


def family(one: LoggedDeployment) -> set[int]:
    """The server and what it started: by the workspace in their environment or command."""
    found = set()
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if str(one.ws.home) in " ".join(process.cmdline()) or _forked_for(process, one):
                found.add(process.pid)
    return found - {os.getpid()}


def _forked_for(process: psutil.Process, one: LoggedDeployment) -> bool:
    """A kernel, a board or a keeper: forked from a template, its working folder is in the workspace."""
    with contextlib.suppress(psutil.Error):
        folder = process.cwd()
        return folder.startswith(str(one.ws.root)) or "notebooks/dashboards" in folder
    return False


CASES = {"first_figure": "s", "update": "ms", "viewers_30": "ms"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--case", choices=CASES, action="append", help="only this one; may be repeated")
    parser.add_argument("--runs", type=int, default=5, help="pairs per case")
    parser.add_argument("--json", action="store_true", help="end with one JSON object")
    options = parser.parse_args()
    cases = []
    for name in options.case or CASES:
        print(f"{name}: load of this machine {os.getloadavg()[0]:.1f}", flush=True)
        with tempfile.TemporaryDirectory(prefix="lepton-bench-", ignore_cleanup_errors=True) as folder:
            found = globals()[name](Path(folder), options.runs)
        mine, unit = statistics.median(found["ours"]), CASES[name]
        other = statistics.median(found["plain"]) if found["plain"] else None
        case = {"case": name, "ours": round(mine, 4), "peer": other and round(other, 4), "unit": unit}
        cases.append({**case, "ratio": other and round(other / mine, 2), "runs": len(found["ours"])})
        beside = f", plain Voila {other:.3g} {unit}: {other / mine:.1f} times better" if other else ""
        spread = f"{min(found['ours']):.3g} to {max(found['ours']):.3g}"
        print(f"{name}: ours {mine:.3g} {unit} ({spread}){beside} (median of {len(found['ours'])})", flush=True)
    if options.json:
        print(json.dumps({"name": "dashboard", "cases": cases}))


if __name__ == "__main__":
    main()
