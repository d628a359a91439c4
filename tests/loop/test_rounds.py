"""A model decays, is retrained, proven and swapped in; and everything that must keep that from happening does."""

import dataclasses
import json
import re
import time

import numpy as np
import pyarrow.parquet as pq
import pytest
from tiny import DOWN, UP, Tiny, bento, makes, pipeline

from lepton_nb import loop, serving
from lepton_nb.loop.picture import draw
from lepton_nb.runtime import CHALLENGER, manifest_of, read_plan

pytestmark = pytest.mark.timeout(900)


@pytest.fixture
def tiny(ws):
    return Tiny(ws)


def test_what_decays_is_retrained_proven_and_swapped_in(ws, tiny, tmp_path):
    bento(ws, "better:v1", DOWN)
    told = "import pyarrow.parquet as pq\nrecord_output('rows', pq.read_table(data)[target].to_pylist())"
    watched = tiny.watch(pipeline(tmp_path / "p", told, makes("better:v1")), kernel=True)
    watched.decay()
    state = watched.until("kept", up=False)
    assert tiny.answers == "better:v1"
    assert watched.actions == [
        *("began", "triggered", "froze", "retrained", "passed", "shadow done", "canary done", "promoted", "kept")
    ]
    assert (state.stage, state.failures, state.champion, state.cycle) == ("watching", 0, "better:v1", 1)
    numbers = {one.action: one.numbers for one in watched.ctx.place.decisions()}
    assert numbers["passed"]["challenger.accuracy"] > 0.9
    assert numbers["passed"]["champion.accuracy"] < 0.1
    assert numbers["passed"]["p_value"] < 1e-9
    train, gate = (pq.read_table(watched.ctx.place.folder / state_file) for state_file in (state.train, state.gate))
    assert numbers["froze"] == {"train_rows": len(train), "gate_rows": len(gate)}
    # What the pipeline was given is the one part, and no row of the other.
    (run,) = ws.pipelines.glob("*/run.json")
    assert run.parent.name == numbers["retrained"]["pipeline"]
    (record,) = run.parent.glob("make*.json")
    assert json.loads(record.read_text())["outputs"]["rows"] == train["truth"].to_pylist()
    assert not set(train["x"].to_pylist()) & set(gate["x"].to_pylist())
    history = (tiny.deployment.path / "slots-history.jsonl").read_text().splitlines()
    assert [json.loads(line)["action"] for line in history] == ["challenge", "challenge", "promote"]
    drawn = draw(ws, "tiny")
    assert drawn.count("<svg") == 1
    # Both models have a curve, and the decisions stand at their moments.
    assert re.search(r"better:v1: last (0\.[89]\d*|1)\b", drawn)
    assert re.search(r"tiny:v1: last 0\.[0-6]", drawn)
    assert [sign for sign in re.findall(r">([A-Z?!])<", drawn) if sign != "R"] == ["T", "N", "G", "P"]


def test_what_is_no_better_is_refused_and_the_next_try_waits_longer(ws, tiny, tmp_path):
    bento(ws, "poisoned:v1", UP)
    watched = tiny.watch(pipeline(tmp_path / "p", makes("poisoned:v1")), every=600.0)
    watched.decay()
    first = watched.until("refused", up=False)
    assert "quality: challenger.accuracy > champion.accuracy and p_value < 0.05 does not hold" in watched.why
    assert (tiny.answers, CHALLENGER in read_plan(tiny.deployment.path / "slots.json").slots) == ("tiny:v1", False)
    assert (first.stage, first.failures) == ("watching", 1)
    tiny.ask(300, up=False)
    # It is as bad as before, and nothing is tried as long as it has to wait.
    assert watched.step().stage == "watching"
    assert watched.state.decayed >= 2
    watched.ctx.place.save(dataclasses.replace(watched.state, not_before=time.time()))
    watched.until("triggered", up=False)
    tiny.ask(300, up=False)
    second = watched.until("refused", up=False)
    waits = [one.not_before - one.begun for one in (first, second)]
    assert second.failures == 2
    assert waits[1] > 1.5 * waits[0] > 0


def test_a_pipeline_that_fails_is_told_and_tried_again_later_each_time(ws, tiny, tmp_path):
    path = pipeline(tmp_path / "p", "raise ValueError('no such column')")
    watched = tiny.watch(path)
    watched.decay()
    state = watched.until("failed", up=False)
    assert "no such column" in watched.why
    assert "is tried again in" in watched.why
    assert (state.stage, state.failures, tiny.answers) == ("collecting", 1, "tiny:v1")
    bento(ws, "better:v1", DOWN)
    pipeline(tmp_path / "p", makes("better:v1"))
    assert watched.until("kept", up=False).failures == 0
    assert tiny.answers == "better:v1"


def test_a_gate_that_cannot_be_computed_never_promotes(ws, tiny, tmp_path):
    bento(ws, "broken:v1", 0.0)
    watched = tiny.watch(pipeline(tmp_path / "p", makes("broken:v1")))
    watched.decay()
    watched.until("refused", up=False)
    assert "the gate cannot be computed: a model answers with no number" in watched.why
    assert tiny.answers == "tiny:v1"


def test_a_condition_that_nobody_can_decide_is_a_no(ws, tiny, tmp_path):
    bento(ws, "better:v1", DOWN)
    gate = tmp_path / "gate.yml"
    gate.write_text("format: 1\nconditions:\n  fairness: challenger.fairness > 0.5\n")
    watched = tiny.watch(pipeline(tmp_path / "p", makes("better:v1")), gate=str(gate))
    watched.decay()
    watched.until("refused", up=False)
    assert "fairness cannot be decided" in watched.why
    assert "'challenger.fairness' is not known" in watched.why


@pytest.mark.parametrize("approve", [True, False])
def test_a_watch_that_asks_waits_for_a_person(ws, tiny, tmp_path, approve):
    bento(ws, "better:v1", DOWN)
    path = pipeline(tmp_path / "p", makes("better:v1"))
    watched = tiny.watch(path, ask=True, shadow=0, canary=0.0)
    watched.decay()
    watched.until("passed", up=False)
    for _ in range(3):
        assert watched.step().stage == "asking"
    (watched.ctx.place.folder / "watch.json").write_text('{"format": 1, "options": {}}')
    assert "--approve, or --refuse" in loop.status(ws, "tiny").as_text()
    loop.answer(ws, "tiny", approve=approve, why="seen by us")
    if approve:
        watched.until("kept", up=False)
        assert "left out" in watched.actions
    else:
        watched.until("refused by a person", up=False)
    assert "better:v1: seen by us" in [one.why for one in watched.ctx.place.decisions()]
    assert tiny.answers == ("better:v1" if approve else "tiny:v1")


def test_a_bad_model_that_somebody_promotes_is_rolled_back_by_its_labels(ws, tiny, tmp_path):
    bad = bento(ws, "bad:v1", DOWN)
    watched = tiny.watch(pipeline(tmp_path / "p", makes("bad:v1")), guard=60.0)
    tiny.ask(200, up=True)
    watched.step()
    serving.promote(ws, "tiny", bad)
    watched.until("rolled back", up=True)
    assert watched.actions == ["began", "noticed", "worse", "rolled back"]
    assert "right in" in next(one.why for one in watched.ctx.place.decisions() if one.action == "worse")
    assert tiny.answers == "tiny:v1"


def test_a_model_that_fails_requests_is_rolled_back_without_any_label(ws, tiny, tmp_path):
    broken = bento(ws, "broken:v1", 0.0)
    watched = tiny.watch(pipeline(tmp_path / "p", makes("bad:v1")), guard=60.0)
    tiny.ask(200, up=True)
    watched.step()
    serving.promote(ws, "tiny", broken)
    watched.until("noticed", up=True)
    assert set(tiny.ask(20, labels=False)) == {500}
    watched.until("rolled back", up=True)
    assert "requests failed (100.0%, usually 0.0%)" in " ".join(one.why for one in watched.ctx.place.decisions())
    assert set(tiny.ask(20)) == {200}


def test_a_person_who_goes_back_themselves_is_not_overruled(ws, tiny, tmp_path):
    other = bento(ws, "other:v1", UP)
    watched = tiny.watch(pipeline(tmp_path / "p", makes("other:v1")), guard=60.0)
    serving.promote(ws, "tiny", other)
    assert watched.step().stage == "guarding"
    serving.rollback(ws, "tiny")
    assert (watched.step().stage, watched.actions[-1]) == ("watching", "rolled back by a person")


def test_a_challenger_that_does_not_answer_is_withdrawn(ws, tiny, tmp_path):
    bento(ws, "better:v1", DOWN)
    watched = tiny.watch(pipeline(tmp_path / "p", makes("better:v1")))
    watched.decay()
    watched.until("passed", up=False)
    bento(ws, "broken:v1", 0.0)
    # What the gate has seen is not what is served: the network of the Bento has been exchanged since.
    watched.state = watched.ctx.place.decide(watched.state, "passed", "shadow", "by hand", challenger="broken:v1")
    for _ in range(8):
        tiny.ask(100, up=False)
        watched.step()
        # What still decays is soon tried once more.
        if watched.actions[-1] == "withdrawn":
            break
    assert watched.actions[-1] == "withdrawn"
    assert "answered 0 rows while the champion answered" in watched.why
    assert list(read_plan(tiny.deployment.path / "slots.json").slots) == ["champion"]


@pytest.mark.parametrize("stage", ["shadow", "canary"])
def test_a_challenger_whose_traffic_does_not_come_is_withdrawn_in_time(ws, tiny, tmp_path, stage):
    bento(ws, "better:v1", DOWN)
    watched = tiny.watch(pipeline(tmp_path / "p", makes("better:v1")), patience=0.3)
    watched.ctx.place.decide(watched.state, "by hand", stage, "", challenger="better:v1", traffic=watched.ctx.traffic())
    assert watched.step().stage == stage
    assert list(read_plan(tiny.deployment.path / "slots.json").slots) == ["champion", CHALLENGER]
    time.sleep(0.3)
    state = watched.step()
    assert (state.stage, state.failures, watched.actions[-1]) == ("watching", 1, "withdrawn")
    assert re.fullmatch(rf"better:v1 answered 0 of 50 rows as {stage} in \d+ s, the patience that it has", watched.why)
    assert list(read_plan(tiny.deployment.path / "slots.json").slots) == ["champion"]
    assert tiny.answers == "tiny:v1"


def test_a_challenger_that_is_refused_at_its_promotion_is_withdrawn(ws, tiny, tmp_path):
    file = bento(ws, "other:v1", UP).model / "signature.json"
    told = json.loads(file.read_text())
    file.write_text(json.dumps({**told, "classes": told["classes"][::-1]}))
    listed = manifest_of(file.parent, run="run-1", data="data-1").to_dict()
    (file.parent / "manifest.json").write_text(json.dumps(listed))
    watched = tiny.watch(pipeline(tmp_path / "p", makes("other:v1")))
    watched.ctx.place.decide(watched.state, "by hand", "promoting", "", challenger="other:v1")
    watched.step()
    assert watched.actions[-1] == "withdrawn"
    assert "other:v1 cannot answer: " in watched.why
    assert tiny.answers != "other:v1"


@pytest.mark.parametrize("stage", ["promoting", "rolling back"])
def test_the_aliases_follow_when_a_kill_came_before_them(ws, tiny, tmp_path, monkeypatch, stage):
    other = bento(ws, "other:v1", UP)
    watched = tiny.watch(pipeline(tmp_path / "p", makes("other:v1")))
    serving.promote(ws, "tiny", other)
    pointed = []
    monkeypatch.setattr(serving, "point_aliases", lambda ws, found, report: pointed.append(found.bento))
    watched.ctx.place.decide(watched.state, "by hand", stage, "", challenger="other:v1", former="other:v1")
    watched.step()
    assert (pointed, watched.actions[-1]) == (
        ["other:v1"],
        "promoted" if stage == "promoting" else "rolled back",
    )


def test_while_all_is_well_nothing_happens(ws, tiny, tmp_path):
    watched = tiny.watch(pipeline(tmp_path / "p", makes("tiny:v1")))
    for _ in range(30):
        tiny.ask(100, up=True, requests=4)
        watched.step()
    assert watched.actions == ["began"]
    assert (watched.state.stage, watched.state.rows) == ("watching", 3000)
    assert watched.state.quality == pytest.approx(0.95, abs=0.1)
    assert watched.state.usual["p95_ms"] > 0


def test_an_absolute_rule_begins_a_retraining_too(ws, tiny, tmp_path):
    watched = tiny.watch(pipeline(tmp_path / "p", makes("tiny:v1")), when="quality < 0.9")
    tiny.ask(200, up=True)
    assert watched.step().stage == "watching"
    tiny.ask(100, up=False)
    # One window may be chance, however often it is looked at.
    for _ in range(3):
        assert watched.step().stage == "watching"
    tiny.ask(100, up=False)
    assert watched.step().stage == "collecting"
    assert watched.state.last["numbers"]["quality"] < 0.2


def test_a_watch_for_alerts_never_changes_what_answers(ws, tiny):
    watched = tiny.watch("")
    serving.promote(ws, "tiny", bento(ws, "bad:v1", DOWN))
    tiny.ask(300, up=True)
    for _ in range(3):
        watched.step()
    assert (watched.actions, tiny.answers) == (["began"], "bad:v1")


def test_the_split_is_told_by_the_id_alone():
    from lepton_nb.loop.freezing import GATE_SHARE, is_gate
    from lepton_nb.runtime import uuid7

    ids = [uuid7() for _ in range(5000)]
    drawn = np.array([is_gate(one) for one in ids])
    assert drawn.mean() == pytest.approx(GATE_SHARE, abs=0.03)
    assert [is_gate(one) for one in ids] == drawn.tolist()
