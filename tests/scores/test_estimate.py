"""The accuracy that is to be expected where nobody has told."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.isotonic import IsotonicRegression

from lepton_nb.scores import Tally, count_confidence, expected_accuracy
from lepton_nb.scores.estimate import _isotonic


def _softmax(logits):
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    return p / p.sum(axis=1, keepdims=True)


def _rows(rng, classes, count, *, spread, overconfident=2.0):
    """What an overconfident model says, and the truth."""
    logits = rng.normal(0, spread, (count, classes))
    true = _softmax(logits)
    y = (true.cumsum(axis=1) < rng.random((count, 1))).sum(axis=1)
    return _softmax(logits * overconfident), y


# With more than two classes one confidence stands for several distributions over the others: an approximation.
@pytest.mark.parametrize(("classes", "most"), [(2, 0.01), (4, 0.04)])
def test_it_is_close_to_the_truth_where_inputs_moved_and_confidence_lies(classes, most):
    rng = np.random.default_rng(classes)
    before, known = _rows(rng, classes, 8000, spread=1.5)
    now, truth = _rows(rng, classes, 8000, spread=0.6)
    accuracy = float((now.argmax(1) == truth).mean())
    found = expected_accuracy(count_confidence(now), Tally.of(before, known).confidence)
    assert abs(found.value - accuracy) < most
    # What the model itself says is far off, and so is what it was before.
    assert now.max(axis=1).mean() - accuracy > 0.08
    assert (before.argmax(1) == known).mean() - accuracy > 4 * most


def test_the_interval_holds_the_truth_as_often_as_it_says():
    inside = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        before, known = _rows(rng, 2, 600, spread=1.5)
        now, truth = _rows(rng, 2, 300, spread=1.0)
        found = expected_accuracy(count_confidence(now), Tally.of(before, known).confidence)
        inside += found.low <= float((now.argmax(1) == truth).mean()) <= found.high
    assert 180 <= inside <= 199


def test_shares_are_those_of_isotonic_regression():
    rng = np.random.default_rng(0)
    total = rng.integers(0, 30, 96)
    right = rng.binomial(total, np.linspace(0.3, 0.9, 96))
    places = np.flatnonzero(total)
    expected = IsotonicRegression().fit(places, right[places] / total[places], total[places]).predict(places)
    np.testing.assert_allclose(_isotonic(right, total)[places], expected, atol=1e-12)


def test_few_known_rows_make_it_unsure_and_none_impossible():
    rng = np.random.default_rng(1)
    before, known = _rows(rng, 2, 4000, spread=1.5)
    counts = count_confidence(_rows(rng, 2, 5000, spread=1.5)[0])
    many = expected_accuracy(counts, Tally.of(before, known).confidence)
    few = expected_accuracy(counts, Tally.of(before[:60], known[:60]).confidence)
    assert few.high - few.low > 3 * (many.high - many.low)
    assert expected_accuracy(counts, np.zeros((2, *counts.shape), np.int64)) is None
    assert expected_accuracy(np.zeros_like(counts), Tally.of(before, known).confidence) is None
