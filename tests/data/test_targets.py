"""Targets that are numbers, or labels of which several hold."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import torch

from lepton_nb.data import Choices, check, features, find, load, module, profile, read
from lepton_nb.errors import DataError, FormatError, NotFoundError, UsageError
from lepton_nb.workspace import Workspace

ROWS = 40


@pytest.fixture
def ws(tmp_path):
    return Workspace(tmp_path / ".lepton")


@pytest.fixture
def frame():
    rng = np.random.default_rng(0)
    made = pd.DataFrame(rng.normal(size=(ROWS, 2)), columns=["a", "b"])
    made["cost"], made["days"] = made["a"] * 3 + 0.5, np.arange(ROWS)
    made["red"], made["big"] = (made["a"] > 0).astype(int), made["b"] > 0
    held = np.stack([made["red"] == 1, made["big"]], axis=1)
    made["tags"] = ["; ".join(np.array(["red", "big"])[row]) for row in held]
    return made


def of(frame, *targets):
    return frame[["a", "b", *targets]]


@pytest.mark.parametrize(
    ("targets", "task"),
    [
        (["cost"], "regression"),
        (["days"], "regression"),
        (["red"], "classification"),
        (["big"], "classification"),
        (["cost", "days"], "regression"),
        (["cost", "red"], "regression"),
        (["red", "big"], "multilabel"),
    ],
)
def test_what_a_target_asks_for_is_seen(ws, frame, targets, task):
    data = load(ws, of(frame, *targets), target=",".join(targets))
    assert (data.task, data.target) == (task, ",".join(targets))
    assert [column.name for column in data.columns] == ["a", "b"]
    assert data.width == (len(targets) if task != "classification" else len(data.classes))
    assert find(ws, data.id) == data


def test_numbers_are_kept_in_full_and_given_to_a_network_as_float32(ws, frame):
    data = load(ws, of(frame, "cost", "days"), target="cost,days", seed=3)
    assert (data.targets, data.classes, data.split["strategy"]) == (("cost", "days"), (), "random")
    parts = [read(data, part)[1] for part in ("train", "validation", "test")]
    assert [len(part) for part in parts] == list(data.rows.values())
    found = pd.DataFrame(np.concatenate(parts), columns=["cost", "days"]).sort_values("days")
    assert (found.to_numpy() == frame[["cost", "days"]].to_numpy()).all()
    (rows, targets), (_, expected) = next(iter(module(data, 5).val_dataloader())), features(data, "validation")
    assert (rows.dtype, targets.dtype) == (torch.float32, torch.float32)
    assert (targets.numpy() == expected).all()


def test_labels_come_as_columns_as_texts_or_as_lists(ws, frame):
    columns = load(ws, of(frame, "red", "big"), target="red,big")
    texts = load(ws, of(frame, "tags"), target="tags", task="multilabel")
    lists = load(ws, of(frame, "tags").assign(tags=[text.split("; ") for text in frame["tags"]]), target="tags")
    assert (columns.classes, texts.classes, lists.classes) == (("red", "big"), ("big", "red"), ("big", "red"))
    assert texts.id == lists.id
    for part in ("train", "test"):
        assert (read(columns, part)[1] == read(texts, part)[1][:, ::-1]).all()
        assert set(np.unique(features(columns, part)[1])) == {0.0, 1.0}


@pytest.mark.parametrize("targets", ["cost", "cost,days", "red,big", "tags"])
def test_a_loaded_data_set_is_split_anew_for_the_same_task(ws, frame, targets):
    data = load(ws, of(frame, *targets.split(",")), target=targets, task="multilabel" if targets == "tags" else None)
    again = load(ws, data)
    other = load(ws, data, seed=1)
    assert again.id == data.id
    assert (other.task, other.classes, other.targets) == (data.task, data.classes, data.targets)
    assert other.id != data.id


def test_classes_that_are_numbers_can_be_asked_for_as_numbers(ws, frame):
    data = load(ws, of(frame, "red"), target="red", task="regression")
    assert (data.task, data.targets) == ("regression", ("red",))
    assert load(ws, data).id == data.id


def test_what_was_loaded_before_has_the_hash_that_it_had(ws):
    # The text of a handle is written down in pipelines and records.
    assert load(ws, "iris").id == "3abf4eb1d042822c5e0b86da179756689fe9c596f67d9665042b6930a8944d80"


def test_diabetes_comes_built_in(ws):
    data = load(ws, "diabetes")
    assert (data.task, data.rows, data.feature_shape) == (
        "regression",
        {"train": 310, "validation": 44, "test": 88},
        (10,),
    )
    assert "target (a number)" in str(data.table())


@pytest.mark.parametrize(
    ("column", "options", "kind", "message"),
    [
        (
            [np.nan, 0.5] * 20,
            {},
            DataError,
            r"target 't' is missing in 20 of 40 rows \(rows 1, 3,.*a number in every row",
        ),
        ([np.inf, *np.linspace(0, 1, 39)], {}, DataError, r"'t' has 1 infinite values \(row 1\)"),
        ([1e300, *np.linspace(0, 1, 39)], {}, DataError, r"'t' has 1 infinite values .* up to 3\.4e\+38"),
        ([0.5] * 40, {}, DataError, "'t' is 0.5 in every row; expected numbers that differ"),
        (["x", "y"] * 20, {"task": "regression"}, DataError, "'t' is text; expected numbers, .* --task classification"),
        ([0.25, 0.5] * 20, {"task": "classification"}, DataError, "looks continuous: 2 distinct .* --task regression"),
        ([0.25, 0.5] * 20, {"split": "stratified"}, UsageError, "split 'stratified' needs classes"),
        ([0.25, 0.5] * 20, {"task": "multilabel"}, DataError, "holds no labels; expected lists of texts"),
        (["x", "y"] * 20, {"task": "ranking"}, UsageError, "task 'ranking' is unknown; expected one of classification"),
        (["x"] * 40, {"task": "multilabel"}, DataError, "label 'x' holds in every row"),
        ([""] * 40, {"task": "multilabel"}, DataError, "'t' holds no labels|0 different labels"),
        ([["x"], None] * 20, {}, DataError, "'t' is missing in 20 of 40 rows .* a list of labels in every row"),
        ([f"t{i}" for i in range(40)], {"task": "multilabel"}, DataError, "the training part has label"),
    ],
)
def test_targets_that_cannot_be_used_are_refused_and_write_nothing(ws, column, options, kind, message):
    rows = pd.DataFrame({"a": np.arange(40) / 7, "t": column})
    with pytest.raises(kind, match=message) as caught:
        load(ws, rows, target="t", **options)
    assert "\n" not in str(caught.value)
    assert not ws.home.exists()


@pytest.mark.parametrize(
    ("target", "options", "kind", "message"),
    [
        ("cost,nowhere", {}, NotFoundError, "target column 'nowhere' does not exist"),
        ("cost,cost", {}, UsageError, "target 'cost' is named twice"),
        ("red,tags", {"task": "classification"}, UsageError, "2 target columns are no one class"),
        ("red,cost", {"task": "multilabel"}, DataError, "'cost' holds more than truth values"),
        ("cost,days", {"time_column": "days", "split": "time"}, UsageError, "column 'days' is the target and cannot"),
    ],
)
def test_several_targets_that_do_not_fit_are_named(ws, frame, target, options, kind, message):
    with pytest.raises(kind, match=message):
        load(ws, frame, target=target, **options)


def test_a_target_that_does_not_vary_in_the_training_part_is_refused(ws):
    rows = pd.DataFrame({"day": np.arange(40), "a": np.arange(40) % 7, "t": [0.5] * 32 + [0.75] * 8})
    with pytest.raises(DataError, match=r"target 't' is 0\.5 in every row of the training part"):
        load(ws, rows, target="t", split="time", time_column="day")


def test_a_stream_takes_classes_alone(ws, frame, tmp_path):
    of(frame, "cost", "red").to_parquet(tmp_path / "rows.parquet")
    with pytest.raises(UsageError, match="is streamed, which knows one column of classes"):
        load(ws, str(tmp_path / "rows.parquet"), target="cost,red", choices=Choices(stream=True))


def test_numbers_and_labels_are_checked_and_profiled(ws, frame):
    doubled = pd.concat([of(frame, "cost")] * 2, ignore_index=True)
    found = check(ws, doubled, "cost")
    assert any("40 rows (50.0%) repeat" in problem.what for problem in found.problems)
    assert not any("out of balance" in problem.what for problem in found.problems)
    told = profile(ws, of(frame, "red", "big"), "red,big")
    assert told.classes == (("red", int(frame["red"].sum())), ("big", int(frame["big"].sum())))


def test_a_broken_file_of_targets_is_told(ws, frame):
    data = load(ws, of(frame, "red", "big"), target="red,big")
    np.save(data.path / "targets.npy", np.full((ROWS, 2), 7, np.uint8))
    with pytest.raises(FormatError, match="is broken"):
        read(data, "train")
    meta = json.loads((data.path / "meta.json").read_text())
    (data.path / "meta.json").write_text(json.dumps(meta | {"task": "ranking"}))
    with pytest.raises(FormatError, match="task 'ranking'"):
        find(ws, data.id)
