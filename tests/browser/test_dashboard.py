"""The deployments page as a person sees it: a real Voila in a real Chromium."""

from __future__ import annotations

import re
import time
from collections import Counter

import numpy as np
import pytest
from playwright.sync_api import expect

from lepton_nb.dashboards import launch, launcher, stop
from lepton_nb.runtime import Input
from lepton_nb.workspace import Workspace

HOSTILE = "<img src=x onerror=document.title='taken'>"
# A page on a busy machine: the kernel has to start and to import.
LONG_MS = 120_000


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
def page(browser, dashboard):
    """One page that stays open through all the tests, as it would on a desk."""
    context = browser.new_context(viewport={"width": 1280, "height": 1250}, color_scheme="light")
    opened = context.new_page()
    opened.wild = []
    opened.on("dialog", lambda dialog: opened.wild.append(dialog.message))
    opened.on("response", lambda answer: opened.wild.append(answer.url) if dashboard.url not in answer.url else None)
    opened.goto(dashboard.open_url, timeout=LONG_MS)
    yield opened
    context.close()


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
    one.answer(one.rows(300, shift=20), labels=[HOSTILE, "no", "yes"] * 100)
    one.record("stopped", bento=HOSTILE, created=1.0)
    return one


def _said(page, key):
    return page.locator(f"[data-lepton={key}]")


def _number(page, key):
    return float(_said(page, key).text_content().replace(",", ""))


def test_nothing_deployed_says_the_next_step(page):
    expect(_said(page, "nothing")).to_contain_text("lepton serve BENTO", timeout=LONG_MS)
    assert page.locator("svg[role=img]:visible").count() == 0


def test_a_deployment_appears_by_itself_with_the_numbers_of_its_log(page, ordinary):
    expect(_said(page, "verdict")).to_have_text("healthy", timeout=LONG_MS)
    entries = ordinary.entries()
    rows = [entry for entry in entries if "error" not in entry]
    answered = {(entry["time"], entry["latency_ms"]) for entry in rows}
    failed = len(entries) - len(rows)
    assert _number(page, "requests") == len(answered) + failed
    assert _number(page, "errors") == failed
    assert _number(page, "predictions") == len(rows)
    latencies = [latency for _, latency in answered]
    for key, share in (("p50", 50), ("p95", 95), ("p99", 99)):
        exact = np.percentile(latencies, share, method="inverted_cdf")
        assert _number(page, key) == pytest.approx(exact, rel=0.07)
    mix = page.get_by_role("img", name=re.compile("Predictions per class"))
    for label, count in Counter(entry["outputs"]["label"] for entry in rows).items():
        expect(mix).to_contain_text(label)
        expect(mix).to_contain_text(f"{count} ({count / len(rows):.1%})")
    expect(_said(page, "drift")).to_have_text("ordinary")


def test_new_predictions_show_without_a_touch(page, ordinary):
    before, clock = _number(page, "predictions"), _said(page, "updated").text_content()
    ordinary.answer(ordinary.rows(7))
    expect(_said(page, "predictions")).to_have_text(f"{before + 7:g}", timeout=LONG_MS)
    expect(_said(page, "updated")).not_to_have_text(clock)
    assert _number(page, "rate") > 0


def test_the_figures_can_be_read_without_seeing_them(page):
    names = [figure.get_attribute("aria-label") for figure in page.locator("svg[role=img]").all()]
    assert [name.split(".")[0].split(":")[0] for name in names] == [
        "Requests per second",
        "Latency in milliseconds",
        "Predictions per class",
        "Drift per feature",
    ]
    assert page.locator("svg[role=img] > title").count() == 4
    assert page.get_by_label("deployment").count() == 1


def test_another_deployment_is_chosen_and_its_drift_is_named(page, shifted):
    expect(page.get_by_label("deployment").locator("option")).to_have_count(2, timeout=LONG_MS)
    page.get_by_label("deployment").select_option("shifted")
    expect(_said(page, "verdict")).to_have_text("drifting", timeout=LONG_MS)
    expect(_said(page, "reasons")).to_contain_text("moved away from the training data")
    drift = page.get_by_role("img", name=re.compile("Drift per feature: drifting"))
    expect(drift).to_contain_text("drifted")
    expect(drift).to_contain_text("threshold 0.1")
    assert _number(page, "predictions") == len(shifted.entries())


def test_hostile_names_stay_text(page):
    for place in ("reasons", "overview"):
        expect(_said(page, place)).to_contain_text("<img src=x onerror=")
    assert page.locator(".lepton-page img, .lepton-page script").count() == 0
    assert page.title() != "taken"


def test_it_is_dark_where_the_reader_is(page):
    def ground():
        return page.evaluate("getComputedStyle(document.querySelector('.lepton-page')).backgroundColor")

    def ink():
        return page.evaluate("getComputedStyle(document.querySelector('.lepton-page h1')).color")

    light = ground(), ink()
    page.emulate_media(color_scheme="dark")
    dark = ground(), ink()
    page.emulate_media(color_scheme="light")
    assert [sum(map(int, re.findall(r"\d+", colour)[:3])) > 380 for colour in (*light, *dark)] == [
        True,
        False,
        False,
        True,
    ]


def test_a_narrow_screen_needs_no_sideways_scrolling(page):
    page.set_viewport_size({"width": 400, "height": 900})
    try:
        card = page.locator(".lepton-figure").first.bounding_box()
        assert card["x"] >= 0
        assert card["x"] + card["width"] <= 400
    finally:
        page.set_viewport_size({"width": 1280, "height": 1250})


def test_nothing_ran_that_was_not_ours_and_no_source_is_in_the_page(page):
    assert page.wild == []
    assert "lepton_nb.dashboards" not in page.content()


@pytest.mark.nightly
def test_the_kernel_of_a_closed_page_ends(browser, monkeypatch, tmp_path, running_children):
    culling = {**launcher._SETTINGS["MappingKernelManager"], "cull_idle_timeout": 25, "cull_interval": 1}
    monkeypatch.setitem(launcher._SETTINGS, "MappingKernelManager", culling)
    ws = Workspace(tmp_path / ".lepton")
    opened = launch(ws)

    def kernels():
        return running_children(opened.pid, "ipykernel_launcher", recursive=True)

    try:
        context = browser.new_context()
        page = context.new_page()
        page.goto(opened.open_url, timeout=LONG_MS)
        expect(_said(page, "nothing")).to_be_visible(timeout=LONG_MS)
        page.wait_for_timeout(30_000)
        assert len(kernels()) == 1
        context.close()
        deadline = time.monotonic() + 60
        while kernels() and time.monotonic() < deadline:
            time.sleep(0.5)
        assert kernels() == []
    finally:
        stop(ws)


def test_without_the_token_there_is_no_page(browser, dashboard):
    context = browser.new_context()
    opened = context.new_page()
    opened.goto(dashboard.url, timeout=LONG_MS)
    assert "/login" in opened.url
    assert opened.locator(".lepton-page").count() == 0
    context.close()
