"""Paired tests, held against the definition."""

import math
from math import comb

import numpy as np
import pytest

from lepton_nb.scores import difference_interval, mcnemar, share_fell


def test_mcnemar_is_the_binomial_tail_of_the_rows_that_differ():
    before = [True] * 3 + [False] * 9 + [True] * 40
    after = [False] * 3 + [True] * 9 + [True] * 40
    tail = sum(comb(12, wins) for wins in range(9, 13)) / 2**12
    assert mcnemar(before, after) == pytest.approx(tail)
    assert mcnemar([True, False], [True, False]) == 1.0
    with pytest.raises(ValueError, match="two arrays of one length"):
        mcnemar([True], [True, False])


def test_chance_alone_is_called_better_as_rarely_as_the_level_says():
    rng = np.random.default_rng(0)
    draws = rng.random((400, 2, 300)) < 0.8
    assert np.mean([mcnemar(*pair) < 0.05 for pair in draws]) <= 0.06


def test_the_interval_of_the_difference_holds_what_is_so():
    rng = np.random.default_rng(1)
    held = 0
    for _ in range(400):
        before, after = rng.random(400) < 0.7, rng.random(400) < 0.75
        low, high = difference_interval(before, after)
        held += low <= 0.05 <= high
    assert held / 400 >= 0.9


def test_a_share_that_fell_is_told_from_chance():
    assert share_fell(400, 500, 900, 1000) < 1e-6
    assert share_fell(450, 500, 900, 1000) > 0.4
    assert math.isnan(share_fell(0, 0, 9, 10))
