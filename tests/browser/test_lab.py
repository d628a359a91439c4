"""The side panel and the palette command, in a real JupyterLab in a real Chromium."""

from __future__ import annotations

import contextlib
import http.server
import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Locator, Page, Response, expect
from playwright.sync_api import TimeoutError as PlaywrightTimeout

from lepton_nb import dashboards, monitoring, processes, tracking
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
            page.locator(".lm-CommandPalette-item", has_text=label).first.click(timeout=5_000)
            break


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
    dashboard.wait_for_url(f"{url.scheme}://{url.netloc}/**", timeout=90_000)
    assert "login" not in dashboard.url
    assert dashboard.evaluate("window.opener") is None
    dashboard.close()


@pytest.fixture
def stranger() -> Iterator[str]:
    """Another server of this machine, at the same host name; its one page frames the address in its query."""

    class Around(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(f'<iframe src="{self.path.partition("?")[2]}"></iframe>'.encode())

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Around) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://localhost:{server.server_port}/"
        server.shutdown()


def _is_opened(answer: Response) -> bool:
    return answer.request.method == "POST" and "/lepton/api/dashboard?" in answer.url


@pytest.mark.usefixtures("stopped_after")
def test_the_dashboard_is_shown_within_jupyterlab_and_within_no_other_page(
    ws: Workspace, folder: Path, page: Page, address: str, stranger: str
) -> None:
    monitoring.adopt(ws, "far", folder.as_uri())
    choose(page, "Lepton: Show Dashboard")
    asked = page.locator(".jp-Dialog")
    # What pages there are is asked at the same address, by GET.
    with page.expect_response(_is_opened, timeout=90_000) as answer:
        asked.get_by_role("button", name="Show").click()
    assert answer.value.status == 200, answer.value.text()
    whole = answer.value.json()["frame"]
    token = whole.partition("token=")[2]
    assert len(token) >= 32
    inner = page.frame_locator("#lepton-dashboard iframe")
    expect(inner.locator(".lepton-page")).to_be_visible(timeout=90_000)
    # The page's own kernel has answered it, over the frame's own connection.
    expect(inner.locator("html")).to_have_attribute("data-answered", re.compile("[1-9]"), timeout=90_000)
    expect(inner.locator("#lepton-banner")).to_be_hidden()
    lab, frame = (
        urlsplit(address),
        next(one for one in page.frames if urlsplit(one.url).netloc == urlsplit(whole).netloc),
    )
    assert frame.evaluate("location.host") == f"{lab.hostname}:{urlsplit(whole).port}"
    assert token not in frame.evaluate("location.href")
    choose(page, "Lepton: Show Dashboard")
    # The list is asked of the server before the dialog opens.
    listed = ["all deployments", "deployment far", "trainings", "pipelines"]
    expect(asked.locator("select option")).to_have_text(listed, timeout=30_000)
    asked.locator("select").select_option("deployment far")
    asked.get_by_role("button", name="Show").click()
    expect(inner.locator(".lepton-verdict")).to_contain_text("far", timeout=90_000)
    expect(page.locator(".jp-IFrame iframe")).to_have_count(1)
    assert token not in frame.evaluate("location.href")

    plain = dashboards.launch(ws).url.replace("127.0.0.1", str(lab.hostname))
    headers = page.request.get(plain).headers
    policy = dict(one.strip().split(" ", 1) for one in headers["content-security-policy"].split(";"))
    assert policy["frame-ancestors"] == f"'self' http://{lab.netloc}"
    assert policy["default-src"] == policy["script-src"] == "'self'"
    other = page.context.new_page()
    told: list[str] = []
    other.on("console", lambda message: told.append(message.text))
    # It is logged in by the cookie of the host, and is not shown all the same.
    other.goto(f"{stranger}?{plain}")
    other.wait_for_timeout(500)
    assert [one for one in told if "frame-ancestors" in one], told
    assert other.frame_locator("iframe").locator(".lepton-page").count() == 0
    other.close()

    page.locator(".lm-TabBar-tab", has_text="Lepton dashboard").locator(".lm-TabBar-tabCloseIcon").click()
    expect(page.locator("#lepton-dashboard")).to_have_count(0)
    page.wait_for_timeout(1_500)  # JupyterLab saves its layout a second later
    kept = [path for path in folder.rglob("*") if path.is_file() and path.parent != ws.home / "dashboard" / "fleet"]
    assert not [path for path in kept if token.encode() in path.read_bytes()]
