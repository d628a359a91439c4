"""A training that is watched while its cell blocks, in a real JupyterLab in a real Chromium."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from lepton_nb import processes, tracking
from lepton_nb.workspace import Workspace

SETTINGS = {"@jupyterlab/apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False}}
NAME = "<img src=x onerror=document.title='taken'>"
TRAIN = "%lepton train mlp --data breast_cancer --epochs 100000 --patience 0"
# What comes from elsewhere, where a run's own name is checked: metrics of a network, errors, a log.
HOSTILE = f"""
import time
from lepton_nb.records import Curve, Epoch, Note, Started
from lepton_nb.widgets import TrainingView
naughty = {NAME!r}
view = TrainingView("run", naughty, None, lambda: [naughty])
view.show(Started(time.time(), naughty, 10, "run", 1))
for step in (1, 2):
    view.show(Curve(time.time(), step, {{naughty: 1.0 / step, naughty + "loss": 0.5}}))
view.show(Epoch(time.time(), 0, 3, {{naughty: 0.1}}, best=True))
view.show(Note(time.time(), naughty))
"""
HOSTILE_END = """
from lepton_nb.records import Failed
view.show(Failed(time.time(), naughty, naughty))
"""
# A trainer starts, on a busy machine.
LONG_MS = 120_000


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("live")


@pytest.fixture(scope="module")
def ws(folder: Path) -> Workspace:
    home = folder / "project" / ".lepton"
    home.mkdir(parents=True)
    cells = [nbformat.v4.new_code_cell(source) for source in ("%load_ext lepton_nb", TRAIN, HOSTILE, HOSTILE_END)]
    spec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": spec}), home.parent / "training.ipynb")
    cells = [nbformat.v4.new_code_cell(source) for source in ("%load_ext lepton_nb", "%lepton attach")]
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": spec}), home.parent / "again.ipynb")
    return Workspace(home)


@pytest.fixture(scope="module")
def page(folder: Path, ws: Workspace, browser: Browser, start_jupyterlab: Callable[..., Any]) -> Iterator[Page]:
    """The notebook, its training running, with what the browser complained of."""
    for plugin, values in SETTINGS.items():
        file = folder / "settings" / f"{plugin}.jupyterlab-settings"
        file.parent.mkdir(parents=True)
        file.write_text(json.dumps(values))
    address, token, identity = start_jupyterlab(folder, ws.root, "--LabApp.expose_app_in_browser=True", settings=True)
    context = browser.new_context(viewport={"width": 1280, "height": 1100})
    page = context.new_page()
    page.complaints = []
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    page.on("console", lambda said: page.complaints.append(said.text) if said.type == "error" else None)
    try:
        page.goto(f"{address}lab/tree/training.ipynb?token={token}")
        expect(page.locator(".jp-StatusBar-TextItem", has_text="Idle")).to_be_visible(timeout=LONG_MS)
        run(page, 0)
        expect(prompt(page, 0)).to_have_text("[1]:", timeout=LONG_MS)
        run(page, 1)
        expect(page.locator(".lepton-training")).to_be_visible(timeout=LONG_MS)
        yield page
    finally:
        context.close()
        processes.stop(identity)


def prompt(page: Page, place: int) -> Locator:
    return page.locator(".jp-CodeCell").nth(place).locator(".jp-InputPrompt")


def run(page: Page, place: int) -> None:
    """Run a cell; the command ends with the cell, and is not waited for."""
    page.locator(".jp-CodeCell").nth(place).locator(".jp-InputArea-editor").click()
    page.evaluate("() => { window.jupyterapp.commands.execute('notebook:run-cell'); }")


@pytest.fixture(scope="module")
def view(page: Page) -> Locator:
    return page.locator(".lepton-training")


def points(view: Locator, name: str) -> int:
    """Points that came for a curve."""
    return int(view.locator(f"[data-series='{name}']").get_attribute("data-count") or 0)


def test_the_curves_grow_while_the_cell_blocks(page: Page, view: Locator) -> None:
    expect(view.locator("[data-series='val_loss']")).to_be_visible(timeout=LONG_MS)
    before = points(view, "loss"), points(view, "val_loss")
    page.wait_for_function(
        "n => document.querySelector(\"[data-series='loss']\").dataset.count > n", arg=before[0] + 10
    )
    assert points(view, "val_loss") > before[1]
    assert prompt(page, 1).inner_text() == "[*]:"
    # That the run starts is said in the view, and not as an error beside it.
    assert page.locator(".jp-OutputArea-output[data-mime-type='application/vnd.jupyter.stderr']").count() == 0
    expect(view.locator("[data-lepton=progress]")).to_contain_text("of 100,000")
    expect(view.locator("[data-lepton=progress]")).to_contain_text("left")
    expect(view.locator("[data-lepton='best epoch']")).to_contain_text("val_loss")
    expect(view.locator("[data-lepton=memory]")).to_contain_text("MiB")
    assert view.get_by_role("progressbar").get_attribute("aria-valuetext")
    painted = "node => node.toDataURL().length"
    assert all(canvas.evaluate(painted) > 5_000 for canvas in view.locator("canvas").all())


def test_at_most_ten_updates_a_second_reach_the_page(page: Page, view: Locator) -> None:
    before, began = int(view.get_attribute("data-updates") or 0), time.monotonic()
    page.wait_for_timeout(3_000)
    updates = int(view.get_attribute("data-updates") or 0) - before
    assert 3 <= updates <= 10 * (time.monotonic() - began) + 2


def test_the_keyboard_reads_zooms_and_chooses(page: Page, view: Locator) -> None:
    plot = view.locator("[data-panel=loss] .lepton-plot")
    plot.focus()
    page.keyboard.press("ArrowLeft")
    expect(view.locator("[data-panel=loss] .lepton-heading")).to_contain_text("at step")
    page.keyboard.press("+")
    expect(view).to_have_attribute("data-zoomed", "true")
    page.keyboard.press("0")
    expect(view).to_have_attribute("data-zoomed", "false")
    page.keyboard.press("l")
    expect(view.get_by_role("button", name="Log scale")).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("Escape")
    page.keyboard.press("Tab")
    curve = view.locator("[data-panel=loss] [data-series]").first
    expect(curve).to_be_focused()
    page.keyboard.press("Space")
    expect(curve).to_have_attribute("aria-pressed", "false")
    page.keyboard.press("Space")
    expect(curve).to_have_attribute("aria-pressed", "true")
    # None of these keys meant the notebook's own commands.
    assert page.locator(".jp-CodeCell").count() == 4


def test_curves_are_told_apart_without_their_colours(view: Locator) -> None:
    panel = view.locator("[data-panel=loss]")
    names = panel.locator("[data-series] .lepton-name").all_inner_texts()
    dashes = [line.get_attribute("stroke-dasharray") for line in panel.locator("[data-series] line").all()]
    assert len(names) >= 2
    assert len(set(dashes)) == len(names) == len(set(names))


def test_the_view_follows_the_theme(folder: Path, page: Page, view: Locator) -> None:
    colours = {}
    for theme in ("Light", "Dark"):
        page.evaluate(f"window.jupyterapp.commands.execute('apputils:change-theme', {{theme: 'JupyterLab {theme}'}})")
        expect(view).to_have_attribute("data-ground", theme.lower())
        ink = view.evaluate("node => getComputedStyle(node).color")
        line = view.evaluate("node => getComputedStyle(node).getPropertyValue('--lepton-series-0')")
        colours[theme] = ink, line
        page.wait_for_timeout(500)
        page.screenshot(path=folder / f"{theme}.png")
    assert colours["Light"][0] != colours["Dark"][0]
    assert colours["Light"][1] != colours["Dark"][1]


def test_a_narrow_cell_needs_no_sideways_scrolling(folder: Path, page: Page, view: Locator) -> None:
    view.evaluate("node => { node.style.width = '400px'; }")
    page.wait_for_timeout(500)
    page.screenshot(path=folder / "narrow.png")
    assert view.evaluate("node => node.scrollWidth <= node.clientWidth")
    assert all(canvas.bounding_box()["width"] <= 400 for canvas in view.locator("canvas").all())
    view.evaluate("node => { node.style.width = ''; }")


def test_stop_by_the_keyboard_ends_it_and_a_picture_stays(
    folder: Path, ws: Workspace, page: Page, view: Locator
) -> None:
    stop = view.get_by_role("button", name="Stop", exact=True)
    stop.focus()
    page.keyboard.press("Enter")
    left = page.locator(".lepton-training-left")
    expect(left).to_be_visible(timeout=LONG_MS)
    expect(left).to_contain_text("stopped")
    expect(left).to_contain_text("best epoch")
    assert left.get_by_role("img").locator("title").text_content().startswith("Curves of")
    expect(view).to_have_count(0)
    page.screenshot(path=folder / "left.png")
    (run,) = tracking.runs(ws).runs
    assert run.status == "stopped"


def test_the_saved_notebook_holds_the_curves_and_no_widget(ws: Workspace, page: Page) -> None:
    expect(prompt(page, 1)).to_have_text("[2]:", timeout=LONG_MS)
    page.locator(".jp-CodeCell .jp-InputArea-editor").first.click()
    page.keyboard.press("Control+s")
    path = ws.root / "training.ipynb"
    deadline = time.monotonic() + 30
    while "lepton-training-left" not in path.read_text():
        assert time.monotonic() < deadline, "the notebook was not saved"
        time.sleep(0.2)
    notebook = nbformat.read(path, as_version=4)
    (shown,) = [output for output in notebook.cells[1].outputs if "image/svg+xml" in output.get("data", {})]
    assert set(shown.data) == {"text/plain", "image/svg+xml", "text/html"}
    assert "best epoch" in shown.data["text/plain"]
    assert len(json.dumps(shown)) < 200_000
    states = notebook.metadata.get("widgets", {}).values()
    assert not [state for kept in states for state in kept.get("state", {}).values() if "lepton" in json.dumps(state)]


def test_text_with_markup_stays_text(page: Page, view: Locator) -> None:
    run(page, 2)
    expect(view.locator(".lepton-title")).to_have_text(NAME, timeout=LONG_MS)
    for place in ("log", "note", "best epoch"):
        expect(view.locator(f"[data-lepton='{place}']")).to_contain_text(NAME)
    expect(view.locator(".lepton-name").last).to_have_text(NAME)
    assert view.locator("img").count() == 0
    run(page, 3)
    left = page.locator(".jp-CodeCell").nth(2).locator(".lepton-training-left")
    expect(left).to_contain_text(f"failed: {NAME}")
    assert left.locator("img").count() == 0
    assert page.title() != "taken"


def test_the_browser_complained_of_nothing(page: Page) -> None:
    assert page.complaints == []


def test_after_a_reload_another_kernel_shows_the_same_training_and_stops_it(
    folder: Path, ws: Workspace, page: Page, view: Locator
) -> None:
    run(page, 1)
    expect(view.locator("[data-series='val_loss']")).to_be_visible(timeout=LONG_MS)
    before, url = points(view, "val_loss"), page.url
    page.reload()
    page.goto(url.replace("training.ipynb", "again.ipynb"))
    expect(page.locator(".jp-Notebook:visible .jp-CodeCell")).to_have_count(2, timeout=LONG_MS)
    expect(page.locator(".jp-StatusBar-TextItem", has_text="Idle")).to_be_visible(timeout=LONG_MS)
    for place in (0, 1):
        page.locator(".jp-Notebook:visible .jp-CodeCell .jp-InputArea-editor").nth(place).click()
        page.evaluate("() => { window.jupyterapp.commands.execute('notebook:run-cell'); }")
    shown = page.locator(".jp-Notebook:visible .lepton-training")
    expect(shown.locator("[data-series='val_loss']")).to_be_visible(timeout=LONG_MS)
    # From the first epoch on, those before the reload among them.
    page.wait_for_timeout(1_000)
    assert points(shown, "val_loss") > before
    (running, _) = tracking.runs(ws).runs
    assert running.status == "running"
    shown.get_by_role("button", name="Stop", exact=True).click()
    expect(page.locator(".jp-Notebook:visible .lepton-training-left")).to_contain_text("stopped", timeout=LONG_MS)
    page.screenshot(path=folder / "again.png")
    assert tracking.get(ws, running.id).status == "stopped"
    page.goto(url)
    expect(page.locator(".jp-StatusBar-TextItem", has_text="Idle")).to_be_visible(timeout=LONG_MS)
