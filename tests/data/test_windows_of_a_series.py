"""A series of moments becomes rows of what was and what came."""

import numpy as np
import pandas as pd
import pytest

from lepton_nb import data
from lepton_nb.errors import DataError, UsageError


def series(rows: int = 60, **columns) -> pd.DataFrame:
    moments = pd.date_range("2024-01-01", periods=rows, freq="D").strftime("%Y-%m-%d")
    return pd.DataFrame({"day": moments, "sold": np.arange(float(rows)), **columns})


def load(ws, frame, horizon=2, history=3, **options):
    wanted = data.series_of(history, horizon)
    return data.load(ws, frame, **{"target": "sold", "time_column": "day", "series": wanted, **options})


def test_a_row_holds_the_last_values_the_calendar_and_the_next_values(ws):
    found = load(ws, series())
    inputs, targets = data.read(found, "train")
    assert [float(inputs[f"sold_lag_{lag}"][0]) for lag in (2, 1, 0)] == [0, 1, 2]
    assert targets[0].tolist() == [3, 4]
    assert found.targets == ("sold_in_1", "sold_in_2")
    # The first moment ahead is 2024-01-04, a Thursday.
    assert inputs["calendar_week_sin"][0] == pytest.approx(np.sin(2 * np.pi * 3 / 7))
    assert (found.series.history, found.series.horizon, found.task) == (3, 2, "regression")


def test_no_part_knows_a_value_that_another_one_is_asked_for(ws):
    found = load(ws, series(200), horizon=5, history=4)
    asked = {part: set(data.read(found, part)[1].reshape(-1).tolist()) for part in ("train", "validation", "test")}
    assert not asked["train"] & asked["validation"]
    assert not asked["validation"] & asked["test"]
    assert max(asked["train"]) < min(asked["validation"]) < max(asked["validation"]) < min(asked["test"])
    assert sum(found.rows.values()) == 200 - 4 - 5 + 1 - 2 * 4


def test_stretches_with_a_gap_are_left_out_and_the_order_of_the_file_does_not_matter(ws):
    whole = series()
    broken = whole.drop(index=30)
    found = load(ws, broken.sample(frac=1, random_state=1))
    inputs, targets = data.read(found, "train")
    rows = np.column_stack([inputs[f"sold_lag_{lag}"] for lag in (2, 1, 0)] + [targets])
    assert (np.diff(rows, axis=1) == 1).all()


def test_other_columns_of_numbers_are_read_as_well(ws):
    found = load(ws, series(price=np.arange(60.0) * 2))
    assert [one.name for one in found.columns[:6]] == [f"{a}_lag_{b}" for a in ("sold", "price") for b in (2, 1, 0)]


@pytest.mark.parametrize(
    ("frame", "options", "error", "message"),
    [
        (series(), {"time_column": None}, UsageError, "needs the column that orders the rows"),
        (series(), {"split": "random"}, UsageError, "does not fit split 'random'"),
        (series(kind=["a"] * 60), {}, DataError, "'kind' is no series of numbers"),
        (series(6), {}, DataError, "cannot be split"),
        (series(4), {}, DataError, "no stretch of 5 moments"),
        (pd.concat([series(), series()]), {}, DataError, "occur more than once"),
        (series().assign(sold=[None, *np.arange(59.0)]), {}, DataError, "is missing in 1 rows"),
    ],
)
def test_what_is_no_series_is_refused_and_nothing_is_kept(ws, frame, options, error, message):
    with pytest.raises(error, match=message):
        load(ws, frame, **options)
    assert not list(ws.data.glob("*/meta.json"))


@pytest.mark.parametrize(("history", "horizon"), [(0, 1), (3, 0), (3, None), (3, 10_000), (True, 1)])
def test_numbers_of_steps_that_make_no_sense_are_refused(history, horizon):
    with pytest.raises(UsageError):
        data.series_of(history, horizon)
