"""Bulk records, private columns and shadows are counted for what they are."""

from __future__ import annotations

import io

import pyarrow as pa
from halves import Halves

from lepton_nb.monitoring import observe
from lepton_nb.runtime import CHALLENGER, CHAMPION, uuid7
from lepton_nb.runtime.batching import Batcher
from lepton_nb.runtime.bulk import _answer
from lepton_nb.runtime.columns import ARROW
from lepton_nb.runtime.engine import Arrival, Engine, Logging
from lepton_nb.runtime.predlog import PredictionLog, prediction_lines
from lepton_nb.runtime.privacy import Kept

NOON = 1_700_000_040 - 1_700_000_040 % 60


def engine_of(one, kept: Kept = Kept(), slot: str = CHAMPION) -> Engine:  # noqa: B008 - frozen
    model = Halves(one.signature)
    bulk = PredictionLog(one.folder, name="bulk", suffix="records")
    return Engine(model, Batcher(model), slot, one.version, Logging(one.log, bulk, kept.with_salt(one.folder)))


def stream(rows: list[dict]) -> bytes:
    table = pa.Table.from_pylist(rows, pa.schema([("age", pa.float64()), ("city", pa.string())]))
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


def test_a_bulk_request_counts_as_the_same_rows_one_by_one(logged):
    one, other = logged("one"), logged("other")
    rows = one.rows(500, seed=3)
    rows[7]["age"], rows[9]["city"], rows[11]["city"] = None, None, "lima"
    engine = engine_of(one)
    for start in range(0, 500, 100):
        _answer(engine, stream(rows[start : start + 100]), ARROW, Arrival(NOON + start / 10, 0.0))
        other.answer(rows[start : start + 100], at=NOON + start / 10)
    bulk, plain = (observe(it.ws, it.name).since(None) for it in (one, other))
    assert (bulk.requests, bulk.rows, bulk.latency.sum()) == (5, 500, 5)
    assert bulk.labels == plain.labels
    for name, counts in plain.models["other:v1"].features.items():
        assert bulk.models["one:v1"].features[name].tolist() == counts.tolist()


def test_a_record_is_counted_once_and_a_torn_one_when_it_is_whole(logged):
    one = logged()
    engine = engine_of(one)
    _answer(engine, stream(one.rows(10)), ARROW, Arrival(NOON, 0.0))
    (file,) = one.folder.glob("bulk-*.records")
    whole = file.read_bytes()
    _answer(engine, stream(one.rows(20)), ARROW, Arrival(NOON, 0.0))
    both = file.read_bytes()
    file.write_bytes(both[: len(whole) + 50])
    assert [observe(one.ws, one.name).since(None).rows for _ in range(2)] == [10, 10]
    file.write_bytes(both)
    assert [observe(one.ws, one.name).since(None).rows for _ in range(2)] == [30, 30]


def test_columns_that_are_private_are_left_out_and_the_others_counted(logged):
    one = logged()
    kept = Kept.read("hash:city")
    rows = one.rows(50, seed=1)
    _answer(engine_of(one, kept), stream(rows), ARROW, Arrival(NOON, 0.0))
    answers = [{"id": uuid7(), "label": "no", "probabilities": [1.0, 0.0]} for _ in rows]
    kept = kept.with_salt(one.folder)
    lines = prediction_lines(rows, answers, time=NOON, slot=CHAMPION, version=one.version, ms=1.0, kept=kept)
    one.log.append(lines)
    found = observe(one.ws, one.name)
    assert (found.broken, found.since(None).rows) == (0, 100)
    features = found.since(None).models[one.version].features
    assert set(features) == {"age"}
    assert features["age"].sum() == 100


def test_a_shadow_is_no_request(logged):
    one = logged()
    one.answer(one.rows(3), at=NOON)
    answers = [{"id": uuid7(), "label": "yes", "probabilities": [0.0, 1.0]}]
    one.log.append(
        prediction_lines(one.rows(1), answers, time=NOON, slot=CHALLENGER, version="demo:v2", ms=9.0, shadow=True)
    )
    _answer(engine_of(one, slot=CHALLENGER), stream(one.rows(4)), ARROW, Arrival(NOON, 0.0), shadow=True)
    found = observe(one.ws, one.name).since(None)
    assert (found.requests, found.latency.sum(), found.rows) == (1, 1, 8)
    assert found.models["demo:v2"].rows == 1
