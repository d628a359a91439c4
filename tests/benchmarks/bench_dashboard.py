"""The dashboard against a plain Voila notebook of the same deployment, which reads its log with pandas.

python tests/benchmarks/bench_dashboard.py [--case first_figure] [--runs 5] [--json]

`first_figure`: seconds from the request to the first figure on the screen, each with the newest rows of the log in it.
`update`: milliseconds from choosing another time to the figure that shows it. `viewers_30`: thirty open pages, one of
them in Chromium, that ask every two seconds while the deployment answers; milliseconds until 95 % of the answers are
there, and on standard output how long the pages took to open and the memory that they all take.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
from playwright.sync_api import Page, sync_playwright

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parent))

from conftest import LoggedDeployment
from dashboard_viewers import looked_at

from lepton_nb import dashboards, monitoring
from lepton_nb.workspace import Workspace

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
MINUTES, ROWS = 24 * 60, 10
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


def viewers_30(folder: Path, runs: int) -> dict[str, list[float]]:
    with deployed(folder) as one, ours(one) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        page = browser.new_page()
        open_page(page, address, "ours")
        taken = looked_at(one, address, seconds=max(8.0, 4.0 * runs), pause=page.wait_for_timeout)
        browser.close()
    return {"ours": taken, "plain": []}


CASES = {"first_figure": "s", "update": "ms", "viewers_30": "ms"}
MEASURES = {"first_figure": first_figure, "update": update, "viewers_30": viewers_30}


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
            found = MEASURES[name](Path(folder), options.runs)
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
