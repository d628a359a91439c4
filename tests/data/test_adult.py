from pathlib import Path

import numpy as np
import pytest

from lepton_nb.data import check, features, inputs_of, load, profile
from lepton_nb.workspace import Workspace

FOLDER = Path(__file__).parents[3] / "shared" / "data"

pytestmark = pytest.mark.skipif(not (FOLDER / "adult-train.csv").exists(), reason="the UCI Adult files are not here")


@pytest.fixture(scope="module")
def ws(tmp_path_factory):
    return Workspace(tmp_path_factory.mktemp("adult") / ".lepton")


@pytest.fixture(scope="module")
def adult(ws):
    return load(ws, FOLDER / "adult-train.csv", target="income")


def test_a_census_of_32561_rows_is_typed_and_split(adult):
    assert sum(adult.rows.values()) == 32_561
    assert adult.classes == ("<=50K", ">50K")
    assert [c.name for c in adult.columns if c.kind == "number"] == [
        "age",
        "fnlwgt",
        "education_num",
        "capital_gain",
        "capital_loss",
        "hours_per_week",
    ]
    x, y = features(adult, "train")
    assert x.shape == (adult.rows["train"], *adult.feature_shape)
    assert np.isfinite(x).all()
    assert y.mean() == pytest.approx(0.2408, abs=1e-4)


def test_its_gaps_are_seen(ws):
    found = profile(ws, FOLDER / "adult-train.csv", "income")
    assert {c.name: c.missing for c in found.columns if c.missing} == {
        "workclass": 1836,
        "occupation": 1843,
        "native_country": 583,
    }
    assert "24 rows (0.1%) repeat an earlier row" in str(check(ws, FOLDER / "adult-train.csv", "income"))


def test_the_official_test_file_fits_the_model_of_the_training_file(adult):
    given = inputs_of(FOLDER / "adult-test.csv", adult.columns)
    assert {len(values) for values in given.values()} == {16_281}
    assert "" in given["workclass"]
