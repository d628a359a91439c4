"""What the page says: every text from outside escaped, every state with words."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest

from lepton_nb import monitoring
from lepton_nb.dashboards import deployments, view
from lepton_nb.dashboards.live import _Page, _Reader
from lepton_nb.records import Deployment
from lepton_nb.runtime import Input
from lepton_nb.workspace import Workspace

HOSTILE = "<img src=x onerror=alert(1)>&\"'</style><script>"


def _said(html: str, key: str) -> str:
    return re.search(f"data-lepton='{key}'>([^<]*)<", html)[1]


def _values(page: _Page) -> str:
    return "".join(one.value for one in (page._verdict, page._tiles, page._overview, *page._figures, page._head))


def test_the_tiles_say_what_the_log_says(logged):
    one = logged()
    for i in range(30):
        one.answer(one.rows(5, seed=i), ms=4.0)
    one.fail()
    reader = _Reader(one.ws)
    one.record()
    selected = reader.overview(None, None).selected
    tiles = view.tiles(selected)
    assert [_said(tiles, key) for key in ("status", "requests", "errors", "predictions")] == [
        "running",
        "31",
        "1",
        "150",
    ]
    assert float(_said(tiles, "p50")) == pytest.approx(4.0, rel=0.06)
    assert 0 < float(_said(tiles, "rate")) <= 31
    assert _said(view.verdict(selected), "verdict") == "healthy"


def test_every_text_from_outside_is_escaped(logged):
    one = logged(inputs=[Input(HOSTILE, "number")])
    one.answer(one.rows(300, shift=30), labels=[HOSTILE] * 300)
    one.record("failed", bento=HOSTILE, url=HOSTILE, cause=HOSTILE)
    page = _Page(one.ws, 2.0)
    page.refresh()
    html = _values(page)
    assert "&lt;img src=x onerror=alert(1)" in html
    assert not re.search(r"<(img|script|/style)", html)
    assert "<img" not in view.failure(HOSTILE)


def test_each_verdict_has_a_sign_and_a_word(logged):
    one = logged()
    one.answer(one.rows(300, shift=30))
    selected = _Reader(one.ws).overview(None, None).selected
    assert selected is None
    one.record()
    html = view.verdict(_Reader(one.ws).overview(None, None).selected)
    assert "role='status'" in html
    assert "≠" in html
    assert _said(html, "verdict") == "drifting"


def test_nothing_deployed_says_the_next_step(tmp_path):
    page = _Page(Workspace(tmp_path / ".lepton"), 2.0)
    page.refresh()
    assert "lepton serve BENTO" in page._verdict.value
    assert {widget.layout.display for widget in page._figures} == {"none"}
    assert not (tmp_path / ".lepton").exists()


def test_the_page_follows_what_happens(logged):
    one, other = logged("one"), logged("two")
    one.record(created=1.0)
    page = _Page(one.ws, 2.0)
    page.refresh()
    assert page._which.options == ("one",)
    other.record("stopped")
    other.answer(other.rows(4))
    page.refresh()
    assert (page._which.options, page._which.value) == (("one", "two"), "one")
    page._which.value = "two"
    page.refresh()
    assert _said(page._tiles.value, "predictions") == "4"
    assert "aria-current=true" in page._overview.value
    other.answer(other.rows(3))
    page.refresh()
    assert _said(page._tiles.value, "predictions") == "7"


def test_a_quiet_page_draws_nothing_again(logged, monkeypatch):
    one = logged()
    one.record("stopped")
    one.answer(one.rows(4))
    page = _Page(one.ws, 2.0)
    page.refresh()
    monkeypatch.setattr(view, "figure_cards", lambda selected: pytest.fail("drawn again"))
    monkeypatch.setattr(monitoring, "health", lambda *arguments: pytest.fail("judged again"))
    page.refresh()
    assert "role='alert'" not in page._verdict.value


def test_the_chosen_time_leaves_older_traffic_out(logged):
    one = logged()
    one.record()
    one.answer(one.rows(9), at=time.time() - 7200)
    one.answer(one.rows(2))
    page = _Page(one.ws, 2.0)
    page._span.value = 1800.0
    page.refresh()
    assert _said(page._tiles.value, "predictions") == "2"


def test_what_cannot_be_read_is_said_and_the_rest_is_shown(logged):
    one, other = logged("one"), logged("two")
    one.record()
    other.record("stopped")
    one.answer(one.rows(1))
    one.segments[0].write_bytes(one.segments[0].read_bytes().replace(b'"format":1', b'"format":9'))
    page = _Page(one.ws, 2.0)
    page.refresh()
    assert "lines of format 9" in page._verdict.value
    assert "two" in page._overview.value
    page._which.value = "two"
    page.refresh()
    assert _said(page._verdict.value, "verdict") == "warning"


def test_the_widget_keeps_itself_up_to_date_without_a_page(logged):
    one = logged()
    one.record()
    box = deployments(one.ws, every=0.05)
    one.answer(one.rows(6))
    deadline = time.monotonic() + 30
    while ">6<" not in box.children[3].value and time.monotonic() < deadline:
        time.sleep(0.02)
    assert _said(box.children[3].value, "predictions") == "6"
    box.close()


def test_a_deployment_without_an_address_is_shown(logged):
    one = logged()
    (one.folder / "deployment.json").write_text("{broken")
    html = view.overview([(Deployment("demo", "failed", "", "", 0, 0.0, 0, 0.0, Path(one.folder)), None)], "demo")
    assert "failed" in html
    page = _Page(one.ws, 2.0)
    page.refresh()
    assert _said(page._verdict.value, "verdict") == "failing"
