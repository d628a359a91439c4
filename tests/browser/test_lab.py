"""The side panel and the palette command, in a real JupyterLab in a real Chromium."""

from __future__ import annotations

import contextlib
import json
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Locator, Page, expect
from playwright.sync_api import TimeoutError as PlaywrightTimeout

from lepton_nb import dashboards, processes, tracking
from lepton_nb.records import Metric
from lepton_nb.workspace import Workspace

# No questions about news, which would lie over the page, and no look-ups outside this machine.
SETTINGS = {"@jupyterlab/apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False}}
NAUGHTY = "<img src=x onerror=document.title='taken'>"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("lab")


@pytest.fixture(scope="module")
def ws(folder: Path) -> Workspace:
    home = folder / "project" / ".lepton"
    home.mkdir(parents=True)
    return Workspace(home)


@pytest.fixture(scope="module")
def address(folder: Path, ws: Workspace, start_jupyterlab: Callable[..., Any]) -> Iterator[str]:
    for plugin, values in SETTINGS.items():
        file = folder / "settings" / f"{plugin}.jupyterlab-settings"
        file.parent.mkdir(parents=True)
        file.write_text(json.dumps(values))
    address, token, identity = start_jupyterlab(folder, ws.root, settings=True)
    yield f"{address}lab?token={token}"
    processes.stop(identity)


@pytest.fixture(scope="module")
def page(browser: Browser, address: str) -> Page:
    page = browser.new_context(viewport={"width": 1280, "height": 800}).new_page()
    page.set_default_timeout(30_000)
    page.goto(address)
    return page


@pytest.fixture(scope="module")
def panel(page: Page) -> Locator:
    choose(page, "Lepton: Show Runs")
    found = page.get_by_role("region", name="Lepton runs")
    expect(found).to_be_visible()
    return found


def choose(page: Page, label: str) -> None:
    """Take a command from the palette."""
    page.locator("[data-id=lepton-runs]").wait_for()
    palette = page.locator(".lm-CommandPalette-input")
    deadline = time.monotonic() + 60
    # The keys do nothing until the last extension is there, and what opens last may take the focus, which closes it.
    while True:
        assert time.monotonic() < deadline, "the palette did not open"
        with contextlib.suppress(PlaywrightTimeout):
            if not palette.is_visible():
                page.keyboard.press("Control+Shift+C")
                palette.wait_for(timeout=5_000)
            palette.fill(label, timeout=2_000)
            break
    page.locator(".lm-CommandPalette-item", has_text=label).first.click()


def rows(panel: Locator) -> list[str]:
    return [re.sub(r"\s+", " ", text) for text in panel.locator(".lepton-Runs-row").all_inner_texts()]


def test_an_empty_project_is_told_the_next_step(panel: Locator) -> None:
    expect(panel).to_contain_text("No runs yet")
    expect(panel).to_contain_text("%lepton train cnn --data digits")


def test_runs_appear_by_themselves_with_status_metric_and_age(ws: Workspace, page: Page, panel: Locator) -> None:
    for name, status, metric, value in (
        ("digits-cnn", "finished", "test_accuracy", 0.98611),
        ("wine-mlp", "stopped", "val_loss", 0.071234),
        (NAUGHTY, "failed", "", 0.0),
        ("digits-wide", "running", "val_accuracy", 0.93125),
    ):
        run = tracking.start_run(ws, name, {}, {})
        tracking.log_metrics(ws, run, [Metric(metric, value, 1, time.time())] if metric else [])
        if status != "running":
            tracking.finish_run(ws, run, status)
    expect(panel.locator(".lepton-Runs-row")).to_have_count(4, timeout=20_000)
    shown = [re.sub(r" (now|\d+ s) ", " AGE ", row) for row in rows(panel)]
    assert shown == [
        "digits-wide AGE running val_accuracy 0.9313",
        f"{NAUGHTY} AGE failed",
        "wine-mlp AGE stopped val_loss 0.07123",
        "digits-cnn AGE finished test_accuracy 0.9861",
    ]
    assert panel.locator(".lepton-Runs-row svg").count() == 4
    shapes = {icon.get_attribute("data-icon") for icon in panel.locator(".lepton-Runs-row svg").all()}
    assert len(shapes) == 4, "a status is told by its colour alone"


def test_a_name_with_markup_stays_text(page: Page, panel: Locator) -> None:
    assert panel.locator(".lepton-Runs-row img").count() == 0
    assert page.title() != "taken"


def test_the_keyboard_walks_the_list_and_copies_an_id(ws: Workspace, page: Page, panel: Locator) -> None:
    panel.locator(".lepton-Runs-row").first.focus()
    page.keyboard.press("End")
    expect(panel.get_by_role("button", name="digits-cnn")).to_be_focused()
    page.keyboard.press("ArrowUp")
    expect(panel.get_by_role("button", name="wine-mlp")).to_be_focused()
    assert panel.locator(".lepton-Runs-row[tabindex='0']").count() == 1
    page.keyboard.press("Enter")
    expect(page.get_by_text("Copied the id of run wine-mlp.")).to_be_visible()


def test_the_panel_is_seen_in_both_themes(folder: Path, page: Page, panel: Locator) -> None:
    colours = []
    for theme in ("Light", "Dark"):
        choose(page, f"Use Theme: JupyterLab {theme}")
        expect(page.locator("body")).to_have_attribute("data-jp-theme-light", str(theme == "Light").lower())
        page.screenshot(path=folder / f"{theme}.png")
        style = "node => [getComputedStyle(node).color, getComputedStyle(node).backgroundColor]"
        colours.append(tuple(panel.evaluate(style)))
    assert colours[0] != colours[1]
    assert all(ink != paper for ink, paper in colours)


def test_a_failure_is_shown_with_the_next_step_and_goes_away(ws: Workspace, panel: Locator) -> None:
    aside = ws.mlflow_db.rename(ws.mlflow_db.with_suffix(".aside"))
    ws.mlflow_db.write_bytes(b"this is no database" * 100)
    panel.get_by_role("button", name="Refresh the runs").click()
    alert = panel.get_by_role("alert")
    expect(alert).to_contain_text("Next:")
    expect(alert).to_contain_text("may be out of date")
    assert len(rows(panel)) == 4
    aside.replace(ws.mlflow_db)
    alert.get_by_role("button", name="Try again").click()
    expect(alert).to_have_count(0)


def test_the_server_is_asked_only_while_the_panel_is_shown(page: Page, panel: Locator) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "/lepton/api/runs" in request.url else None)
    tab = page.locator("[data-id=lepton-runs]")
    tab.click()
    expect(panel).to_be_hidden()
    page.wait_for_timeout(5_500)
    assert asked == []
    with page.expect_request(re.compile("/lepton/api/runs")):
        tab.click()
    expect(panel).to_be_visible()


@pytest.fixture
def stopped_after(ws: Workspace) -> Iterator[None]:
    yield
    dashboards.stop(ws)


@pytest.mark.usefixtures("stopped_after")
def test_the_palette_opens_the_dashboard_in_a_tab_of_its_own(page: Page) -> None:
    with page.expect_response(re.compile("/lepton/api/dashboard")) as answer, page.context.expect_page() as opened:
        choose(page, "Lepton: Open Dashboard")
    reply = answer.value
    assert reply.status == 200, reply.text()
    url = urlsplit(reply.json()["url"])
    assert url.hostname == "127.0.0.1"
    dashboard = opened.value
    dashboard.wait_for_url(f"{url.scheme}://{url.netloc}/**")
    assert "login" not in dashboard.url
    assert dashboard.evaluate("window.opener") is None
    dashboard.close()
