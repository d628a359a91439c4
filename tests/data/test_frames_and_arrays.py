import decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lepton_nb.data import check, load, profile, read
from lepton_nb.errors import DataError, LeptonError, UsageError
from lepton_nb.workspace import Workspace

LABELS = ["x", "y"] * 10


@pytest.fixture
def ws(tmp_path):
    return Workspace(tmp_path / ".lepton")


def kinds(data):
    return {column.name: column.kind for column in data.columns}


def test_every_usual_dtype_of_pandas_is_understood(ws):
    frame = pd.DataFrame(
        {
            "whole": pd.array([1, None] * 10, dtype="Int64"),
            "small": np.arange(20, dtype=np.int8),
            "half": np.arange(20, dtype=np.float16),
            "maybe": pd.array([True, None] * 10, dtype="boolean"),
            "text": pd.array(["a", None] * 10, dtype="string"),
            "objects": pd.Series(["a", None] * 10, dtype=object),
            "mixed": pd.Series([1, "a"] * 10, dtype=object),
            "numbers": pd.Series([1, 2.5] * 10, dtype=object),
            "money": [decimal.Decimal("1.50")] * 20,
            "nothing": pd.Series([None] * 20, dtype=object),
            "arrow": pd.Series(["q"] * 20, dtype=pd.ArrowDtype(pa.large_string())),
            7: np.arange(20),
            "t": LABELS,
        }
    )
    number, category = "number", "category"
    data = load(ws, frame, target="t")
    assert kinds(data) == {
        "whole": number,
        "small": number,
        "half": number,
        "maybe": category,
        "text": category,
        "objects": category,
        "mixed": category,
        "numbers": number,
        "money": number,
        "nothing": number,
        "arrow": category,
        "7": number,
    }
    assert data.columns[6].categories == ("1", "a")
    assert data.columns[3].categories == ("True",)


def test_text_numbers_of_a_frame_stay_text(ws):
    assert kinds(load(ws, pd.DataFrame({"code": ["07", "08"] * 10, "t": LABELS}), target="t")) == {"code": "category"}


@pytest.mark.parametrize(
    "values", [[[1, 2]] * 20, [{"a": 1}] * 20, [b"raw"] * 20, list(pd.to_timedelta(range(20), unit="D"))]
)
def test_nested_and_raw_values_are_refused_by_name(ws, values):
    with pytest.raises(DataError, match=r"column 'odd' holds .*--ignore 'odd'"):
        load(ws, pd.DataFrame({"odd": pd.Series(values), "t": LABELS}), target="t")


def test_nested_values_can_be_left_out_profiled_and_checked(ws):
    frame = pd.DataFrame({"odd": [[1, 2]] * 19 + [None], "n": np.arange(20), "t": LABELS})
    assert kinds(load(ws, frame, target="t", ignore="odd")) == {"n": "number"}
    column = profile(ws, frame, "t").columns[0]
    assert (column.kind, column.missing, column.unique) == ("other", 1, None)
    assert "column 'odd' holds list" in check(ws, frame, "t").problems[0].what
    with pytest.raises(DataError, match="target 'odd' is missing in 1 of 20 rows"):
        load(ws, frame, target="odd")


@pytest.mark.parametrize("values", [pd.date_range("2024-01-01", periods=20), ["2024-01-01"] * 20])
def test_dates_of_a_frame_are_refused_as_inputs(ws, values):
    with pytest.raises(DataError, match="'day' holds dates"):
        load(ws, pd.DataFrame({"day": values, "t": LABELS}), target="t")


def test_a_frame_with_a_name_twice_or_no_rows_is_refused(ws):
    twice = pd.DataFrame(np.zeros((5, 2)), columns=["a", "a"])
    with pytest.raises(DataError, match="more than once: 'a'"):
        load(ws, twice, target="a")
    with pytest.raises(DataError, match="no rows"):
        load(ws, pd.DataFrame({"a": [], "t": []}), target="t")


def test_parquet_keeps_types_and_leaves_out_the_index_of_pandas(ws, tmp_path):
    frame = pd.DataFrame({"code": ["1", "2"] * 10, "n": np.arange(20), "t": LABELS}, index=np.arange(20) * 3)
    frame.to_parquet(tmp_path / "rows.parquet")
    assert kinds(load(ws, tmp_path / "rows.parquet", target="t")) == {"code": "category", "n": "number"}


def test_a_parquet_dictionary_column_is_a_category(ws, tmp_path):
    table = pa.table({"c": pa.array(LABELS).dictionary_encode(), "n": np.arange(20), "t": LABELS[::-1]})
    pq.write_table(table, tmp_path / "rows.pq")
    assert kinds(load(ws, tmp_path / "rows.pq", target="t")) == {"c": "category", "n": "number"}


def test_an_arrow_table_loads_as_it_is(ws):
    table = pa.table({"n": pa.chunked_array([[1, 2] * 5, [3, None] * 5]), "t": LABELS})
    assert sum(load(ws, table, target="t").rows.values()) == 20


def test_arrays_keep_every_value(ws):
    x = np.random.default_rng(0).normal(size=(40, 2, 3, 3)).astype(np.float32)
    data = load(ws, (x, np.arange(40) % 2))
    rows = np.load(data.path / "split.npz")
    for part in ("train", "validation", "test"):
        inputs, targets = read(data, part)
        assert (inputs["input"] == x[rows[part]]).all()
        assert (targets == rows[part] % 2).all()


@pytest.mark.parametrize(
    ("pair", "message"),
    [
        ((np.zeros((5, 2)), np.zeros(4)), r"shape \(5, 2\) and \(4,\) do not fit"),
        ((np.zeros((5, 2)), np.eye(5)), "argmax"),
        ((np.zeros(5), np.zeros(5)), "do not fit"),
        ((np.zeros((0, 2)), np.zeros(0)), "no rows"),
        ((np.array([["a", "b"]] * 5), np.zeros(5)), "expected numbers"),
        ((np.full((6, 1, 2, 2), np.nan), np.arange(6) % 2), r"6 rows hold NaN, infinities.*rows 1, 2, 3, 4, 5, \.\.\."),
        ((np.full((6, 1, 2, 2), 1e300), np.arange(6) % 2), "beyond float32"),
        ((np.zeros((6, 2)), np.array([np.inf, *np.linspace(0, 1, 5)])), "'target' has 1 infinite values"),
        ((np.zeros((6, 2)), np.array([0, 1, np.nan] * 2)), r"'target' is missing in 2 of 6 rows \(rows 3, 6\)"),
    ],
)
def test_arrays_that_cannot_be_used_are_refused_and_write_nothing(ws, pair, message):
    with pytest.raises(DataError, match=message):
        load(ws, pair)
    assert not ws.home.exists()


@pytest.mark.parametrize("source", [42, None, {"a": 1}, [1, 2, 3]])
def test_what_is_no_source_is_refused(ws, source):
    with pytest.raises(UsageError, match=r"no data source; expected a name .* or a pair \(X, y\)"):
        load(ws, source)


def test_a_regression_data_set_is_refused_as_classes(ws):
    with pytest.raises(DataError, match="looks continuous: 214 distinct numbers in 442 rows"):
        load(ws, "sklearn:diabetes", task="classification")


def test_errors_survive_a_trip_between_processes(ws):
    import pickle

    with pytest.raises(LeptonError) as caught:
        load(ws, "sklearn:diabetes", task="classification")
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)
