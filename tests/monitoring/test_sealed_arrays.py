"""Rows of arrays become Parquet with every value, whatever their lengths, types and answers are."""

from __future__ import annotations

import io
import json
import time

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from judging import tell, uuid_at

from lepton_nb.monitoring import labelled, observe, predictions
from lepton_nb.monitoring.batches import batch_of_record
from lepton_nb.monitoring.sealed import _Written
from lepton_nb.runtime import Input, Output, Signature
from lepton_nb.runtime.columns import ARROW
from lepton_nb.runtime.columns_out import arrow_outputs, private_arrow, row_ids
from lepton_nb.runtime.privacy import Kept

GONE = 2**22 - 3
NUMBER = (Output("price"),)


def wrote(one, signature, rows) -> list[str]:
    """A segment that nobody writes to any more; returns the ids of its rows."""
    (one.model / "signature.json").write_text(json.dumps(signature.to_dict()))
    (one.model / "reference.json").unlink()
    begun = time.time()
    ids = [uuid_at(begun + place / 1e3) for place in range(len(rows))]
    lines = [
        {"format": 1, "id": name, "time": begun, "slot": "champion", "version": one.version, "inputs": given}
        | {"outputs": told, "latency_ms": 1.0}
        for name, (given, told) in zip(ids, rows, strict=True)
    ]
    path = one.folder / f"log-{GONE}-1.jsonl"
    path.write_text("".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines))
    return ids


def sealed_rows(one) -> dict[str, dict]:
    observe(one.ws, one.name)
    return {row["id"]: row for batch in predictions(one.ws, one.name) for row in batch.to_pylist()}


@pytest.mark.parametrize(
    ("shape", "dtype", "values"),
    [
        ((-1,), "float32", [[1.0, 2.0], [3.0], [4.0, 5.0]]),
        ((-1, 2), "int64", [[[1, 2]], [[1, 2], [3, 2**24 + 1]]]),
        ((2, 2), "float32", [[[1.0, 2.0], [3.0, 4.0]]]),
        ((), "int64", [2**24 + 1, 5]),
        ((), "float64", [1732600000.123]),
        ((2,), "bool", [[True, False]]),
    ],
)
def test_every_value_of_an_array_is_kept_as_it_was_sent(logged, shape, dtype, values):
    one = logged()
    signature = Signature("regression", (), (Input("x", "array", shape, dtype=dtype),), NUMBER)
    ids = wrote(one, signature, [({"x": value}, {"price": 1.5}) for value in values])
    found = sealed_rows(one)
    assert not list(one.folder.glob("log-*"))
    assert [found[name]["inputs"]["x"] for name in ids] == values
    tell(one, [(name, 2) for name in ids])
    rows = {row["id"]: json.loads(row["inputs"])["x"] for row in labelled(one.ws, one.name).to_pylist()}
    assert [rows[name] for name in ids] == values


def test_named_answers_are_kept(logged):
    one = logged()
    signature = Signature("tensors", (), (Input("x", "array", (1,)),), (Output("scale"), Output("mean", shape=(2,))))
    told = {"scale": 3.0, "mean": [1.0, 2.0]}
    (name,) = wrote(one, signature, [({"x": [1.0]}, told)])
    row = sealed_rows(one)[name]
    assert (row["value"], json.loads(row["outputs"])) == (None, told)


def test_a_segment_with_a_row_that_does_not_fit_stays_and_loses_nothing(logged):
    one = logged()
    signature = Signature("regression", (), (Input("x", "array", (2,)),), NUMBER)
    good, _ = wrote(one, signature, [({"x": [1.0, 2.0]}, {"price": 1.5}), ({"x": [1.0]}, {"price": 1.5})])
    for _ in range(2):
        assert sealed_rows(one).keys() == {good}
        (log,) = one.folder.glob("log-*")
        assert len(log.read_bytes().splitlines()) == 2
        assert not list((one.folder / "sealed").glob("*.parquet"))
    assert len(list((one.folder / "sealed").glob("*.stays"))) == 1
    log.unlink()
    wrote_again = one.folder / f"log-{GONE}-2.jsonl"
    wrote_again.write_text('{"format":1,"time":5,"version":"demo:v1","latency_ms":1,"error":"x","status":400}\n')
    observe(one.ws, one.name)
    assert not list((one.folder / "sealed").glob("*.stays"))


def test_a_bulk_request_with_several_answers_and_a_private_column_is_kept():
    inputs = (Input("user", "array", (), dtype="int64"), Input("x", "array", (2, 2), dtype="float64"))
    signature = Signature(
        "tensors", (), (*inputs, Input("city", "category")), (Output("mean", shape=(1, 2)), NUMBER[0])
    )
    columns = {
        "user": np.array([2**24 + 1]),
        "x": np.array([[[0.1, 0.2], [0.3, 0.4]]]),
        "city": np.array(["rome"], dtype=object),
    }
    given, masked = private_arrow(columns, Kept.read("no:city"))
    answer = arrow_outputs(
        row_ids("a", 1), {"mean": np.array([[[1, 2]]], np.float32), "price": np.array([3], np.float32)}
    )
    head = {"kind": ARROW, "time": 5.0, "version": "m:1", "latency_ms": 1.0, "masked": masked}
    (row,) = batch_of_record(head, given, answer, signature).to_pylist()
    assert row["inputs"] == {"user": 2**24 + 1, "x": [[0.1, 0.2], [0.3, 0.4]]}
    assert json.loads(row["outputs"]) == {"mean": [[1.0, 2.0]], "price": 3.0}
    assert pa.ipc.open_stream(io.BytesIO(given)).read_all().to_pylist() == [
        {"user": 2**24 + 1, "x": [0.1, 0.2, 0.3, 0.4]}
    ]


def test_rows_whose_columns_are_marked_otherwise_lie_in_files_of_their_own(tmp_path):
    """A text that is hashed in one version and plain in the next: the mark is that of a whole file."""
    written = _Written(tmp_path)
    for mark in ("yes", "no"):
        fields = [pa.field("time", pa.float64()), pa.field("said", pa.string(), metadata={"hashed": mark})]
        written.add(pa.record_batch([pa.array([1.0]), pa.array([mark])], schema=pa.schema(fields)))
    written.close("key", 1.0)
    found = [pq.read_table(path) for path in tmp_path.glob("*.parquet")]
    assert {(one.schema.field("said").metadata[b"hashed"].decode(), one["said"][0].as_py()) for one in found} == {
        ("yes", "yes"),
        ("no", "no"),
    }
