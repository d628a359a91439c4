"""Scores of a regression are those of scikit-learn."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.metrics import mean_absolute_error, mean_squared_error, r2_score

from lepton_nb.scores import coverage, regression_scores


@pytest.mark.parametrize("shape", [(40,), (40, 1), (40, 3)])
def test_they_are_those_of_scikit_learn(shape):
    rng = np.random.default_rng(1)
    truth = rng.normal(size=shape) * [1, 5, 20][: shape[-1]] if len(shape) > 1 else rng.normal(size=shape)
    found = truth + rng.normal(size=shape)
    scores = regression_scores(found, truth)
    assert scores["mae"] == pytest.approx(mean_absolute_error(truth.ravel(), found.ravel()))
    assert scores["rmse"] == pytest.approx(mean_squared_error(truth.ravel(), found.ravel()) ** 0.5)
    assert scores["r2"] == pytest.approx(r2_score(truth, found))


def test_targets_that_are_all_the_same_explain_nothing():
    assert math.isnan(regression_scores([1.0, 2.0], [3.0, 3.0])["r2"])


@pytest.mark.parametrize(("answers", "targets"), [([], []), ([1.0], [1.0, 2.0]), (np.zeros((2, 3)), np.zeros((3, 2)))])
def test_what_does_not_fit_is_refused(answers, targets):
    with pytest.raises(ValueError, match="do not fit"):
        regression_scores(answers, targets)


def test_the_ends_of_an_interval_are_in_it():
    low, high = [[0.0, 1.0], [2.0, 5.0]], [[1.0, 2.0], [2.0, 6.0]]
    assert coverage(low, high, [[0.0, 2.0], [2.0, 6.5]]) == 0.75
    assert coverage([0.0], [1.0], [[0.5]]) == 1.0
    for truth in ([], [1.0]):
        with pytest.raises(ValueError, match="do not fit"):
            coverage([0.0, 0.0][: len(truth) * 2], [1.0, 1.0][: len(truth) * 2], truth)
