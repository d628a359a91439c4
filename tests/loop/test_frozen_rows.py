"""Labelled predictions become two files that have no row in common."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lepton_nb.errors import DataError, FormatError
from lepton_nb.loop.freezing import freeze, is_gate, read_rows, target_of, unfit
from lepton_nb.runtime import Input, Signature, uuid7
from lepton_nb.runtime.formats import Output, Tokens

SIGNATURE = Signature("classification", ("no", "yes"), (Input("age", "number"), Input("truth", "category")))


def table(count: int, masked=()) -> pa.Table:
    inputs = [{"age": None if n == 0 else float(n), "truth": None if n % 7 == 0 else "red"} for n in range(count)]
    columns = {
        "id": [uuid7() for _ in range(count)],
        "inputs": [json.dumps(one) for one in inputs],
        "masked": pa.array([list(masked)] * count, pa.list_(pa.string())),
        "truth": ["yes" if n % 2 else "no" for n in range(count)],
    }
    return pa.table(columns)


def test_each_row_goes_into_one_of_two_files_and_comes_back_as_it_was(tmp_path):
    found = table(500)
    frozen = freeze(tmp_path, found, SIGNATURE)
    assert (frozen.target, frozen.train_rows + frozen.gate_rows) == ("truth_0", 500)
    ages = [json.loads(text)["age"] for text in found["inputs"].to_pylist()]
    drawn = {age for age, one in zip(ages, found["id"].to_pylist(), strict=True) if is_gate(one)}
    train, gate = pq.read_table(frozen.train), pq.read_table(frozen.gate)
    assert set(gate["age"].to_pylist()) == drawn
    assert set(train["age"].to_pylist()) == set(ages) - drawn
    assert {oct(path.stat().st_mode)[-3:] for path in (frozen.train, frozen.gate)} == {"600"}
    rows = read_rows(frozen.gate, SIGNATURE)
    assert len(rows) == frozen.gate_rows
    assert rows.truth.tolist() == gate["truth_0"].to_pylist()
    assert set(rows.inputs["truth"]) <= {"red", ""}
    assert np.array_equal(rows.inputs["age"], [np.nan if one is None else one for one in gate["age"].to_pylist()], True)
    # The same rows have the same names: what was computed from them is not computed again.
    assert freeze(tmp_path, found, SIGNATURE) == frozen


def test_a_column_that_is_private_on_the_log_cannot_be_learnt_from(tmp_path):
    with pytest.raises(DataError, match="column 'age' is not on the prediction log as it was"):
        freeze(tmp_path, table(100, masked=["age"]), SIGNATURE)
    assert list(tmp_path.iterdir()) == []


def test_rows_that_were_masked_once_are_left_out_and_the_others_taken(tmp_path):
    # A column that is left out is not there at all, and what rests as Parquet says of it nothing else.
    gone = table(50).set_column(1, "inputs", [[json.dumps({"age": 1.0})] * 50])
    frozen = freeze(tmp_path, pa.concat_tables([table(80, masked=["age"]), gone, table(90)]), SIGNATURE)
    assert frozen.train_rows + frozen.gate_rows == 90


def test_texts_and_arrays_of_every_type_come_back_as_they_were(tmp_path):
    words = Tokens("tokenizer.json", "ids", "int64", 8, 0)
    inputs = (Input("said", "text", tokens=words), Input("n", "array", shape=(2, 2), dtype="int64"))
    signature = Signature("classification", ("a", "b"), (*inputs, Input("on", "array", dtype="bool")))
    given = [{"said": f"{i} good film", "n": [[i, 2**40], [3, 4]], "on": i % 2 == 0} for i in range(60)]
    # In a sealed segment the numbers of an array are one flat list.
    for one in given[::3]:
        one["n"] = [number for row in one["n"] for number in row]
    found = table(60).set_column(1, "inputs", [[json.dumps(one) for one in given]])
    frozen = freeze(tmp_path, found, signature)
    parts = [read_rows(path, signature) for path in (frozen.train, frozen.gate)]
    said = [text for rows in parts for text in rows.inputs["said"].tolist()]
    assert sorted(said) == sorted(one["said"] for one in given)
    for rows in parts:
        assert (rows.inputs["n"].dtype, rows.inputs["on"].dtype) == ("int64", "bool")
        first = [int(text.split()[0]) for text in rows.inputs["said"]]
        assert rows.inputs["n"].tolist() == [[[i, 2**40], [3, 4]] for i in first]
        assert rows.inputs["on"].tolist() == [i % 2 == 0 for i in first]


@pytest.mark.parametrize(
    ("signature", "told"),
    [
        (Signature("regression", (), (Input("x", "number"),), (Output("y"),)), "tells no class"),
        (Signature("classification", ("a", "b"), (Input("x", "array", shape=(-1,)),)), "rows of 'x' differ in length"),
        (SIGNATURE, ""),
    ],
)
def test_rows_that_cannot_be_frozen_are_told(tmp_path, signature, told):
    assert told in unfit(signature)
    assert bool(unfit(signature)) == bool(told)


def test_too_few_rows_for_two_parts_are_refused(tmp_path):
    with pytest.raises(DataError, match="no labelled prediction falls into the"):
        freeze(tmp_path, table(1), SIGNATURE)


def test_a_broken_file_is_told(tmp_path):
    (tmp_path / "gate.parquet").write_bytes(b"PAR1")
    with pytest.raises(FormatError, match=r"gate\.parquet is not readable"):
        read_rows(tmp_path / "gate.parquet", SIGNATURE)


def test_the_column_of_the_classes_is_called_as_no_input_is():
    assert target_of(Signature("classification", ("a", "b"), (Input("x", "number"),))) == "truth"
    assert target_of(SIGNATURE) == "truth_0"
