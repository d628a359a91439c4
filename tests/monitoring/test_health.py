"""The verdict over a deployment, and its reasons."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from lepton_nb.errors import NotFoundError
from lepton_nb.monitoring import health, traffic
from lepton_nb.records import Deployment


def _deployment(one, status="running"):
    return Deployment(one.name, status, "http://127.0.0.1:1", one.version, 1, 0.0, 1, 0.0, Path(one.folder))


def test_ordinary_traffic_is_healthy(logged):
    one = logged()
    for i in range(20):
        one.answer(one.rows(20, seed=i), ms=2.0)
    found = health(one.ws, one.name)
    assert (found.verdict, found.reasons) == ("healthy", ())
    assert (found.drift.verdict, found.drift.rows) == ("ordinary", 400)
    assert (found.traffic.predictions, found.traffic.requests, found.traffic.errors) == (400, 20, 0)
    assert found.traffic.p50_ms == pytest.approx(2.0, rel=0.06)


def test_shifted_traffic_is_drifting_and_the_feature_is_named(logged):
    one = logged()
    one.answer(one.rows(200, shift=15))
    found = health(one.ws, _deployment(one))
    assert found.verdict == "drifting"
    assert found.reasons[0].startswith("age moved away")


def test_a_predicted_class_that_takes_over_is_drift(logged):
    one = logged()
    one.answer(one.rows(200), labels=["yes"] * 200)
    assert health(one.ws, one.name).drift.features[0].name == "prediction"


def test_only_the_champion_is_compared_with_its_reference(logged):
    one = logged()
    one.answer(one.rows(200, shift=15))
    assert health(one.ws, one.name).verdict == "drifting"
    one.promote("demo:v2")
    one.answer(one.rows(150, seed=5))
    found = health(one.ws, one.name)
    assert (found.verdict, found.drift.rows, found.traffic.predictions) == ("healthy", 150, 350)


def test_no_predictions_and_too_few_are_said(logged):
    one = logged()
    found = health(one.ws, one.name)
    assert (found.verdict, found.reasons, found.drift.drifted) == ("healthy", ("no predictions yet",), None)
    one.answer(one.rows(20))
    assert health(one.ws, one.name).reasons == ("too few rows for a drift verdict (20 of 100)",)


def test_failures_of_the_server_are_failing_and_refusals_a_warning(logged):
    one = logged()
    for i in range(50):
        one.answer(one.rows(1, seed=i))
    one.fail(500, "internal")
    assert health(one.ws, one.name).verdict == "warning"
    for _ in range(5):
        one.fail(422, "invalid_row")
    found = health(one.ws, one.name)
    assert found.verdict == "warning"
    assert "5 of 56 requests were refused (422 invalid_row: 5)" in found.reasons
    for _ in range(5):
        one.fail(503, "log_failed")
    found = health(one.ws, one.name)
    assert found.verdict == "failing"
    assert found.reasons[0] == "6 of 61 requests failed in the server (500 internal: 1, 503 log_failed: 5)"


def test_a_dead_process_is_failing_and_a_stopped_one_a_warning(logged):
    one = logged()
    one.answer(one.rows(200, shift=15))
    found = health(one.ws, _deployment(one, "failed"))
    assert found.verdict == "failing"
    assert "has ended" in found.reasons[0]
    assert "it is stopped" in health(one.ws, _deployment(one, "stopped")).reasons


def test_since_leaves_older_windows_out(logged):
    one = logged()
    one.answer(one.rows(30), at=time.time() - 3600)
    one.answer(one.rows(5))
    assert health(one.ws, one.name, since=600).traffic.predictions == 5
    assert health(one.ws, one.name).traffic.predictions == 35


def test_a_lost_model_leaves_the_traffic_and_says_so(logged):
    one = logged()
    one.answer(one.rows(5))
    (one.model / "reference.json").unlink()
    found = health(one.ws, one.name)
    assert (found.verdict, found.traffic.predictions) == ("warning", 5)
    assert "drift is unknown" in found.reasons[0]


def test_broken_lines_are_a_warning(logged):
    one = logged()
    one.answer(one.rows(5))
    with one.segments[0].open("ab") as stream:
        stream.write(b"garbage\n")
    assert "1 lines of the prediction log are broken" in health(one.ws, one.name).reasons


def test_traffic_has_a_step_for_every_stretch_of_time_and_adds_up(logged):
    one = logged()
    now = time.time()
    for minutes in (9, 5, 0):
        one.answer(one.rows(4), at=now - 60 * minutes, labels=["no"] * 3 + ["yes"])
    steps = traffic(one.ws, one.name, since=600, step_seconds=60)
    assert [step.start for step in steps] == [steps[0].start + 60 * i for i in range(len(steps))]
    assert sum(step.predictions for step in steps) == 12
    assert [step.labels for step in steps if step.predictions] == [{"no": 3, "yes": 1}] * 3
    assert [step.p50_ms for step in steps if not step.predictions] == [None] * (len(steps) - 3)
    coarse = traffic(one.ws, one.name, since=600, step_seconds=300)
    assert {step.seconds for step in coarse[:-1]} == {300}
    assert 0 < coarse[-1].seconds <= 300
    assert sum(step.predictions for step in coarse) == 12


def test_traffic_of_a_silent_deployment_is_empty(logged):
    one = logged()
    assert traffic(one.ws, one.name) == ()


def test_a_long_time_is_shown_in_few_steps_and_ends_with_a_stopped_deployment(logged):
    one = logged()
    now = time.time()
    for hours in range(0, 100, 5):
        one.answer(one.rows(1), at=now - 3600 * (200 - hours))
    live, stopped = traffic(one.ws, one.name), traffic(one.ws, _deployment(one, "stopped"))
    assert len(live) <= 62
    assert live[-1].start + live[-1].seconds == pytest.approx(now, abs=30)
    assert stopped[-1].start < now - 3600 * 90
    for steps in (live, stopped):
        assert sum(step.predictions for step in steps) == 20


def test_a_deployment_that_does_not_exist_is_an_error(logged):
    one = logged()
    with pytest.raises(NotFoundError, match="no deployment"):
        health(one.ws, "other")
