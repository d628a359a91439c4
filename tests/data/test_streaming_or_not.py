"""What is streamed, what is not, and what is refused."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sales import frame, refuse, streamed

from lepton_nb.data import (
    features,
    load,
    module,
    read,
    sample,
)
from lepton_nb.data import streaming as room
from lepton_nb.errors import DataError, FormatError, UsageError

pytestmark = pytest.mark.usefixtures("small")


def test_rows_that_do_not_fit_into_the_memory_are_not_read_at_once(ws, file, monkeypatch):
    from lepton_nb.data import kept

    data = streamed(ws, file)
    monkeypatch.setattr(kept, "available_memory", lambda: 100_000)
    for reads in (read, features):
        with pytest.raises(DataError, match=r"rows of data sales need .* at once"):
            reads(data, "train")
    assert len(sample(data, "train", 500)[1]) == 500


def test_a_large_file_is_streamed_without_being_asked(ws, file, monkeypatch):
    assert not load(ws, file, target="bought").streamed
    monkeypatch.setattr(room, "available_memory", lambda: 400_000)
    assert load(ws, file, target="bought").streamed
    assert not load(ws, file, target="bought", split="stratified").streamed


@pytest.mark.parametrize("source", ["digits", "SELECT 1 AS a", "rows.csv", pd.DataFrame({"a": [1]})])
def test_only_a_parquet_file_is_streamed(ws, source):
    refuse(ws, source, r"cannot be streamed; expected the path of a \.parquet file", UsageError)


@pytest.mark.parametrize("split", ["stratified", "time"])
def test_a_split_that_needs_all_rows_is_not_streamed(ws, file, split):
    refuse(
        ws,
        file,
        f"split '{split}' needs all rows at once",
        UsageError,
        split=split,
        **({"time_column": "row"} if split == "time" else {}),
    )


def written(tmp_path, **changed):
    table = {**{name: values for name, values in frame(600).items() if name != "row"}, **changed}
    pq.write_table(pa.table(table), tmp_path / "rows.parquet")
    return tmp_path / "rows.parquet"


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"x": np.r_[np.zeros(599), np.inf]}, r"'x' has infinite values \(row 600\)"),
        ({"bought": [*["no", "yes"] * 299, "no", None]}, "'bought' is missing in 1 of the rows"),
        ({"bought": ["no"] * 600}, "'bought' has one class"),
        ({"bought": np.arange(600) / 7}, "'bought' looks continuous"),
        ({"bought": pa.array(range(600), pa.date32())}, "'bought' holds dates"),
        ({"city": [f"place {i}" for i in range(600)]}, "'city' is text with 600 distinct values in 600 rows"),
        ({"city": ["2024-01-31", "2024-02-01"] * 300}, "'city' holds dates"),
        ({"city": [[1]] * 600}, "'city' holds list"),
        ({"city": pa.array(range(600), pa.timestamp("s"))}, "'city' holds dates"),
    ],
)
def test_what_cannot_be_learned_from_is_refused_as_in_memory(ws, tmp_path, changed, message):
    refuse(ws, written(tmp_path, **changed), message)


def test_text_that_never_repeats_is_refused_before_it_fills_the_memory(ws, tmp_path):
    pq.write_table(
        pa.table({"a": [f"text {i}" for i in range(4000)], "bought": ["a", "b"] * 2000}), tmp_path / "r.parquet"
    )
    refuse(ws, tmp_path / "r.parquet", "'a' is text with 1[0-9]+ distinct values")


def test_a_target_of_many_numbers_is_refused(ws, tmp_path):
    pq.write_table(pa.table({"a": [1.0] * 4000, "bought": list(range(4000))}), tmp_path / "r.parquet")
    refuse(ws, tmp_path / "r.parquet", "'bought' has more than 1000 distinct values")


def test_a_broken_file_is_refused(ws, tmp_path, file):
    (tmp_path / "none.parquet").write_bytes(b"no parquet")
    refuse(ws, tmp_path / "none.parquet", "not a readable Parquet file")
    file.write_bytes(file.read_bytes()[:-4000])
    refuse(ws, file, "not a readable Parquet file")


def test_a_category_that_pandas_orders_keeps_its_order(ws, tmp_path):
    bought = pd.Categorical(["no", "yes"] * 300, categories=["yes", "no"])
    assert streamed(ws, written(tmp_path, bought=pa.array(bought))).classes == ("yes", "no")


def test_a_file_of_ours_that_is_broken_is_named_and_loading_mends_it(ws, file):
    data = streamed(ws, file)
    path = data.path / "train-00001.parquet"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(FormatError, match=r"train-00001\.parquet is broken.*load the data again"):
        read(data, "train")
    assert streamed(ws, file) == data
    assert len(read(data, "train")[1]) == data.rows["train"]
    path.unlink()
    with pytest.raises(FormatError, match=r"broken.*rows"):
        module(data, 64).train_dataloader()
