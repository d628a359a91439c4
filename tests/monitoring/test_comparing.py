"""Drift step by step, the histograms behind it, and a stretch of the past to compare with."""

from __future__ import annotations

import time

import pytest

from lepton_nb.errors import DataError, NotFoundError, UsageError
from lepton_nb.monitoring import drift_over_time, health, histograms
from lepton_nb.runtime import read_reference

HOUR = 3600


def test_the_step_in_which_the_inputs_moved_is_the_one_that_drifts(logged):
    one = logged()
    now = time.time()
    for minute in range(40, 0, -1):
        shift = 15.0 if minute <= 10 else 0.0
        one.answer(one.rows(30, seed=minute, shift=shift), at=now - minute * 60)
    steps = drift_over_time(one.ws, one.name, since=40 * 60, step_seconds=600)
    assert [step.start for step in steps] == [steps[0].start + 600 * i for i in range(len(steps))]
    assert sum(step.drift.rows for step in steps) == 1200
    told = [step.drift.drifted for step in steps if step.drift.rows >= 200]
    assert told[0] is False
    assert told[-1] is True
    assert told == sorted(told)
    assert {step.version for step in steps if step.drift.rows} == {"demo:v1"}
    moved = next(step for step in steps if step.drift.drifted)
    assert moved.drift.features[0].name == "age"


def test_a_quiet_step_and_one_of_few_rows_have_no_verdict(logged):
    one = logged()
    now = time.time()
    one.answer(one.rows(5), at=now - 1800)
    steps = drift_over_time(one.ws, one.name, step_seconds=600)
    assert [step.drift.rows for step in steps].count(5) == 1
    assert {step.drift.drifted for step in steps} == {None}
    assert {step.version for step in steps} == {None, "demo:v1"}
    assert drift_over_time(logged("silent").ws, "silent") == ()


def test_rows_of_an_earlier_version_are_compared_with_its_own_reference(logged):
    one = logged()
    now = time.time()
    one.answer(one.rows(200), at=now - 2 * HOUR)
    one.promote("demo:v2")
    one.answer(one.rows(200, shift=15), at=now)
    steps = [step for step in drift_over_time(one.ws, one.name, step_seconds=HOUR) if step.drift.rows]
    # The model of v1 is in no slot and no store, so that its rows are counted without features.
    assert [(step.version, step.drift.drifted) for step in steps] == [("demo:v2", True)]


def test_the_past_can_be_the_reference(logged):
    one = logged()
    now = time.time()
    one.answer(one.rows(300, seed=1, shift=15), at=now - 2 * HOUR)
    one.answer(one.rows(300, seed=2, shift=15), at=now)
    against = (now - 3 * HOUR, now - HOUR)
    assert health(one.ws, one.name, since=HOUR).verdict == "drifting"
    found = health(one.ws, one.name, since=HOUR, against=against)
    assert (found.verdict, found.drift.rows) == ("healthy", 300)
    steps = drift_over_time(one.ws, one.name, since=600, step_seconds=1200, against=against)
    assert [step.drift.drifted for step in steps if step.drift.rows >= 100] == [False]
    one.answer(one.rows(300, seed=3), at=now)
    found = health(one.ws, one.name, since=HOUR, against=against)
    assert found.verdict == "drifting"
    assert found.reasons[0] == "age moved away from the past window"


def test_a_past_in_which_nothing_was_answered_is_refused(logged):
    one = logged()
    one.answer(one.rows(100))
    with pytest.raises(DataError, match="answered nothing in the past window"):
        health(one.ws, one.name, against=(0.0, 600.0))
    with pytest.raises(UsageError, match="ends before it begins"):
        drift_over_time(one.ws, one.name, against=(600.0, 600.0))
    with pytest.raises(NotFoundError):
        histograms(one.ws, "other")


def test_histograms_hold_the_reference_and_the_traffic_in_the_same_bins(logged):
    one = logged()
    rows = one.rows(50)
    rows[0] |= {"age": None, "city": None}
    rows[1]["city"] = "lima"
    one.answer(rows, labels=["yes"] * 20 + ["no"] * 30)
    reference = read_reference(one.model)
    age, city, prediction = histograms(one.ws, one.name)
    assert (age.name, age.kind, len(age.edges)) == ("age", "number", len(age.reference) - 1)
    assert age.reference == reference.features["age"].counts
    assert (sum(age.current), age.current_missing) == (49, 1)
    assert (city.categories, sum(city.reference), sum(city.current)) == (("oslo", "rome"), 1000, 48)
    assert (city.current_missing, city.current_unseen, city.reference_unseen) == (1, 1, 0)
    assert (prediction.name, prediction.categories, prediction.current) == ("prediction", ("no", "yes"), (30, 20))


def test_drift_tells_shares_of_what_training_did_not_see(logged):
    from lepton_nb.runtime import Input

    one = logged(
        inputs=(Input("age", "number", low=0.0, high=80.0), Input("city", "category", categories=("oslo", "rome")))
    )
    rows = one.rows(200)
    for place in range(20):
        rows[place] |= {"age": 200.0 if place % 2 else None, "city": "lima" if place % 4 else None}
    one.answer(rows)
    found = {one.name: one for one in health(one.ws, one.name).drift.features}
    assert (found["age"].missing, found["age"].out_of_range, found["age"].unseen) == (0.05, 0.05, None)
    assert (found["city"].missing, found["city"].unseen, found["city"].out_of_range) == (0.025, 0.075, None)
    assert found["city"].ks is None
    assert 0 < found["age"].ks < 1
    text = str(health(one.ws, one.name).drift)
    for column in ("unseen", "missing", "out of range", "KS"):
        assert column in text
