import numpy as np
import pandas as pd
import pytest

from lepton_nb.data import inputs_of, load, read
from lepton_nb.errors import DataError, NotFoundError
from lepton_nb.runtime import Input
from lepton_nb.workspace import Workspace

FRAME = pd.DataFrame(
    {"age": np.arange(40.0), "code": ["01", "2", "x", None] * 10, "ok": [True, False] * 20, "t": ["p", "q"] * 20}
)


@pytest.fixture(scope="module")
def ws(tmp_path_factory):
    return Workspace(tmp_path_factory.mktemp("inputs") / ".lepton")


@pytest.fixture(scope="module")
def data(ws):
    return load(ws, FRAME, target="t")


def test_a_frame_a_csv_and_a_parquet_file_give_what_was_trained_on(data, tmp_path):
    FRAME.to_csv(tmp_path / "new.csv", index=False)
    FRAME.to_parquet(tmp_path / "new.parquet")
    test = np.load(data.path / "split.npz")["test"]
    expected, _ = read(data, "test")
    for source in (FRAME, tmp_path / "new.csv", tmp_path / "new.parquet"):
        given = inputs_of(source, data.columns)
        assert list(given) == ["age", "code", "ok"]
        assert given["age"].dtype == np.float64
        for name, values in expected.items():
            assert np.array_equal(given[name][test], values)


def test_a_category_that_reads_as_numbers_stays_text(data, tmp_path):
    path = tmp_path / "digits.csv"
    path.write_text("code,age,ok\n01,3,True\n2,,False\n")
    given = inputs_of(path, data.columns)
    assert given["code"].tolist() == ["01", "2"]
    assert np.isnan(given["age"]).tolist() == [False, True]


def test_columns_of_a_signature_do_as_well():
    given = inputs_of(pd.DataFrame({"n": [1, 2], "c": [3, None]}), (Input("c", "category"), Input("n", "number")))
    assert given["c"].tolist() == ["3", ""]
    assert given["n"].tolist() == [1.0, 2.0]


def test_a_missing_column_is_named(data):
    with pytest.raises(DataError, match="no column 'code', 'ok'; expected the columns 'age', 'code', 'ok'"):
        inputs_of(FRAME[["age", "t"]], data.columns)


def test_text_where_numbers_were_is_refused_with_the_first_one(data):
    with pytest.raises(DataError, match="'age' is not all numbers; expected numbers; got 'old' in row 3"):
        inputs_of(FRAME.assign(age=["1", "2", "old", "4"] * 10), data.columns)
    with pytest.raises(DataError, match="2 infinite values"):
        inputs_of(FRAME.assign(age=[np.inf, -np.inf] + [1.0] * 38), data.columns)


def test_arrays_fit_by_shape(ws):
    digits = load(ws, "digits")
    images = read(digits, "test")[0]["input"]
    assert np.array_equal(inputs_of(images.astype(np.uint8), digits.columns)["input"], images)
    assert inputs_of("digits", digits.columns)["input"].shape == (1797, 1, 8, 8)
    with pytest.raises(DataError, match=r"rows of shape \(8, 8\) do not fit; expected rows of shape \(1, 8, 8\)"):
        inputs_of(images[:, 0], digits.columns)
    table = load(ws, (np.arange(60.0).reshape(20, 3), np.arange(20) % 2))
    assert inputs_of(np.ones((2, 3)), table.columns)["x2"].tolist() == [1.0, 1.0]
    with pytest.raises(DataError, match="3 columns: 'x0', 'x1', 'x2'"):
        inputs_of(np.ones((2, 4)), table.columns)


def test_a_table_is_no_array_and_an_array_no_table(ws, data):
    digits = load(ws, "digits")
    with pytest.raises(DataError, match="is a table"):
        inputs_of(FRAME, digits.columns)
    with pytest.raises(DataError, match="is an array"):
        inputs_of("digits", data.columns)
    with pytest.raises(NotFoundError, match="does not exist"):
        inputs_of("missing.csv", data.columns)
