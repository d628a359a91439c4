import subprocess
import sys

import numpy as np
import onnxruntime
import pandas as pd
import pytest
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import DoubleTensorType, StringTensorType

from lepton_nb.data import Normaliser, features, load, preprocessing, read
from lepton_nb.data.preprocessing import frame_of
from lepton_nb.workspace import Workspace


@pytest.fixture(scope="module")
def ws(tmp_path_factory):
    return Workspace(tmp_path_factory.mktemp("preprocessing") / ".lepton")


def uneasy(rows=300, seed=0):
    """Columns that break a careless preprocessing."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "seconds since 1970": rng.normal(1.7e9, 3.0, rows),
            "tiny": rng.normal(size=rows) * 1e-9,
            "gaps": np.where(rng.random(rows) < 0.4, np.nan, rng.normal(50, 20, rows)),
            "constant": np.full(rows, 3.25),
            "empty": np.full(rows, np.nan),
            "skewed": rng.exponential(1000, rows) ** 2,
            "place, or <city>": rng.choice(["Ålesund", "Rome", "  ", "'s-Hertogenbosch"], rows),
            "late": ["", *["früh"] * (rows - 1)],
            "when": np.arange(rows),
            "t": rng.choice(["no", "yes"], rows),
        }
    )
    frame.loc[rows - 20 :, "late"] = "spät"
    frame.loc[: rows - 21, "late"] = None
    return frame


@pytest.fixture(scope="module")
def data(ws):
    return load(ws, uneasy(), target="t", split="time", time_column="when")


def onnx_of(data):
    types = {"number": DoubleTensorType, "category": StringTensorType}
    model = convert_sklearn(
        preprocessing(data),
        initial_types=[(c.name, types[c.kind]([None, 1])) for c in data.columns],
        target_opset={"": 18, "ai.onnx.ml": 3},
    )
    return onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])


def run(session, inputs):
    fed = {
        given.name: np.asarray(inputs[name]).reshape(-1, 1)
        for given, name in zip(session.get_inputs(), inputs, strict=True)
    }
    return session.run(None, fed)[0]


def test_the_converted_preprocessing_equals_the_original_on_every_part(data):
    session = onnx_of(data)
    assert [given.type for given in session.get_inputs()] == ["tensor(double)"] * 6 + ["tensor(string)"] * 2
    for part in ("train", "validation", "test"):
        seen, _ = features(data, part)
        got = run(session, read(data, part)[0])
        assert got.shape == seen.shape == (data.rows[part], *data.feature_shape)
        assert np.isfinite(seen).all()
        assert np.abs(got - seen).max() <= 1e-6


def test_the_converted_preprocessing_equals_the_original_on_gaps_and_strangers(data):
    inputs = {
        c.name: np.full(4, np.nan) if c.kind == "number" else np.array(["", "Mars", "ROME", "Rome"], dtype=object)
        for c in data.columns
    }
    inputs["constant"] = np.array([3.25, 4.0, -1.0, np.nan])
    inputs["empty"] = np.array([1.0, np.nan, -5.0, 0.0])
    expected = preprocessing(data).transform(frame_of(inputs))
    assert np.isfinite(expected).all()
    assert np.abs(run(onnx_of(data), inputs) - expected).max() <= 1e-6


def test_a_missing_or_unseen_category_is_no_category(data):
    inputs, _ = read(data, "test")
    assert set(inputs["late"]) == {"", "spät"}
    encoded = features(data, "test")[0][:, 6:]
    blank = np.asarray(inputs["place, or <city>"] == "")
    assert blank.any()
    assert (encoded[blank, :3] == 0).all()
    assert (encoded[~blank, :3].sum(axis=1) == 1).all()


def test_numbers_are_standardised_by_the_training_part_alone(ws):
    frame = pd.DataFrame({"a": np.r_[np.arange(70.0), np.full(30, 1e6)], "when": np.arange(100), "t": ["x", "y"] * 50})
    data = load(ws, frame, target="t", split="time", time_column="when")
    train = features(data, "train")[0]
    assert train.mean() == pytest.approx(0, abs=1e-6)
    assert train.std() == pytest.approx(1, abs=1e-6)
    assert features(data, "test")[0].min() > 1000


def test_large_numbers_with_a_small_spread_keep_their_differences(data):
    column = features(data, "train")[0][:, 0]
    assert column.std() == pytest.approx(1, abs=1e-5)
    assert len(np.unique(column)) > 200


def test_gaps_are_filled_with_the_median_of_the_training_part(data):
    inputs, _ = read(data, "train")
    gaps = np.isnan(inputs["gaps"])
    column = features(data, "train")[0][:, 2]
    assert len(set(column[gaps])) == 1
    assert column[gaps][0] == pytest.approx(np.median(column[~gaps]), abs=1e-6)


def test_preprocessing_learned_anew_is_the_same(tmp_path):
    first, second = (load(Workspace(tmp_path / name), uneasy(), target="t", ignore=["when"]) for name in ("one", "two"))
    assert first.id == second.id
    assert (features(first, "test")[0] == features(second, "test")[0]).all()


def test_nothing_fitted_is_stored(data):
    features(data, "test")
    assert {path.suffix for path in data.path.iterdir()} == {".json", ".parquet", ".npy", ".npz"}


@pytest.mark.parametrize("kept", ["numbers", "categories"])
def test_tables_of_one_kind_of_column_work_and_convert(ws, kept):
    frame = pd.DataFrame({"t": ["x", "y"] * 20})
    frame["a"] = np.arange(40.0) if kept == "numbers" else ["p", "q", "r", "s"] * 10
    data = load(ws, frame, target="t")
    seen, _ = features(data, "test")
    assert seen.shape[1:] == data.feature_shape == ((1,) if kept == "numbers" else (4,))
    assert np.abs(run(onnx_of(data), read(data, "test")[0]) - seen).max() <= 1e-6


def test_digits_are_normalised_by_one_mean_and_deviation(ws):
    data = load(ws, "digits")
    normaliser = preprocessing(data)
    raw = read(data, "train")[0]["input"]
    assert isinstance(normaliser, Normaliser)
    assert normaliser.mean == pytest.approx((raw.mean(),), rel=1e-5)
    assert normaliser.std == pytest.approx((raw.std(),), rel=1e-5)
    seen, _ = features(data, "train")
    assert (seen.shape, seen.dtype) == ((1258, 1, 8, 8), np.float32)
    assert abs(seen.mean()) < 1e-5


def test_channels_are_normalised_each_on_its_own_and_a_constant_one_is_zero(ws):
    rng = np.random.default_rng(0)
    x = np.stack([rng.normal(5, 2, (30, 4, 4)), rng.normal(-100, 50, (30, 4, 4)), np.full((30, 4, 4), 9.0)], axis=1)
    data = load(ws, (x, np.arange(30) % 2))
    seen, _ = features(data, "train")
    assert seen.mean(axis=(0, 2, 3)) == pytest.approx([0, 0, 0], abs=1e-5)
    assert seen.std(axis=(0, 2, 3)) == pytest.approx([1, 1, 0], abs=1e-5)
    mean, std = preprocessing(data).broadcast(4)
    assert mean.shape == std.shape == (1, 3, 1, 1)


def test_sequences_are_one_channel(ws):
    data = load(ws, (np.random.default_rng(0).normal(3, 2, (30, 5, 7)), np.arange(30) % 2))
    assert len(preprocessing(data).mean) == 1
    assert features(data, "test")[0].shape[1:] == (5, 7)


def test_importing_the_room_imports_nothing_heavy():
    heavy = ("torch", "sklearn", "pandas", "pyarrow", "pytorch_lightning", "skl2onnx", "scipy")
    code = f"import sys, lepton_nb.data, lepton_nb.scores; print(sorted(set({heavy}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
