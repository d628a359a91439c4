"""A curve is bounded however many points come, and nothing that matters of it is lost."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lepton_nb.widgets.series import MOST_POINTS, Series

VALUES = st.floats(allow_nan=True, allow_infinity=True)


def filled(points) -> Series:
    series = Series("loss")
    for step, value in points:
        series.add(step, value)
    return series


@given(st.lists(VALUES, min_size=1, max_size=3000), st.integers(1, 50))
def test_extremes_ends_and_gaps_survive_and_the_steps_ascend(values, apart) -> None:
    points = [(apart * i, value) for i, value in enumerate(values)]
    series = filled(points)
    line = series.line()
    assert series.count == len(values)
    assert len(line.steps) == len(line.values) <= MOST_POINTS
    assert all(a < b for a, b in zip(line.steps, line.steps[1:], strict=False))
    known = [value for value in values if math.isfinite(value)]
    kept = [value for value in line.values if math.isfinite(value)]
    assert (min(kept), max(kept)) == (min(known), max(known)) if known else kept == []
    assert any(map(math.isnan, line.values)) == (len(known) < len(values))
    for place in (0, -1):
        step, value = points[place]
        assert line.steps[place] == step
        assert line.values[place] == value or not math.isfinite(value)
    came = dict(points)
    assert all(came[s] == v for s, v in zip(line.steps, line.values, strict=True) if math.isfinite(v))


def test_a_hundred_thousand_points_stay_few_and_keep_a_single_spike() -> None:
    series = filled((i, 5.0 if i == 54_321 else math.sin(i / 500)) for i in range(100_000))
    line = series.line()
    assert series.count == 100_000
    assert 400 <= len(line.steps) <= 1000
    assert line.values[line.steps.index(54_321)] == 5.0
    # The outline is even: no stretch is left out.
    gaps = [b - a for a, b in zip(line.steps, line.steps[1:], strict=False)]
    assert max(gaps) <= 600


def test_memory_does_not_grow_with_the_points() -> None:
    few, many = filled((i, float(i % 7)) for i in range(2_000)), filled((i, float(i % 7)) for i in range(200_000))
    assert len(many._buckets) <= 2 * len(few._buckets) <= 800


def test_at_the_same_step_the_newer_value_counts() -> None:
    line = filled([(1, 1.0), (2, 9.0), (2, 2.0), (3, 3.0)]).line()
    assert (line.steps, line.values) == ((1, 2, 3), (1.0, 2.0, 3.0))
    assert filled([(1, 9.0), (1, 1.0)]).line().values == (1.0,)


def test_a_point_that_comes_late_is_left_out() -> None:
    assert filled([(1, 1.0), (5, 5.0), (3, 3.0)]).line().steps == (1, 5)


@given(st.integers(1, 2500), st.integers(0, 2600))
def test_after_a_resumption_what_was_measured_behind_the_checkpoint_is_measured_again(count, checkpoint) -> None:
    series = filled((i, float(i)) for i in range(count))
    series.go_on()
    series.add(checkpoint, -1.0)
    line = series.line()
    assert (line.steps[-1], line.values[-1]) == (checkpoint, -1.0)
    assert all(a < b for a, b in zip(line.steps, line.steps[1:], strict=False))
    assert line.steps[0] == 0
    before = [value for value in line.values[:-1] if value >= 0]
    if checkpoint:
        # The newest of what is left may be that of a bucket.
        assert max(before) <= checkpoint - 1
        assert max(before) >= min(checkpoint, count) - 1 - 16
    series.add(checkpoint + 1, 0.0)
    assert series.line().steps[-1] == checkpoint + 1


def test_an_empty_curve_has_no_points_and_no_last_value() -> None:
    series = Series("loss")
    assert series.line().steps == ()
    assert math.isnan(series.last)
    assert series.count == 0


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_is_a_gap(value) -> None:
    line = filled([(0, 1.0), (1, value), (2, 3.0)]).line()
    assert line.steps == (0, 1, 2)
    assert math.isnan(line.values[1])
