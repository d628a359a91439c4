import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lepton_nb.data import load, read
from lepton_nb.data.splits import SplitPlan, split_rows
from lepton_nb.errors import DataError, UsageError
from lepton_nb.workspace import Workspace


@settings(deadline=None, max_examples=100)
@given(
    st.lists(st.integers(3, 60), min_size=2, max_size=6),
    st.floats(0.05, 0.45),
    st.floats(0.05, 0.45),
    st.integers(0, 5),
)
def test_a_stratified_split_takes_every_row_once_and_every_class_everywhere(counts, test, validation, seed):
    targets = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(counts)), counts))
    parts = split_rows(
        targets, [str(i) for i in range(len(counts))], None, SplitPlan("stratified", seed, test, validation)
    )
    assert sorted(np.concatenate(list(parts.values())).tolist()) == list(range(len(targets)))
    for rows in parts.values():
        assert set(targets[rows]) == set(range(len(counts)))


def test_a_stratified_split_keeps_the_shares_of_large_classes():
    targets = np.repeat([0, 1, 2], [1000, 200, 37])
    parts = split_rows(targets, ["a", "b", "c"], None, SplitPlan())
    assert [len(parts[part]) for part in ("train", "validation", "test")] == [866, 124, 247]
    assert np.bincount(targets[parts["test"]]).tolist() == [200, 40, 7]


@pytest.mark.parametrize("strategy", ["stratified", "random"])
def test_the_seed_decides_the_split(strategy):
    targets = np.arange(200) % 4
    names = list("abcd")
    first, again, other = (split_rows(targets, names, None, SplitPlan(strategy, seed)) for seed in (3, 3, 4))
    assert all((first[part] == again[part]).all() for part in first)
    assert first["test"].tolist() != other["test"].tolist()


def test_a_class_too_small_for_a_stratified_split_is_named():
    targets = np.array([0] * 20 + [1] * 2)
    with pytest.raises(DataError, match=r"'rare' \(2\).*at least 3 rows per class.*--split random"):
        split_rows(targets, ["common", "rare"], None, SplitPlan())
    assert len(split_rows(targets, ["common", "rare"], None, SplitPlan("random", seed=1))["train"]) == 16


def test_a_training_part_with_one_class_is_refused():
    targets = np.array([0] * 9 + [1])
    with pytest.raises(DataError, match="the training part has one class, 'a'"):
        split_rows(targets, ["a", "b"], np.arange(10), SplitPlan("time", time_column="t"))


@pytest.mark.parametrize("kind", ["number", "text", "datetime", "date_with_zone"])
def test_the_newest_rows_test_and_the_time_is_no_input(tmp_path, kind):
    order = np.random.default_rng(0).permutation(100)
    days = pd.Timestamp("2023-11-01") + pd.to_timedelta(order, unit="D")
    times = {
        "number": order.astype(float),
        "text": days.strftime("%Y-%m-%d"),
        "datetime": days,
        "date_with_zone": days.strftime("%Y-%m-%dT%H:%M:%S+02:00"),
    }[kind]
    frame = pd.DataFrame({"day": times, "a": order.astype(float), "t": np.where(order % 2, "odd", "even")})
    data = load(Workspace(tmp_path / ".lepton"), frame, target="t", split="time", time_column="day")
    assert [column.name for column in data.columns] == ["a"]
    ages = {part: sorted(read(data, part)[0]["a"]) for part in ("train", "validation", "test")}
    assert ages["train"] == list(range(70))
    assert ages["validation"] == list(range(70, 80))
    assert ages["test"] == list(range(80, 100))
    assert data.split["time_column"] == "day"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"split": "time"}, "needs the column that orders the rows"),
        ({"time_column": "a"}, "does not fit split 'stratified'"),
        ({"split": "kfold"}, "one of stratified, random, time"),
        ({"test_size": 0}, "test size 0 is not a share"),
        ({"test_size": 1.5}, "test size 1.5 is not a share"),
        ({"validation_size": -0.1}, "validation size -0.1 is not a share"),
        ({"test_size": 0.6, "validation_size": 0.4}, "leave nothing to train on"),
        ({"seed": -1}, "seed -1 is negative"),
        ({"name": "../up"}, r"'\.\./up' is not allowed"),
    ],
)
def test_options_that_cannot_be_are_usage_errors_and_write_nothing(tmp_path, options, message):
    ws = Workspace(tmp_path / ".lepton")
    frame = pd.DataFrame({"a": np.arange(30.0), "t": ["x", "y", "z"] * 10})
    with pytest.raises(UsageError, match=message):
        load(ws, frame, target="t", **options)
    assert not ws.home.exists()
