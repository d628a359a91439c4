"""The same table, whichever way it comes, trains the same model and asks it the same question."""

import json

import numpy as np
import pandas as pd
import pytest

from lepton_nb.data import inputs_of, load, read
from lepton_nb.runtime import Input, Signature
from lepton_nb.runtime.rows import arrays_of, decode_rows
from lepton_nb.runtime.texts import MISSING
from lepton_nb.serving.prediction import rows_of
from lepton_nb.workspace import Workspace

FRAME = pd.DataFrame(
    {
        "n": np.arange(40.0),
        "ok": [True, False, False, True] * 10,
        "sure": pd.array([True, None, False, True] * 10, "boolean"),
        "size": ["s", "m", "true", "l"] * 10,
        "t": [True, False] * 20,
    }
)


@pytest.fixture(scope="module")
def ways(tmp_path_factory):
    """One table as a DataFrame, as Parquet, and as CSV in three spellings."""
    folder = tmp_path_factory.mktemp("ways")
    FRAME.to_parquet(folder / "rows.parquet")
    FRAME.to_csv(folder / "rows.csv", index=False)
    text = (folder / "rows.csv").read_text()
    (folder / "lower.csv").write_text(text.replace("True", "true").replace("False", "false"))
    (folder / "upper.csv").write_text(text.replace("True", " TRUE").replace("False", "FALSE "))
    categorical = FRAME.assign(ok=FRAME["ok"].astype("category"), size=FRAME["size"].astype("category"))
    return {"frame": FRAME, "categorical": categorical} | {path.name: path for path in folder.iterdir()}


@pytest.fixture(scope="module")
def ws(tmp_path_factory):
    return Workspace(tmp_path_factory.mktemp("texts") / ".lepton")


def test_truth_values_have_one_text_and_the_table_one_hash(ws, ways):
    loaded = {way: load(ws, source, target="t") for way, source in ways.items()}
    for way, data in loaded.items():
        assert [c.categories for c in data.columns] == [(), *[("False", "True")] * 2, ("True", "l", "m", "s")], way
        assert data.classes == ("False", "True"), way
    assert len({data.id for data in loaded.values()}) == 1


def test_rows_from_each_way_ask_the_model_the_same(ws, ways):
    data = load(ws, FRAME, target="t")
    inputs = tuple(Input(c.name, c.kind, (), c.categories, c.low, c.high) for c in data.columns)
    signature = Signature("classification", data.classes, inputs)
    part, _ = read(data, "test")
    test = np.load(data.path / "split.npz")["test"]
    asked = {way: inputs_of(source, data.columns) for way, source in ways.items()}
    asked |= {f"{way} by rows": arrays_of(rows_of(inputs, signature), signature) for way, inputs in asked.items()}
    for way, source in ways.items():
        inputs = _frame(source).drop(columns="t")
        asked[f"{way} by pandas"] = arrays_of(rows_of(inputs, signature), signature)
        body = json.dumps({"rows": json.loads(inputs.to_json(orient="records"))}).encode()
        asked[f"{way} over HTTP"] = arrays_of(decode_rows(body), signature)
    assert len(asked) == 24
    for way, inputs in asked.items():
        for name, values in part.items():
            assert np.array_equal(inputs[name][test], values, equal_nan=values.dtype.kind == "f"), (way, name)


def _frame(source):
    if isinstance(source, pd.DataFrame):
        return source
    return pd.read_parquet(source) if source.suffix == ".parquet" else pd.read_csv(source)


def test_blanks_and_markers_of_a_missing_value_are_the_same_in_training_and_over_http(ws):
    plain = (*MISSING, "red", "TRUE", "ﬁ")
    texts = [*plain, *(f" {text}\t\u00a0" for text in plain)]
    frame = pd.DataFrame({"c": texts * 3, "t": ["x", "y", "z"] * len(texts)})
    data = load(ws, frame, target="t", split="random")
    assert set(data.columns[0].categories) == {"red", "True", "ﬁ"}
    trained = inputs_of(frame, data.columns)["c"]
    signature = Signature("classification", data.classes, (Input("c", "category", (), data.columns[0].categories),))
    sent = arrays_of([{"c": text} for text in frame["c"]], signature)["c"]
    assert trained.tolist() == sent.tolist()


def test_categories_that_differ_in_blanks_alone_are_one(ws):
    values = pd.Categorical(["p", "p ", "q", "q"] * 10, categories=["q", "p ", "p"])
    data = load(ws, pd.DataFrame({"n": range(40), "c": values, "t": values}), target="t")
    assert data.classes == ("q", "p")
    assert data.columns[1].categories == ("p", "q")
    assert sorted(np.unique(read(data, "train")[1])) == [0, 1]


def test_the_sign_of_a_zero_is_no_other_data_set(ws, tmp_path):
    numbers, labels = np.arange(20.0), np.arange(20) % 2
    ids = set()
    for zero in (0.0, -0.0):
        numbers[0] = zero
        path = tmp_path / "rows.csv"
        path.write_text("x0,target\n" + "".join(f"{x},{y}\n" for x, y in zip(numbers, labels, strict=True)))
        ids |= {load(ws, (numbers[:, None], labels)).id, load(ws, path, target="target").id}
    assert len(ids) == 1
    images = np.zeros((20, 2, 2), np.float32)
    assert load(ws, (images, labels)).id == load(ws, (-images, labels)).id
    assert np.signbit(-images).all(), "the array that was given is left as it was"
