"""What the pages say: numbers of the log, every text from outside escaped, every state with words."""

from __future__ import annotations

import json
import re
import shutil
import time

import pytest

from lepton_nb import monitoring
from lepton_nb.dashboards import Page, export, views
from lepton_nb.dashboards.building import Builder
from lepton_nb.dashboards.desk import Desk
from lepton_nb.dashboards.keeper import Keeper
from lepton_nb.dashboards.question import PAGES, Question
from lepton_nb.errors import ConflictError, NotFoundError, UsageError
from lepton_nb.runtime import Input
from lepton_nb.workspace import Workspace

HOSTILE = "<img src=x onerror=alert(1)>&\"'</style><script>"


def _said(html: str, key: str) -> str:
    return re.search(f"data-lepton='{key}'>([^<]*)<", html)[1]


def _ask(ws: Workspace, page: str, query: str = "") -> str:
    Keeper(ws).once()
    return "".join(Desk(ws).answer(Question.parse(page, query)).values())


def test_the_tiles_say_what_the_log_says(logged):
    one = logged()
    for i in range(30):
        one.answer(one.rows(5, seed=i), ms=4.0)
    one.fail()
    one.record()
    html = _ask(one.ws, "deployment")
    assert [_said(html, key) for key in ("status", "requests", "errors", "predictions")] == [
        "running",
        "31",
        "1",
        "150",
    ]
    assert float(_said(html, "p50")) == pytest.approx(4.0, rel=0.06)
    assert 0 < float(_said(html, "rate")) <= 31
    assert _said(html, "verdict") == "healthy"
    assert "422 invalid_row" in html


def test_every_text_from_outside_is_escaped(logged):
    one = logged(inputs=[Input(HOSTILE, "number")])
    one.answer(one.rows(300, shift=30), labels=[HOSTILE] * 300)
    one.record("failed", bento=HOSTILE, url=HOSTILE, cause=HOSTILE)
    line = {"format": 1, "time": time.time(), "action": HOSTILE, "champion": HOSTILE, "before": HOSTILE, "why": HOSTILE}
    (one.folder / "slots-history.jsonl").write_text(json.dumps(line) + "\n")
    for page in ("fleet", "deployment"):
        question = Question.parse(page, "")
        Keeper(one.ws).once()
        sections = Desk(one.ws).answer(question)
        for html in (views.page(question, sections), views.document(question, sections)):
            assert "&lt;img src=x onerror=alert(1)" in html
            assert not re.search(r"<(img|script)", html)
            assert html.count("</style>") <= 1
    assert "<img" not in views.failure(HOSTILE)


@pytest.mark.parametrize("page", PAGES)
def test_what_an_address_asks_for_stays_text(page, logged):
    one = logged()
    one.record()
    query = "&".join(
        f"{name}=%3Cimg+src%3Dx+onerror%3Dalert(1)%3E%22%27" for name in ("name", "feature", "run", "metric")
    )
    question = Question.parse(page, query)
    html = views.page(question, Desk(one.ws).answer(question))
    assert not re.search(r"<(img|script)", html)


def test_each_verdict_has_a_sign_and_a_word(logged):
    one = logged()
    one.answer(one.rows(300, shift=30))
    one.record()
    html = _ask(one.ws, "deployment")
    assert "role='status'" in html
    assert "\u2260" in html
    assert _said(html, "verdict") == "drifting"


@pytest.mark.parametrize(
    ("page", "next_step"),
    [
        ("fleet", "lepton serve BENTO"),
        ("deployment", "lepton serve BENTO"),
        ("training", "lepton train"),
        ("pipelines", "lepton pipeline run"),
    ],
)
def test_an_empty_page_says_the_next_step(page, next_step, tmp_path):
    ws = Workspace(tmp_path / ".lepton")
    assert next_step in _ask(ws, page)
    assert not ws.home.exists()


def test_the_fleet_lists_every_deployment_with_what_hinders_it(logged):
    good, bad = logged("good"), logged("bad")
    good.record()
    bad.record("stopped")
    good.answer(good.rows(7))
    bad.answer(bad.rows(1))
    bad.segments[0].write_bytes(bad.segments[0].read_bytes().replace(b'"format":1', b'"format":9'))
    Keeper(good.ws).once()
    html = _ask(good.ws, "fleet")
    assert "href='deployment?name=good'" in html
    assert "href='deployment?name=bad'" in html
    assert "healthy" in html


def test_a_deployment_that_breaks_the_keeper_hinders_no_other(logged, monkeypatch, capsys):
    bad, good = logged("bad"), logged("good")
    plain = monitoring.catch_up

    def broken(ws, name):
        return plain(ws, name) if name == "good" else {}["a fault of ours"]

    monkeypatch.setattr(monitoring, "catch_up", broken)
    bad.answer(bad.rows(1))
    good.answer(good.rows(2))
    Keeper(good.ws).once()
    with monitoring.as_counted():
        assert monitoring.observe(good.ws, "good").since(None).rows == 2
    said = capsys.readouterr().err
    assert said.startswith("bad: ")
    assert "a fault of ours" in said


def test_a_page_reads_windows_and_never_the_log(logged):
    one = logged()
    one.record()
    one.answer(one.rows(6))
    Keeper(one.ws).once()
    one.answer(one.rows(5))
    assert _said("".join(Desk(one.ws).answer(Question.parse("deployment", "")).values()), "predictions") == "6"
    assert monitoring.health(one.ws, "demo").traffic.predictions == 11


def test_a_chosen_deployment_and_time_are_shown(logged):
    one, other = logged("one"), logged("two")
    one.record()
    other.record("stopped")
    other.answer(other.rows(9), at=time.time() - 7200)
    other.answer(other.rows(2))
    assert _said(_ask(one.ws, "deployment", "name=two&since=1h"), "predictions") == "2"
    assert _said(_ask(one.ws, "deployment", "name=two&since=all"), "predictions") == "11"
    assert "There is no deployment three" in _ask(one.ws, "deployment", "name=three")


def test_what_changed_what_answers_is_listed_and_marked(logged):
    one = logged()
    one.record()
    one.answer(one.rows(3))
    lines = [
        {"format": 1, "time": time.time() - 60, "action": action, "champion": f"demo:{version}", "challenger": "",
         "before": "demo:v0", "why": "because"}
        for action, version in (("promote", "v1"), ("rollback", "v0"))
    ]  # fmt: skip
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (one.folder / "slots-history.jsonl").write_text("{torn\n" + text + "{")
    html = _ask(one.ws, "deployment")
    assert html.index("rollback") < html.index("promote")
    assert html.count(">P<") >= 3  # at both curves and in the list
    assert "1 min" in html


def test_a_quiet_page_is_not_made_again(logged, monkeypatch):
    one = logged()
    one.record("stopped")
    one.answer(one.rows(4))
    Keeper(one.ws).once()
    desk, question = Desk(one.ws), Question.parse("deployment", "")
    before = desk.answer(question, whole=True)
    monkeypatch.setattr(Builder, "build", lambda self, asked: pytest.fail("made again"))
    monkeypatch.setattr("lepton_nb.dashboards.desk._FRESH_S", 0.0)
    after = desk.answer(question)
    assert {**before, "updated": ""} == {**after, "updated": ""}


def test_what_goes_wrong_is_said_and_the_rest_stays(logged, monkeypatch):
    one = logged()
    one.record("stopped")
    desk, question = Desk(one.ws), Question.parse("fleet", "")
    desk.answer(question)
    monkeypatch.setattr("lepton_nb.dashboards.desk._FRESH_S", 0.0)
    one.answer(one.rows(1))
    Keeper(one.ws).once()
    with monkeypatch.context() as broken:
        broken.setattr(Builder, "build", lambda self, asked: 1 / 0)
        sections = desk.answer(question)
    assert "ZeroDivisionError" in sections["failure"]
    assert "demo" in sections["table"]
    assert "failure" not in desk.answer(question)


def test_a_browser_is_sent_what_it_does_not_have(logged):
    one = logged()
    one.record("stopped")
    page = Page(one.ws, Question.parse("fleet", ""))
    first = page.reply({"query": "since=1h"})
    assert set(first["sections"]) == set(first["order"]) == {"nav", "head", "updated", "table"}
    have = {name: part["version"] for name, part in first["sections"].items()}
    second = page.reply({"query": "since=1h", "have": have})
    assert set(second["sections"]) <= {"updated"}
    assert "document" not in second
    third = page.reply({"query": "theme=dark", "have": "nonsense", "export": True})
    assert third["theme"] == "dark"
    assert third["document"].startswith("<!doctype html>")
    assert page.reply({"query": 5})["order"] == first["order"]


@pytest.mark.parametrize("page", PAGES)
def test_an_export_needs_nothing_and_runs_nothing(page, logged, tmp_path):
    one = logged()
    one.record()
    one.answer(one.rows(20))
    file = tmp_path / "page.html"
    written = export(one.ws, page, file, since="1h", theme="dark")
    assert written.files == (file,)
    html = file.read_text()
    assert "default-src 'none'" in html
    assert not re.search(r"<(script|link|img|iframe)\b", html)
    assert not re.search(r"(src|href)='?https?:", html)
    assert "data-theme='dark'" in html
    assert export(one.ws, page, file).files == (file,)


def test_an_export_replaces_no_other_file(logged, tmp_path):
    one = logged()
    one.record()
    file = tmp_path / "notes.html"
    file.write_text("mine")
    with pytest.raises(ConflictError, match="no export"):
        export(one.ws, "fleet", file)
    assert file.read_text() == "mine"
    with pytest.raises(NotFoundError, match="no folder"):
        export(one.ws, "fleet", tmp_path / "none" / "page.html")
    with pytest.raises(UsageError, match="1h, 24h, 7d, all"):
        export(one.ws, "fleet", tmp_path / "page.html", since="2h")
    with pytest.raises(NotFoundError, match="no dashboard"):
        export(one.ws, "other", tmp_path / "page.html")


def test_failed_requests_of_lost_windows_are_said_to_be_unknown(logged):
    one = logged()
    one.record()
    one.answer(one.rows(20), at=time.time() - 7200)
    one.fail(at=time.time() - 7200)
    one.log.close()
    # Nobody writes to it any more: its rows are sealed.
    one.segments[0].rename(one.folder / f"log-{2**22 - 3}-1.jsonl")
    assert _said(_ask(one.ws, "deployment", "since=all"), "errors") == "1"
    shutil.rmtree(one.folder / "windows")
    monitoring.observe(one.ws, one.name)
    html = _ask(one.ws, "deployment", "since=all")
    assert "No request failed" not in html
    assert re.search(r"data-lepton='errors'>0</span> <small>not known before 20\d\d-\d\d-\d\d \d\d:\d\d<", html)
    assert "Failed requests are not known before 20" in html
    assert re.search(
        r"<td class='lepton-number'>not known before 20\d\d-\d\d-\d\d \d\d:\d\d</td>",
        _ask(one.ws, "fleet", "since=all"),
    )
    # Of a time since then they are.
    assert "No request failed" in _ask(one.ws, "deployment", "since=1h")
    assert "not known before" not in _ask(one.ws, "fleet", "since=1h")
    one.fail()
    html = _ask(one.ws, "deployment", "since=all")
    assert "422 invalid_row" in html
    assert "Failed requests are not known before 20" in html
