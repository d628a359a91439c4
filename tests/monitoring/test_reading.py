"""Whoever wants logged predictions gets them, whichever form they rest in."""

from __future__ import annotations

import io
import os

import pyarrow as pa
import pytest
from halves import Halves

from lepton_nb.errors import NotFoundError
from lepton_nb.monitoring import predictions
from lepton_nb.runtime import CHAMPION, uuid7
from lepton_nb.runtime.batching import Batcher
from lepton_nb.runtime.bulk import _answer
from lepton_nb.runtime.columns import ARROW
from lepton_nb.runtime.engine import Arrival, Engine, Logging
from lepton_nb.runtime.predlog import PredictionLog, prediction_lines
from lepton_nb.runtime.privacy import Kept

NOON = 1_700_000_040 - 1_700_000_040 % 60


def ask_in_bulk(one, rows, at, kept=Kept()) -> None:  # noqa: B008 - frozen
    table = pa.Table.from_pylist(rows, pa.schema([("age", pa.float64()), ("city", pa.string())]))
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    log = PredictionLog(one.folder, name="bulk", suffix="records")
    model = Halves(one.signature)
    engine = Engine(model, Batcher(model), CHAMPION, one.version, Logging(one.log, log, kept.with_salt(one.folder)))
    _answer(engine, sink.getvalue(), ARROW, Arrival(at, 0.0))


def rows_of(found) -> list[dict]:
    return [row for batch in found for row in batch.to_pylist()]


def test_lines_come_back_as_they_were_answered(logged):
    one = logged()
    given = one.rows(5, seed=1)
    given[2] |= {"age": None, "city": None}
    one.answer(given, at=NOON, ms=3.0, labels=["yes", "no", "yes", "no", "no"])
    one.fail(at=NOON)
    rows = rows_of(predictions(one.ws, one.name))
    assert [row["inputs"] for row in rows] == given
    assert [row["label"] for row in rows] == ["yes", "no", "yes", "no", "no"]
    assert [row["id"] for row in rows] == [entry["id"] for entry in one.entries() if "error" not in entry]
    first = rows[0]
    assert (first["time"], first["version"], first["slot"], first["shadow"]) == (NOON, "demo:v1", CHAMPION, False)
    assert (first["latency_ms"], first["probabilities"], first["value"]) == (3.0, [0.5, 0.5], None)


def test_bulk_requests_come_back_as_rows(logged):
    one = logged()
    given = one.rows(4, seed=2)
    given[1] |= {"age": None, "city": None}
    ask_in_bulk(one, given, NOON)
    rows = rows_of(predictions(one.ws, one.name))
    assert [row["inputs"] for row in rows] == given
    assert [row["label"] for row in rows] == ["no", "yes", "no", "yes"]
    assert [row["probabilities"] for row in rows] == [[0.75, 0.25], [0.25, 0.75]] * 2
    assert [row["id"].rpartition(".")[2] for row in rows] == ["0", "1", "2", "3"]


def test_a_stretch_of_time_and_ids_are_chosen(logged):
    one = logged()
    for minute in range(5):
        one.answer(one.rows(2, seed=minute), at=NOON + 60 * minute)
    ask_in_bulk(one, one.rows(3), NOON + 120)
    inside = rows_of(predictions(one.ws, one.name, since=NOON + 60, until=NOON + 180))
    assert sorted(row["time"] - NOON for row in inside) == [60, 60, 120, 120, 120, 120, 120]
    wanted = [inside[0]["id"], inside[-1]["id"]]
    assert ["." in one for one in wanted] == [True, False]
    assert sorted(row["id"] for row in rows_of(predictions(one.ws, one.name, ids=wanted))) == sorted(wanted)
    assert rows_of(predictions(one.ws, one.name, ids=[uuid7()])) == []
    assert rows_of(predictions(one.ws, one.name, since=NOON + 3600, until=NOON + 7200)) == []


@pytest.mark.parametrize("rest", ["hash:city", "no:city"])
def test_private_columns_are_hashes_or_absent(logged, rest):
    one = logged()
    kept = Kept.read(rest).with_salt(one.folder)
    given = one.rows(3)
    answers = [{"id": uuid7(), "label": "no", "probabilities": [1.0, 0.0]} for _ in given]
    one.log.append(prediction_lines(given, answers, time=NOON, slot=CHAMPION, version=one.version, ms=1.0, kept=kept))
    ask_in_bulk(one, given, NOON, kept)
    plain, bulk = list(predictions(one.ws, one.name))[::-1]
    for batch in (plain, bulk):
        inputs = batch.column("inputs")
        assert inputs.field("age").to_pylist() == [row["age"] for row in given]
        kinds = {one.name: one.metadata for one in inputs.type}
        if rest.startswith("no"):
            assert set(kinds) == {"age"}
        else:
            assert inputs.field("city").to_pylist() == [kept.hashed(row["city"]) for row in given]
            assert kinds == {"age": None, "city": {b"hashed": b"yes"}}


def test_rows_of_a_model_that_is_gone_have_the_types_of_their_json(logged):
    one = logged()
    given = one.rows(3)
    one.answer(given)
    ask_in_bulk(one, given, NOON)
    one.promote("demo:v2")
    rows = rows_of(predictions(one.ws, one.name))
    assert [row["inputs"] for row in rows] == given * 2
    assert {row["version"] for row in rows} == {"demo:v1"}


def test_broken_lines_are_left_out_and_a_torn_one_too(logged):
    one = logged()
    one.answer(one.rows(3))
    with one.segments[0].open("ab") as stream:
        stream.write(b'garbage\n{"format":1,"id":"x","time":5,"version":"demo:v1","latency_ms":1,')
        stream.write(b'"inputs":{"age":"3","city":"rome"},"outputs":{"label":"no"}}\n{"torn')
    assert len(rows_of(predictions(one.ws, one.name))) == 3


def test_a_segment_that_was_last_written_before_is_not_opened(logged):
    one = logged()
    one.answer(one.rows(3), at=NOON)
    os.utime(one.segments[0], (NOON, NOON))
    one.segments[0].chmod(0)
    assert rows_of(predictions(one.ws, one.name, since=NOON + 1)) == []


def test_a_model_that_tells_a_number_has_no_label(logged):
    one = logged()
    line = b'{"format":1,"id":"%s","time":5,"version":"demo:v1","latency_ms":1,"inputs":{"age":3,"city":"rome"},'
    with (one.folder / "log-1-1.jsonl").open("wb") as stream:
        stream.write(line % uuid7().encode() + b'"outputs":{"price":2.5}}\n')
    (row,) = rows_of(predictions(one.ws, one.name))
    assert (row["label"], row["probabilities"], row["value"]) == (None, None, 2.5)


def test_a_deployment_that_does_not_exist_is_an_error(logged):
    one = logged()
    with pytest.raises(NotFoundError):
        predictions(one.ws, "other")
