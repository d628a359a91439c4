"""Distances of counted samples are those of the libraries that count every value."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon
from scipy.stats import chi2_contingency, false_discovery_control, ks_2samp

from lepton_nb.scores import chi_square, corrected, divergence, excess_distance, kolmogorov_smirnov, stability_index


@pytest.mark.parametrize("seed", range(10))
def test_chi_square_and_divergence_are_scipys(seed):
    rng = np.random.default_rng(seed)
    before, now = rng.integers(1, 200, 12), rng.integers(1, 90, 12)
    assert chi_square(before, now) == pytest.approx(chi2_contingency([before, now], correction=False).pvalue, rel=1e-9)
    assert np.sqrt(divergence(before, now)) == pytest.approx(jensenshannon(before, now, 2))


@pytest.mark.parametrize("shift", [0.0, 0.1, 0.5])
def test_kolmogorov_smirnov_is_scipys_when_every_value_has_its_bin(shift):
    rng = np.random.default_rng(0)
    before, now = rng.normal(size=400), rng.normal(size=300) + shift
    edges = np.unique(np.concatenate([before, now]))
    counts = [np.bincount(np.searchsorted(edges, one), minlength=len(edges)) for one in (before, now)]
    exact = ks_2samp(before, now, method="asymp")
    statistic, p = kolmogorov_smirnov(*counts)
    assert statistic == pytest.approx(exact.statistic)
    # In the far tail the limit and the law of a finite sample differ by a little.
    assert np.log(p) == pytest.approx(np.log(exact.pvalue), rel=0.05, abs=0.1)
    coarse, larger = kolmogorov_smirnov(*(one[: len(edges) // 10 * 10].reshape(10, -1).sum(1) for one in counts))
    assert coarse <= statistic + 0.01
    assert larger >= 0.8 * p


def test_an_empty_sample_says_nothing():
    assert kolmogorov_smirnov([0, 0], [1, 2]) == (0.0, 1.0)


def test_the_excess_of_equal_laws_is_near_nothing_whatever_the_number_of_rows():
    rng = np.random.default_rng(0)
    for rows in (100, 1000, 10_000):
        counts = rng.multinomial(rows, [0.1] * 10, size=200)
        found = [excess_distance(*pair) for pair in zip(counts[::2], counts[1::2], strict=True)]
        raw = [np.sqrt(divergence(*pair)) for pair in zip(counts[::2], counts[1::2], strict=True)]
        assert np.mean(found) < 0.5 * np.mean(raw)


def test_an_empty_bin_makes_no_infinity():
    assert 0 < stability_index([100, 0], [50, 50]) < 10


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("count", [1, 2, 7, 40])
def test_p_values_are_corrected_as_by_scipy(seed, count):
    p_values = np.random.default_rng(seed).random(count) ** 3
    p_values[count // 2 :] = p_values[count // 2]
    assert corrected(p_values) == pytest.approx(false_discovery_control(p_values, method="bh"), rel=1e-12)
    assert corrected([1.0, 0.0]).tolist() == [1.0, 0.0]
