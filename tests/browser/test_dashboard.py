"""The dashboard's pages as a person sees them: the real server, in a real Chromium."""

from __future__ import annotations

import json
import re
import time
from collections import Counter

import duckdb
import numpy as np
import pytest
from playwright.sync_api import expect
from shown import (
    HOSTILE,
    LONG_MS,
    SVG,
    dashboard,
    logged,
    number,
    open_page,
    ordinary,
    piped,
    said,
    shifted,
    trained,
    ws,
)

from lepton_nb.loop.answers import Answers
from lepton_nb.loop.place import Place, State

__all__ = ["dashboard", "ordinary", "piped", "shifted", "trained", "ws"]


@pytest.fixture(scope="module")
def page(browser, dashboard):
    """One page that goes through all the tests, as it would on a desk."""
    context = browser.new_context(viewport={"width": 1280, "height": 1250}, color_scheme="light")
    opened = context.new_page()
    opened.wild = []
    opened.on("dialog", lambda dialog: opened.wild.append(dialog.message))
    opened.on("response", lambda answer: opened.wild.append(answer.url) if dashboard.url not in answer.url else None)
    opened.goto(dashboard.open_url, timeout=LONG_MS)
    yield opened
    context.close()


def test_nothing_deployed_says_the_next_step(page):
    expect(said(page, "nothing")).to_contain_text("lepton serve BENTO", timeout=LONG_MS)
    assert page.locator("svg[role=img]:visible").count() == 0
    assert "token" not in page.url


def test_a_deployment_appears_by_itself_and_a_click_leads_to_it(page, ordinary):
    row = said(page, "fleet").locator("tbody tr")
    expect(row).to_have_count(1, timeout=LONG_MS)
    expect(row).to_contain_text("healthy")
    rows, errors, latencies = logged(ordinary)
    cells = row.locator("td").all_text_contents()
    assert (cells[0], cells[6]) == ("ordinary", "ordinary:v1")
    assert int(cells[8]) == len(latencies) + errors
    assert float(cells[10]) == pytest.approx(np.percentile(latencies, 95, method="inverted_cdf"), rel=0.07)
    assert cells[11] == f"{errors / (len(latencies) + errors):.1%}"
    row.get_by_role("link", name="ordinary").click()
    expect(said(page, "predictions")).to_have_text(f"{rows:,}", timeout=LONG_MS)
    assert page.url.endswith("/deployment?name=ordinary")


def test_the_numbers_are_those_of_the_log(page, ordinary):
    rows, errors, latencies = logged(ordinary)
    assert said(page, "verdict").text_content() == "healthy"
    assert number(page, "requests") == len(latencies) + errors
    assert number(page, "errors") == errors
    assert number(page, "predictions") == rows
    for key, share in (("p50", 50), ("p95", 95), ("p99", 99)):
        exact = np.percentile(latencies, share, method="inverted_cdf")
        assert number(page, key) == pytest.approx(exact, rel=0.07)
    mix = page.get_by_role("img", name=re.compile("Predictions per class"))
    labels = Counter(entry["outputs"]["label"] for entry in ordinary.entries() if "error" not in entry)
    for label, count in labels.items():
        expect(mix).to_contain_text(label)
        expect(mix).to_contain_text(f"{count} ({count / rows:.1%})")
    expect(said(page, "drift")).to_have_text("ordinary")
    expect(said(page, "error-kinds")).to_contain_text("422 invalid_row")


def test_new_predictions_show_without_a_touch(page, ordinary):
    expect(page.locator("html[data-answered]")).to_be_attached(timeout=LONG_MS)
    before, clock = number(page, "predictions"), said(page, "updated").text_content()
    ordinary.answer(ordinary.rows(7))
    expect(said(page, "predictions")).to_have_text(f"{before + 7:g}", timeout=LONG_MS)
    expect(said(page, "updated")).not_to_have_text(clock)
    assert number(page, "rate") > 0


def test_the_figures_can_be_read_without_seeing_them(page):
    names = [figure.get_attribute("aria-label") for figure in page.locator("svg[role=img]").all()]
    said = {name.split(".")[0].split(":")[0] for name in names}
    assert said >= {"Requests per second", "Latency in milliseconds", "Predictions per class", "Drift per feature"}
    assert page.locator("svg[role=img] > title").count() == len(names)
    assert page.get_by_label("deployment").count() == 1


def test_another_deployment_and_another_time_are_chosen_in_place(page, ordinary, shifted):
    expect(page.get_by_label("deployment").locator("option")).to_have_count(2, timeout=LONG_MS)
    page.get_by_label("deployment").select_option("shifted")
    expect(said(page, "verdict")).to_have_text("drifting", timeout=LONG_MS)
    assert "name=shifted" in page.url
    expect(said(page, "reasons")).to_contain_text("moved away from the training data")
    drift = page.get_by_role("img", name=re.compile("Drift per feature: drifting"))
    expect(drift).to_contain_text("drifted")
    expect(drift).to_contain_text("threshold 0.1")
    assert number(page, "predictions") == logged(shifted)[0] == 340
    page.locator("select[name=since]").select_option("1h")
    expect(said(page, "predictions")).to_have_text("300", timeout=LONG_MS)
    assert logged(shifted, f"time > {time.time() - 3600}")[0] == 300
    page.go_back()
    expect(said(page, "predictions")).to_have_text("340", timeout=LONG_MS)


def test_a_click_on_a_feature_compares_its_histograms(page, dashboard, shifted):
    open_page(page, dashboard, "deployment", name="shifted")
    heat = page.get_by_role("img", name=re.compile("Drift of each feature over time"))
    expect(heat).to_be_visible(timeout=LONG_MS)
    heat.get_by_role("link", name="age").click()
    expect(said(page, "feature")).to_have_text("age", timeout=LONG_MS)
    assert "feature=age" in page.url
    edges = json.loads((shifted.model / "reference.json").read_text())["features"]["age"]["edges"]
    files = [str(path) for path in shifted.segments]
    counted = f"SELECT count(*) FILTER (inputs.age >= {edges[-1]!r}), count(*) FROM read_ndjson({files!r})"
    above, rows = duckdb.execute(counted).fetchall()[0]
    assert above > 100
    values = page.get_by_role("img", name=re.compile("Values of age"))
    assert f"from {edges[-1]:.4g}: " in values.get_attribute("aria-label")
    assert f"before, {above / rows:.1%} now" in values.get_attribute("aria-label")
    expect(said(page, "histogram")).to_contain_text(f"{rows} of the traffic")


def test_hostile_names_of_columns_classes_and_models_stay_text(page, dashboard, shifted):
    open_page(page, dashboard, "deployment", name="shifted")
    for place in ("reasons", "changes"):
        expect(said(page, place)).to_contain_text("<img src=x onerror=")
    expect(said(page, "changes")).to_contain_text("<svg onload=")
    expect(page.get_by_role("img", name=re.compile("Predictions per class"))).to_contain_text("<svg onload=")
    assert page.locator(".lepton-page img, .lepton-page script").count() == 0
    assert page.title() != "taken"


def test_an_export_opens_alone(page, browser, tmp_path):
    with page.expect_download(timeout=LONG_MS) as caught:
        page.get_by_role("button", name="Export").click()
    file = tmp_path / caught.value.suggested_filename
    caught.value.save_as(file)
    context = browser.new_context(offline=True)
    alone = context.new_page()
    asked = []
    alone.on("request", lambda request: asked.append(request.url))
    alone.goto(file.as_uri())
    assert number(alone, "predictions") == 340
    assert alone.locator("svg[role=img]:visible").count() == page.locator("svg[role=img]:visible").count()
    assert alone.locator(".lepton-page img, script").count() == 0
    assert alone.title() != "taken"
    assert asked == [file.as_uri()]
    context.close()


def _bright(page):
    colours = "s => [getComputedStyle(document.querySelector('.lepton-page')).backgroundColor,"
    colours += "getComputedStyle(document.body).backgroundColor,"
    colours += "getComputedStyle(document.querySelector('.lepton-page h1')).color]"
    return [sum(map(int, re.findall(r"\d+", one)[:3])) > 380 for one in page.evaluate(colours)]


def test_it_is_dark_where_the_reader_is_and_where_that_is_asked_for(page):
    light, dark = [True, True, False], [False, False, True]
    assert _bright(page) == light
    page.emulate_media(color_scheme="dark")
    assert _bright(page) == dark
    page.get_by_label("theme").select_option("light")
    expect(page.locator(".lepton-page[data-theme=light]")).to_be_attached(timeout=LONG_MS)
    assert _bright(page) == light
    page.emulate_media(color_scheme="light")
    page.get_by_label("theme").select_option("dark")
    expect(page.locator(".lepton-page[data-theme=dark]")).to_be_attached(timeout=LONG_MS)
    assert _bright(page) == dark


def test_runs_are_compared_and_their_hostile_names_stay_text(page, dashboard, ws, trained):
    open_page(page, dashboard, "training")
    rows = said(page, "runs").locator("tbody tr")
    expect(rows).to_have_count(2, timeout=LONG_MS)
    expect(rows.nth(1)).to_contain_text("<img src=x onerror=")
    expect(rows.nth(1)).to_contain_text("<svg onload=")
    page.get_by_role("link", name="compare").click()
    compared = page.get_by_role("img", name=re.compile("val_.* of 2 runs"))
    expect(compared).to_be_visible(timeout=LONG_MS)
    page.get_by_label("metric").select_option("val_loss")
    expect(page.get_by_role("img", name=re.compile("val_loss of 2 runs"))).to_be_visible(timeout=LONG_MS)
    differing = said(page, "differences")
    expect(differing).to_contain_text("param lr")
    for run in trained:
        told = [json.loads(line) for line in (ws.run(run) / "spool.jsonl").open()]
        metrics = [one for line in told if line["kind"] == "metrics" for one in line["metrics"]]
        last = {name: value for name, value, step, _ in metrics if step == 19}
        assert set(last) == {"val_loss", "val_accuracy"}
        for value in last.values():
            expect(differing).to_contain_text(f"{value:.4g}")
    assert page.locator(".lepton-page img, .lepton-page script").count() == 0
    assert page.title() != "taken"


def test_a_run_of_a_pipeline_is_shown_with_its_graph_and_notebooks(page, dashboard, piped):
    open_page(page, dashboard, "pipelines", theme="dark")
    steps = said(page, "steps").locator("tbody tr")
    expect(steps).to_have_count(2, timeout=LONG_MS)
    expect(steps.nth(0)).to_contain_text("completed")
    expect(steps.nth(0)).to_contain_text("accuracy = 0.5")
    expect(steps.nth(1)).to_contain_text("<svg onload=")
    expect(said(page, "graph").locator("svg")).to_contain_text("second")
    expect(said(page, "history")).to_contain_text("1 of 2")
    assert page.locator(".lepton-page img, .lepton-page script").count() == 0
    steps.nth(0).get_by_role("link", name="first").click()
    expect(page.get_by_text("told")).to_be_visible(timeout=LONG_MS)
    assert page.locator("img, svg[onload]").count() == 0
    assert page.title() != "taken"


@pytest.mark.parametrize("name", ["fleet", "deployment", "training", "pipelines"])
def test_a_narrow_screen_needs_no_sideways_scrolling(page, dashboard, name, ordinary, piped, trained):
    page.set_viewport_size({"width": 360, "height": 800})
    try:
        open_page(page, dashboard, name)
        wide = page.evaluate("() => [document.documentElement.scrollWidth, innerWidth]")
        assert wide[0] <= wide[1] == 360
        box = page.locator(".lepton-card").first.bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 360
    finally:
        page.set_viewport_size({"width": 1280, "height": 1250})


def test_nothing_ran_that_was_not_ours_and_no_source_is_in_the_page(page):
    assert page.wild == []
    assert "lepton_nb.dashboards" not in page.content()


def test_a_page_that_was_put_to_sleep_wakes_up(page, dashboard):
    open_page(page, dashboard, "fleet")
    kernel = page.locator("#lepton-kernel").get_attribute("data-kernel")
    page.request.delete(f"{dashboard.url}api/kernels/{kernel}", headers=_xsrf(page)).dispose()
    expect(page.locator("#lepton-kernel")).not_to_have_attribute("data-kernel", kernel, timeout=LONG_MS)
    expect(page.locator("html[data-answered]")).to_be_attached(timeout=LONG_MS)


def _xsrf(page):
    return {"X-XSRFToken": next(one["value"] for one in page.context.cookies() if one["name"] == "_xsrf")}


def test_a_watch_that_asks_is_answered_by_a_person(browser, dashboard, ws, ordinary):
    place = Place(ws.home / "watches" / "ordinary")
    place.folder.mkdir(parents=True)
    state = place.decide(State(cycle=2), "triggered", "retraining", f"drifting {SVG}", {"psi": 0.31})
    place.decide(state, "passed", "asking", "it is better", {}, challenger=HOSTILE)
    context = browser.new_context()
    opened = context.new_page()
    opened.on("dialog", lambda dialog: dialog.accept())
    opened.goto(f"{dashboard.open_url}", timeout=LONG_MS)
    open_page(opened, dashboard, "deployment", name="ordinary")
    expect(said(opened, "asks")).to_contain_text("<img src=x onerror=", timeout=LONG_MS)
    expect(said(opened, "decisions")).to_contain_text("<svg onload=")
    opened.get_by_role("button", name="Approve").click()
    expect(said(opened, "answered")).to_be_visible(timeout=LONG_MS)
    assert Answers(place.folder).take(2).approved
    assert opened.title() != "taken"
    context.close()
