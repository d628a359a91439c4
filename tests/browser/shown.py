"""A served dashboard, what its pages have to show, and how they are read."""

from __future__ import annotations

import json
import time
from urllib.parse import urlencode

import duckdb
import nbformat
import numpy as np
import pytest
from playwright.sync_api import expect

from lepton_nb.dashboards import launch, stop
from lepton_nb.runtime import Input
from lepton_nb.workspace import Workspace, write_json

__all__ = ["HOSTILE", "LONG_MS", "SVG", "dashboard", "logged", "number", "open_page", "ordinary", "piped", "said"]
__all__ += ["shifted", "trained", "ws"]

HOSTILE = "<img src=x onerror=document.title='taken'>"
SVG = "<svg onload=document.title='taken'><script>document.title='taken'</script></svg>"
# A page on a busy machine: a template has to start and to import.
LONG_MS = 180_000


@pytest.fixture(scope="module")
def ws(tmp_path_factory):
    return Workspace(tmp_path_factory.mktemp("project") / ".lepton")


@pytest.fixture(scope="module")
def dashboard(ws):
    try:
        yield launch(ws)
    finally:
        stop(ws)


@pytest.fixture(scope="module")
def ordinary(ws, log_deployment):
    one = log_deployment(ws, "ordinary")
    rng = np.random.default_rng(0)
    for i in range(80):
        labels = [str(label) for label in rng.choice(["no", "yes"], 1 + i % 4)]
        one.answer(one.rows(1 + i % 4, seed=i), ms=float(rng.lognormal(1.0, 0.6)), labels=labels)
        if i % 40 == 0:
            one.fail()
    one.record()
    return one


@pytest.fixture(scope="module")
def shifted(ws, log_deployment):
    one = log_deployment(ws, "shifted", inputs=[Input("age", "number"), Input(HOSTILE, "number")])
    one.answer(one.rows(300, shift=20), labels=[SVG, HOSTILE, "yes"] * 100)
    one.answer(one.rows(40, shift=20), at=time.time() - 7200)
    one.record("stopped", bento=HOSTILE, created=1.0)
    changes = [("promote", "shifted:v2", HOSTILE), ("rollback", SVG, "it was worse")]
    (one.folder / "slots-history.jsonl").write_text(
        "".join(
            json.dumps({"format": 1, "time": time.time() - 60, "action": action, "champion": version, "why": why})
            + "\n"
            for action, version, why in changes
        )
    )
    return one


@pytest.fixture(scope="module")
def piped(ws):
    """The records of a run of two steps, the second of which failed."""
    folder = ws.pipelines / "20260101-000000-000001"
    folder.mkdir(parents=True)
    run = {"id": folder.name, "pipeline": HOSTILE, "file": "p.yml", "status": "failed", "cut": "", "created": 1.0}
    run |= {"began": 1.0, "ended": 6.0, "spent": 0.0, "parameters": {}, "order": ["first", "second"]}
    write_json(folder / "run.json", run | {"needs": {"first": [], "second": ["first"]}})
    for name, status, error in (("first", "completed", ""), ("second", "failed", f"ValueError: {SVG}")):
        step = {"name": name, "status": status, "notebook": f"{name}.ipynb", "parameters": {}, "attempts": 1}
        step |= {"outputs": {"accuracy": 0.5, HOSTILE: SVG}, "seconds": 2.0, "peak_memory_mb": 5.0, "error": error}
        step |= {"cell": None, "key": "", "cached": False, "note": "", "started": 1.0, "written": {}, "cache": True}
        write_json(folder / f"{name}.json", step)
        output = nbformat.v4.new_output("display_data", {"text/html": f"<b>told</b>{SVG}{HOSTILE}"})
        cell = nbformat.v4.new_code_cell("1 + 1", outputs=[output], execution_count=1)
        nbformat.write(nbformat.v4.new_notebook(cells=[cell]), folder / f"{name}.ipynb")
    return folder.name


@pytest.fixture(scope="module")
def trained(ws):
    """Two runs as the store knows them."""
    from lepton_nb import tracking
    from lepton_nb.records import Metric

    found = []
    for name, floor in ((HOSTILE, 0.2), ("plain", 0.4)):
        run = tracking.start_run(ws, name, {"lr": floor, "note": f"{SVG}{floor}"}, {"lepton.model": SVG})
        found.append(run)
        metrics = [Metric("val_loss", 1 / (1 + i) + floor, i, time.time()) for i in range(20)]
        tracking.log_metrics(ws, run, [*metrics, Metric("val_accuracy", 1 - floor, 19, time.time())])
        tracking.finish_run(ws, run, "finished")
    return found


def open_page(page, dashboard, which, /, **asked):
    page.goto(f"{dashboard.url}{which}?{urlencode(asked, doseq=True)}", timeout=LONG_MS)
    expect(page.locator("html[data-answered]")).to_be_attached(timeout=LONG_MS)


def said(page, key):
    return page.locator(f"[data-lepton='{key}']")


def number(page, key):
    return float(said(page, key).text_content().replace(",", ""))


def logged(one, where="true"):
    """What the log itself says, asked of DuckDB: requests, errors, rows and latencies of requests."""
    files = [str(path) for path in one.segments]
    columns = "{time: 'DOUBLE', latency_ms: 'DOUBLE', error: 'JSON', outputs: 'JSON'}"
    lines = f"read_ndjson({files!r}, columns = {columns})"
    count = "SELECT count(*) FILTER (error IS NULL), count(*) FILTER (error IS NOT NULL) FROM"
    rows, errors = duckdb.execute(f"{count} {lines} WHERE {where}").fetchall()[0]
    answered = f"SELECT DISTINCT time, latency_ms FROM {lines} WHERE error IS NULL AND {where}"
    return rows, errors, [latency for _, latency in duckdb.execute(answered).fetchall()]
