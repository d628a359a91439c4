"""The panels that take longer, and the watch that a page answers."""

from __future__ import annotations

import json
import re
import time

import pytest

from lepton_nb import monitoring
from lepton_nb.dashboards import Page, views
from lepton_nb.dashboards.desk import Desk
from lepton_nb.dashboards.keeper import Keeper
from lepton_nb.dashboards.question import Question
from lepton_nb.dashboards.watching import answer, watched
from lepton_nb.errors import ConflictError
from lepton_nb.loop.answers import Answers
from lepton_nb.loop.place import Place, State
from lepton_nb.runtime import CHAMPION, Input, uuid7
from lepton_nb.runtime.predlog import PredictionLog, prediction_lines

HOSTILE = "<img src=x onerror=alert(1)>"


def _ask(ws, query, page="deployment"):
    Keeper(ws).once()
    return Desk(ws).answer(Question.parse(page, query), whole=True)


def test_drift_is_shown_feature_by_feature_over_time_and_a_click_compares(logged):
    one = logged(inputs=[Input("age", "number"), Input(HOSTILE, "number")])
    one.record()
    one.answer(one.rows(300, shift=30))
    sections = _ask(one.ws, "since=1h")
    assert "?since=1h&amp;feature=age" in sections["heat"]
    assert "data-go" in sections["heat"]
    assert not re.search("<img", "".join(sections.values()))
    chosen = _ask(one.ws, "since=1h&feature=age")["feature"]
    assert "<span data-lepton='feature'>age</span>" in chosen
    assert "1,000 rows of the reference, 300 of the traffic" in chosen
    (found,) = [each for each in monitoring.histograms(one.ws, "demo", 3600.0) if each.name == "age"]
    assert found.current[-1] > 100
    assert f"{found.current[-1] / 300:.1%} now" in chosen
    assert "<span data-lepton='feature'>age</span>" in _ask(one.ws, "feature=other")["feature"]


def test_late_labels_become_quality_on_both_pages(logged):
    one = logged()
    one.record()
    answers = [{"id": uuid7(), "label": ("no", "yes")[i % 2], "probabilities": [1 - i % 2, i % 2]} for i in range(80)]
    rows = one.rows(80)
    one.log.append(prediction_lines(rows, answers, time=time.time(), slot=CHAMPION, version=one.version, ms=2.0))
    told = PredictionLog(one.folder, name="feedback")
    for place, entry in enumerate(answers):
        right = entry["label"]
        label = right if place % 4 else {"yes": "no", "no": "yes"}[right]
        line = {"format": 1, "id": entry["id"], "label": label, "time": time.time()}
        told.append(json.dumps(line).encode() + b"\n")
    told.close()
    quality = _ask(one.ws, "since=1h")["quality"]
    assert ">0.75<" in quality
    assert "80 of 80 predictions" in quality
    assert "F1, AUC and calibration error over time" in quality
    assert "Log loss over time" in quality
    assert ">log loss</th>" in quality
    desk, question = Desk(one.ws), Question.parse("fleet", "since=1h")
    desk.answer(question, whole=True)
    assert "75.0% of 80" in desk.answer(question, whole=True)["table"]


@pytest.fixture
def asking(logged):
    """A deployment whose watch asks."""
    one = logged()
    one.record()
    folder = one.ws.home / "watches" / "demo"
    folder.mkdir(parents=True)
    place = Place(folder)
    state = place.decide(State(cycle=3), "triggered", "retraining", f"drifting {HOSTILE}", {"psi": 0.314159})
    place.decide(state, "passed", "asking", "it is better", {"accuracy": 0.9}, challenger=f"demo:{HOSTILE}")
    return one, folder


def test_a_watch_that_asks_is_answered_by_a_button(asking):
    one, folder = asking
    sections = _ask(one.ws, "")
    assert "data-decide='approve'" in sections["loop"]
    assert "data-number='3'" in sections["loop"]
    assert "psi 0.3142" in sections["loop"]
    assert "<img" not in sections["loop"]
    page = Page(one.ws, Question.parse("deployment", ""))
    assert "problem" not in page.reply({"decide": "approve", "watch": "demo", "number": 3})
    given = Answers(folder).take(3)
    assert given.approved
    assert watched(one.ws, "demo").answered
    assert "data-decide" not in _ask(one.ws, "")["loop"]
    assert "asks nothing" in page.reply({"decide": "refuse", "watch": "demo", "number": 3})["problem"]


@pytest.mark.parametrize(
    "asked",
    [
        {"decide": "approve", "watch": "demo", "number": 2},
        {"decide": "approve", "watch": "../demo", "number": 3},
        {"decide": "approve", "watch": "other", "number": 3},
        {"decide": "delete", "watch": "demo", "number": 3},
        {"decide": "approve", "watch": ["demo"], "number": 3},
        {"decide": "approve", "watch": "demo", "number": "3"},
    ],
)
def test_an_answer_to_something_else_changes_nothing(asking, asked):
    one, folder = asking
    before = sorted(path.name for path in folder.iterdir())
    assert Page(one.ws, Question.parse("deployment", "")).reply(asked)["problem"]
    assert sorted(path.name for path in folder.iterdir()) == before


def test_a_refusal_is_recorded_as_one(asking):
    one, folder = asking
    answer(one.ws, "demo", 3, approve=False)
    assert not Answers(folder).take(3).approved
    with pytest.raises(ConflictError):
        answer(one.ws, "demo", 3, approve=True)


def test_what_takes_longer_comes_with_a_later_answer(logged):
    one = logged()
    one.record()
    one.answer(one.rows(200))
    Keeper(one.ws).once()
    desk, question = Desk(one.ws), Question.parse("deployment", "since=1h")
    first = desk.answer(question)
    later = desk.answer(question, whole=True)
    assert set(first) <= set(later)
    assert {"heat", "feature"} <= set(later)
    assert list(later).index("heat") < list(later).index("versions")
    assert views.ordered(later) == later


def test_alerts_are_shown_as_they_stand_and_a_look_delivers_none(logged):
    one = logged()
    one.record()
    one.answer(one.rows(300, shift=30))
    rules = one.ws.root / "alerts.yml"
    rules.write_text(
        f"alerts:\n  moved:\n    when: psi(age) > 0.2\n    severity: critical\n    message: '{HOSTILE}'\n"
        "deliver:\n  record: {file: told.jsonl}\n"
    )
    monitoring.remember_alerts(one.ws, "demo", rules)
    quiet = _ask(one.ws, "since=1h")
    assert "moved" in quiet["alerts"]
    assert "firing" not in quiet["alerts"]
    assert not list(one.ws.root.rglob("told.jsonl"))
    monitoring.monitor(one.ws, "demo")
    firing = _ask(one.ws, "since=1h")
    assert "firing" in firing["alerts"]
    assert "<span data-lepton='verdict'>failing</span>" in firing["verdict"]
    assert "<img" not in "".join(firing.values())
