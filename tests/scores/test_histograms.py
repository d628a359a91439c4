import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from lepton_nb.scores import LATENCY_EDGES_MS, count_category, count_number, edges_of, latency_histogram, quantile

NUMBERS = st.floats(allow_nan=True, allow_infinity=True)


def test_ten_bins_hold_about_the_same_number_of_values():
    values = np.random.default_rng(0).lognormal(size=10_000)
    edges = edges_of(values)
    assert len(edges) == 9
    assert np.abs(count_number(values, edges) - 1000).max() <= 1


def test_a_spike_is_told_from_the_values_around_it():
    values = np.concatenate([np.zeros(900), np.linspace(1, 50, 100)])
    edges = edges_of(values)
    counts = count_number(values, edges)
    assert counts.tolist().count(900) == 1
    assert count_number([0.0], edges)[counts.argmax()] == 1
    assert count_number([0.001, 1.0], edges)[counts.argmax()] == 0


def test_a_spike_at_the_upper_end_keeps_the_values_below_it_apart():
    values = np.concatenate([np.full(950, 1.0), np.linspace(0, 0.9, 50)])
    counts = count_number(values, edges_of(values))
    assert 950 in counts.tolist()


def test_a_change_of_a_constant_is_seen_in_both_directions():
    edges = edges_of(np.full(100, 1234.5))
    assert count_number([1234.5, 1234.4, 1234.6], edges).tolist() == [1, 1, 1]
    assert count_number([0.0, -1e-3, 1e-3], edges_of([0.0])).tolist() == [1, 1, 1]


@pytest.mark.parametrize("value", [np.finfo(np.float64).max, -np.finfo(np.float64).max, 5e-324, 0.0])
def test_constants_and_spikes_at_the_ends_of_float64_have_finite_edges(value):
    spread = np.concatenate([np.full(90, value), np.linspace(-1, 1, 30) * 1e308])
    for values in (np.full(20, value), spread):
        edges = edges_of(values)
        assert np.isfinite(edges).all()
        assert count_number(values, edges).sum() == len(values)


def test_few_distinct_values_have_a_bin_each():
    values = np.array([0.0, 1.0, 2.0] * 50)
    assert count_number(values, edges_of(values)).tolist() == [50, 50, 50]


def test_no_values_have_no_edges_and_one_bin():
    assert edges_of([]).tolist() == []
    assert edges_of([np.nan, np.inf]).tolist() == []
    assert count_number([1.0, np.nan], []).tolist() == [1]


@settings(deadline=None, max_examples=150)
@given(arrays(np.float64, st.integers(0, 200), elements=NUMBERS), st.integers(0, 200))
def test_every_value_is_counted_once_and_counts_add_up(values, cut):
    edges = edges_of(values)
    assert len(edges) <= 9
    assert np.isfinite(edges).all()
    assert (np.diff(edges) > 0).all()
    whole = count_number(values, edges)
    assert whole.sum() == (~np.isnan(values)).sum()
    assert (count_number(values[:cut], edges) + count_number(values[cut:], edges) == whole).all()


@settings(deadline=None, max_examples=80)
@given(arrays(np.float64, st.integers(1, 80), elements=st.integers(-5, 5).map(float)))
def test_every_bin_holds_some_of_the_values_it_was_made_for_unless_they_are_constant(values):
    counts = count_number(values, edges_of(values))
    assert (counts > 0).all() or values.min() == values.max()


def test_categories_are_counted_in_order_and_strangers_last():
    values = np.array(["b", "a", "", None, "zz", "b"], dtype=object)
    assert count_category(values, ("a", "b")).tolist() == [1, 2, 1]
    assert count_category([], ("a",)).tolist() == [0, 0]
    assert count_category(["x", ""], ()).tolist() == [1]


@pytest.mark.parametrize("q", [0.5, 0.95, 0.99])
def test_latency_quantiles_are_within_six_percent(q):
    ms = np.random.default_rng(1).lognormal(1.5, 0.8, 20_000)
    assert quantile(latency_histogram(ms), q) == pytest.approx(np.quantile(ms, q), rel=0.06)


def test_latency_histograms_of_two_workers_add_up():
    first, second = np.array([1.0, 2.0, 3.0]), np.array([40.0, 50.0])
    together = latency_histogram(np.concatenate([first, second]))
    assert (latency_histogram(first) + latency_histogram(second) == together).all()


def test_latencies_outside_the_bins_are_given_as_the_nearest_edge():
    assert quantile(latency_histogram([1e-9]), 0.5) == pytest.approx(0.01)
    assert quantile(latency_histogram([1e9]), 0.5) == pytest.approx(100_000)
    assert len(latency_histogram([])) == len(LATENCY_EDGES_MS) + 1


def test_nothing_counted_has_no_quantile():
    assert quantile(latency_histogram([]), 0.5) is None
    assert quantile(latency_histogram([np.nan]), 0.5) is None


def test_quantiles_rise_with_q():
    counts = latency_histogram(np.random.default_rng(2).exponential(10, 500))
    found = [quantile(counts, q) for q in np.linspace(0, 1, 21)]
    assert found == sorted(found)
