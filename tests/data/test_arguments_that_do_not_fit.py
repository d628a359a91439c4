"""Arguments that a notebook gets wrong: one line that names the thing, and nothing on disk."""

import numpy as np
import pandas as pd
import pytest

from lepton_nb.data import check, load, profile
from lepton_nb.errors import DataError, LeptonError, NotFoundError, UsageError
from lepton_nb.workspace import Workspace

FRAME = pd.DataFrame({"a": np.arange(20.0), "day": np.arange(20), "t": ["x", "y"] * 10})


@pytest.fixture
def ws(tmp_path):
    return Workspace(tmp_path / ".lepton")


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({"target": 7}, NotFoundError, "target column '7' does not exist"),
        ({"target": 1.5}, UsageError, "the target is a float; expected the name of a column"),
        ({"target": FRAME["t"]}, UsageError, "the target is a Series; expected the name of a column"),
        ({"target": ["t"]}, UsageError, "the target is a list"),
        ({"split": "time", "time_column": "t"}, UsageError, "column 't' is the target and cannot order the rows"),
        ({"split": "time", "time_column": 3}, NotFoundError, "time column '3' does not exist"),
        ({"split": "time", "time_column": ["day"]}, UsageError, "the time column is a list"),
        ({"name": ["a"]}, UsageError, r"\['a'\]. is not allowed"),
        ({"ignore": 3}, NotFoundError, "ignored column '3' does not exist"),
        ({"ignore": [1.5]}, UsageError, "the ignored column is a float"),
        ({"seed": "x"}, UsageError, "seed 'x' is not a whole number"),
        ({"seed": 1.7}, UsageError, "seed 1.7 is not a whole number"),
        ({"seed": None}, UsageError, "seed None is not a whole number"),
        ({"seed": True}, UsageError, "seed True is not a whole number"),
        ({"test_size": None}, UsageError, "test size None is not a share"),
        ({"test_size": "x"}, UsageError, "test size 'x' is not a share"),
        ({"test_size": float("nan")}, UsageError, "test size nan is not a share"),
        ({"validation_size": [0.1]}, UsageError, r"validation size \[0.1\] is not a share"),
    ],
)
def test_an_option_that_is_none_is_named(ws, options, kind, message):
    with pytest.raises(kind, match=message) as caught:
        load(ws, FRAME, **{"target": "t", **options})
    assert "\n" not in str(caught.value)
    assert not ws.home.exists()


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (([[1, 2], [3]], [0, 1]), "X is no array; expected rows of one length"),
        (([[1, 2], [3, 4]], [[0], [1, 2]]), "y is no array; expected one class per row"),
        ((np.zeros((20, 0, 8)), np.arange(20) % 2), r"X has the shape \(20, 0, 8\); expected at least one number"),
        ((np.zeros((20, 0)), np.arange(20) % 2), r"X has the shape \(20, 0\)"),
        ("a" * 5000 + ".csv", r"data 'a{77}\.\.\.' cannot be read; .*File name too long"),
        ("~nouser/a.csv", r"data '~nouser/a\.csv' cannot be read; .*home"),
        ("", "the data has no name; expected a file, or one of breast_cancer, diabetes, digits"),
        (" ", "the data has no name"),
    ],
    ids=["ragged", "ragged classes", "empty images", "no columns", "long", "home of nobody", "empty", "blank"],
)
def test_a_source_that_is_none_is_named(ws, source, message):
    for verb in (load, check, profile):
        with pytest.raises(DataError, match=message) as caught:
            verb(ws, source)
        assert "\n" not in str(caught.value)
    assert not ws.home.exists()


def test_columns_may_be_numbered(ws):
    numbered = FRAME.set_axis([0, 1, 2], axis=1)
    data = load(ws, numbered, target=2, ignore=1, seed=np.int64(3), test_size=np.float32(0.25))
    assert (data.target, [c.name for c in data.columns], data.split["seed"]) == ("2", ["0"], 3)
    assert check(ws, numbered, target=2).problems == check(ws, numbered, target="2").problems
    assert profile(ws, numbered, target=2).classes == (("x", 10), ("y", 10))
    with pytest.raises(LeptonError, match="the target is a float"):
        check(ws, numbered, target=2.5)
