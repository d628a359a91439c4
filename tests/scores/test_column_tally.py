"""Sums by value of a column say what the rows with that value say."""

from __future__ import annotations

import json

import numpy as np
import pytest

from lepton_nb.scores import ColumnTally, ErrorTally, Tally, classification_scores


def _rows(classes, count=2000, seed=0):
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, (count, classes))
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    y = np.array([rng.choice(classes, p=row) for row in p])
    return p, y, rng.choice(["oslo", "rome", ""], count)


@pytest.mark.parametrize("classes", [2, 3, 20])
def test_scores_of_a_value_are_those_of_its_rows(classes):
    p, y, cities = _rows(classes)
    found = ColumnTally(classes)
    for part in range(3):
        found.add(ColumnTally.of(p[part::3], y[part::3], cities[part::3].tolist()))
    found.add_dict(json.loads(json.dumps(ColumnTally.of(p, y, cities.tolist()).to_dict())))
    found.add(ColumnTally.of(p, y, cities.tolist()), -1)
    for city in ("oslo", "rome", ""):
        expected = classification_scores(p[cities == city], y[cities == city])
        told = found.scores(city)
        assert told.rows == (cities == city).sum()
        assert told.f1 == pytest.approx(expected["f1"])
        assert told.log_loss == pytest.approx(expected["log_loss"])
        assert told.calibration_error == pytest.approx(expected["calibration_error"])
        assert told.roc_auc == pytest.approx(expected["roc_auc"], abs=5e-3)


def test_what_was_taken_off_again_leaves_nothing():
    p, y, cities = _rows(3)
    found = ColumnTally.of(p, y, cities.tolist())
    found.add(ColumnTally.of(p[::-1], y[::-1], cities[::-1].tolist()), -1)
    assert found.to_dict()["values"] == []
    assert found.to_dict()["at"] == []


def test_a_class_that_the_model_does_not_have_is_no_row_of_the_curve():
    p, y = np.array([[0.9, 0.1], [0.2, 0.8], [0.3, 0.7]]), np.array([0, 1, 2])
    told = ColumnTally.of(p, y, ["oslo"] * 3).scores("oslo")
    assert (told.rows, told.roc_auc) == (3, 1.0)
    assert told.log_loss == pytest.approx(Tally.of(p, y).log_loss)
    assert told.f1 == pytest.approx(Tally.of(p, y).f1)


def test_of_many_classes_and_of_a_value_that_is_not_there_nothing_is_known():
    p, y, cities = _rows(21, count=50)
    found = ColumnTally.of(p, y, cities.tolist())
    assert found.scores("oslo").rows == 0
    assert found.to_dict() == {"values": [], "at": [], "is": []}
    assert np.isnan(ColumnTally(2).scores("lima").f1)


def test_errors_of_numbers_add_up_by_value():
    errors, cities = [1.0, -3.0, 2.0], ["oslo", "rome", "oslo"]
    total = ErrorTally.of(errors, {"city": cities})
    total.add(ErrorTally.of([2.0], {"city": ["oslo"]}), -1)
    again = ErrorTally()
    again.add_dict(json.loads(json.dumps(total.to_dict())))
    assert {name: sums.tolist() for name, sums in again.segments["city"].items()} == {
        "oslo": [1.0, 1.0, 1.0],
        "rome": [1.0, 3.0, 9.0],
    }
    assert (again.mae, again.rows) == (2.0, 2)


def test_a_correction_has_no_rows_and_is_written():
    correction = ErrorTally.of([100.0], {"city": ["oslo"]})
    correction.add(ErrorTally.of([1.0], {"city": ["oslo"]}), -1)
    total = ErrorTally.of([1.0, 2.0], {"city": ["oslo", "oslo"]})
    total.add_dict(json.loads(json.dumps(correction.to_dict())))
    assert total.segments["city"]["oslo"].tolist() == [2.0, 102.0, 10_004.0]


def test_errors_that_were_summed_without_segments_stay_known_as_such():
    old = {"rows": 1, "absolute": 2.0, "squared": 4.0}
    total = ErrorTally.of([1.0], {"city": ["oslo"]})
    total.add_dict(old, segments=False)
    assert total.segmented
    total.add_dict(old)
    again = ErrorTally()
    again.add_dict(json.loads(json.dumps(total.to_dict())))
    assert (again.rows, again.segmented) == (3, False)
    again = ErrorTally()
    again.add_dict({"rows": 0, "absolute": 0.0, "squared": 0.0})
    assert again.segmented
