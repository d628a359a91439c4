"""What lives behind the dashboard's pages, and who may see them: kernels, the counter beside the server, the token."""

from __future__ import annotations

import time

import pytest
from playwright.sync_api import expect
from shown import LONG_MS, dashboard, logged, ordinary, said, ws

from lepton_nb import monitoring
from lepton_nb.dashboards import launch, launcher, stop
from lepton_nb.workspace import Workspace

__all__ = ["dashboard", "ordinary", "ws"]


def test_the_kernel_of_a_closed_page_ends_at_once(browser, dashboard):
    context = browser.new_context()
    opened = context.new_page()
    opened.goto(dashboard.open_url, timeout=LONG_MS)
    expect(opened.locator("html[data-answered]")).to_be_attached(timeout=LONG_MS)
    kernel = opened.locator("#lepton-kernel").get_attribute("data-kernel")
    there = f"{dashboard.url}api/kernels/{kernel}"
    assert context.request.get(there).status == 200
    opened.close(run_before_unload=False)
    deadline = time.monotonic() + 60
    while context.request.get(there).status != 404 and time.monotonic() < deadline:
        time.sleep(0.1)
    assert context.request.get(there).status == 404
    context.close()


@pytest.mark.nightly
def test_the_kernel_of_a_page_that_went_away_without_a_word_ends(browser, monkeypatch, tmp_path):
    culling = {**launcher._SETTINGS["MappingKernelManager"], "cull_idle_timeout": 25, "cull_interval": 1}
    monkeypatch.setitem(launcher._SETTINGS, "MappingKernelManager", culling)
    ws = Workspace(tmp_path / ".lepton")
    opened = launch(ws)
    try:
        context = browser.new_context()
        # What a page says when it is closed is lost.
        context.route("**/voila/api/shutdown/*", lambda route: route.abort())
        page = context.new_page()
        page.goto(opened.open_url, timeout=LONG_MS)
        expect(said(page, "nothing")).to_be_visible(timeout=LONG_MS)
        kernel = page.locator("#lepton-kernel").get_attribute("data-kernel")
        page.wait_for_timeout(30_000)
        assert context.request.get(f"{opened.url}api/kernels/{kernel}").status == 200
        page.close()
        deadline = time.monotonic() + 60
        while context.request.get(f"{opened.url}api/kernels/{kernel}").status != 404 and time.monotonic() < deadline:
            time.sleep(0.5)
        assert context.request.get(f"{opened.url}api/kernels/{kernel}").status == 404
        context.close()
    finally:
        stop(ws)


def test_without_the_token_there_is_no_page(browser, dashboard):
    context = browser.new_context()
    opened = context.new_page()
    opened.goto(f"{dashboard.url}deployment", timeout=LONG_MS)
    assert "/login" in opened.url
    assert opened.locator(".lepton-page").count() == 0
    context.close()


def test_what_runs_beside_the_server_ends_with_it(ws, dashboard, ordinary):
    def counted():
        with monitoring.as_counted():
            return monitoring.observe(ws, "ordinary").since(None).rows

    ordinary.answer(ordinary.rows(3))
    deadline = time.monotonic() + 60
    while counted() != logged(ordinary)[0] and time.monotonic() < deadline:
        time.sleep(0.1)
    before = counted()
    assert before == logged(ordinary)[0]
    stop(ws)
    ordinary.answer(ordinary.rows(5))
    time.sleep(2.5)
    assert counted() == before
