"""Sums over labelled predictions say what the rows themselves say."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from lepton_nb.scores import CONFIDENCE_BINS, Tally, classification_scores, confusion, count_confidence


def _rows(classes, count=3000, seed=0, sure=2.0):
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, sure, (count, classes))
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    y = np.array([rng.choice(classes, p=row**0.7 / (row**0.7).sum()) for row in p])
    return p, y


@pytest.mark.parametrize("classes", [2, 3, 7])
def test_scores_are_those_of_the_rows(classes):
    p, y = _rows(classes)
    tally = Tally.of(p, y)
    expected = classification_scores(p, y)
    assert (tally.rows, tally.right) == (3000, int((p.argmax(1) == y).sum()))
    assert tally.accuracy == pytest.approx(expected["accuracy"], abs=1e-12)
    assert tally.f1 == pytest.approx(expected["f1"], abs=1e-12)
    assert tally.log_loss == pytest.approx(expected["log_loss"], rel=1e-9)
    assert tally.calibration_error == pytest.approx(expected["calibration_error"], abs=1e-9)
    assert tally.roc_auc == pytest.approx(expected["roc_auc"], abs=5e-4)
    assert tally.confusion[:-1].tolist() == confusion(p, y, classes).tolist()


def test_scores_close_to_0_and_1_are_told_apart():
    rng = np.random.default_rng(1)
    odds = rng.normal(-7, 1.5, 20_000)
    p = 1 / (1 + np.exp(-odds))
    y = (rng.random(20_000) < p * 20).astype(int)
    both = np.stack([1 - p, p], axis=1)
    assert Tally.of(both, y).roc_auc == pytest.approx(classification_scores(both, y)["roc_auc"], abs=2e-3)


def test_sums_add_up_and_are_taken_off_in_any_order():
    p, y = _rows(3)
    cities = np.random.default_rng(2).choice(["oslo", "rome"], 3000)
    whole = Tally.of(p, y, {"city": cities.tolist()})
    parts = [Tally.of(p[i::4], y[i::4], {"city": cities[i::4].tolist()}) for i in range(4)]
    total = Tally(3)
    for part in (*parts, parts[0]):
        total.add(part)
    total.add(parts[0], -1)
    assert _plain(total) == pytest.approx(_plain(whole), abs=1e-8)
    right = (p.argmax(1) == y)[cities == "rome"]
    assert total.segments["city"]["rome"].tolist() == [len(right), right.sum()]


def _plain(tally):
    named = np.concatenate([tally.segments["city"][city] for city in ("oslo", "rome")])
    arrays = (tally.confusion, tally.calibration, tally.confidence, tally.scores, named)
    return np.concatenate([[tally.surprise], *(one.ravel() for one in arrays)])


@pytest.mark.parametrize("classes", [2, 5, 30])
def test_sums_survive_a_file(classes):
    p, y = _rows(classes, count=300)
    tally = Tally.of(p, y, {"city": ["oslo", "rome", ""] * 100})
    again = Tally(classes)
    again.add_dict(json.loads(json.dumps(tally.to_dict())))
    assert again.to_dict() == tally.to_dict()
    assert again.f1 == tally.f1


def test_a_class_that_the_model_does_not_have_counts_as_wrong():
    tally = Tally.of([[0.9, 0.1], [0.2, 0.8]], [2, 1])
    assert (tally.rows, tally.right, tally.accuracy) == (2, 1, 0.5)
    assert tally.f1 == pytest.approx(1 / 3)
    assert tally.log_loss == pytest.approx((-math.log(np.finfo(float).eps) - math.log(0.8)) / 2)


def test_without_rows_nothing_is_known():
    tally = Tally(2)
    for value in (tally.accuracy, tally.f1, tally.roc_auc, tally.log_loss, tally.calibration_error):
        assert math.isnan(value)
    assert math.isnan(Tally.of([[0.9, 0.1]], [0]).roc_auc)


def test_confidence_is_counted_by_the_predicted_class():
    p, _ = _rows(3, count=500)
    counts = count_confidence(p)
    assert counts.shape == (3, CONFIDENCE_BINS)
    assert counts.sum(axis=1).tolist() == np.bincount(p.argmax(1), minlength=3).tolist()
    assert count_confidence([[1.0, 0.0]])[0, -1] == 1


def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="expected probabilities"):
        Tally.of([[0.5, 0.5]], [0, 1])
