"""Segments that are done become Parquet and few window files; a kill at any moment neither loses nor doubles a row."""

from __future__ import annotations

import io
import json
import time

import pyarrow as pa
import pytest
from gone import DAY, GONE, NOON, begin, leave, rows_of
from halves import Halves

from lepton_nb.errors import FormatError
from lepton_nb.monitoring import as_counted, labelled, observe, store
from lepton_nb.monitoring.segments import finished
from lepton_nb.runtime import CHAMPION, uuid7
from lepton_nb.runtime.batching import Batcher
from lepton_nb.runtime.bulk import _answer
from lepton_nb.runtime.columns import ARROW
from lepton_nb.runtime.engine import Arrival, Engine, Logging
from lepton_nb.runtime.predlog import PredictionLog


def bulk(one, rows, at) -> None:
    table = pa.Table.from_pylist(rows, pa.schema([("age", pa.float64()), ("city", pa.string())]))
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    model = Halves(one.signature)
    log = PredictionLog(one.folder, name="bulk", suffix="records")
    _answer(
        Engine(model, Batcher(model), CHAMPION, one.version, Logging(one.log, log)),
        sink.getvalue(),
        ARROW,
        Arrival(at, 0.0),
    )
    log.close()


def test_a_segment_that_is_done_becomes_parquet_with_the_same_rows(logged):
    one = logged()
    begin(one)
    given = one.rows(60, seed=1)
    given[3] |= {"age": None, "city": None}
    for start in range(0, 60, 5):
        one.answer(given[start : start + 5], at=NOON + start, ms=float(start))
    one.fail(at=NOON)
    before = rows_of(one)
    counted = observe(one.ws, one.name).since(None)
    leave(one)
    assert observe(one.ws, one.name).since(None).to_dict() == counted.to_dict()
    assert one.segments == []
    (path,) = (one.folder / "sealed").glob("*.parquet")
    assert path.name.startswith(f"{NOON}-{NOON + 55}-log-{GONE}-1-")
    assert path.stat().st_mode & 0o777 == 0o600
    assert rows_of(one) == before
    wanted = before[17]
    assert rows_of(one, ids=[wanted["id"], uuid7()]) == [wanted]
    assert [row["time"] for row in rows_of(one, since=NOON + 10, until=NOON + 16)] == [NOON + 10] * 5 + [NOON + 15] * 5
    assert rows_of(one, since=NOON + 56) == rows_of(one, until=NOON) == rows_of(one, ids=[uuid7()]) == []


def test_bulk_requests_become_parquet_as_well(logged):
    one = logged()
    for hour in range(3):
        bulk(one, one.rows(40, seed=hour), NOON + 3600 * hour)
    before = rows_of(one)
    for number, path in enumerate(sorted(one.folder.glob("bulk-*"))):
        path.rename(one.folder / f"bulk-{GONE}-{number + 1}.records")
    assert observe(one.ws, one.name).since(None).rows == 120
    assert len(list((one.folder / "sealed").glob("*.parquet"))) == 3
    assert not list(one.folder.glob("bulk-*"))
    assert sorted(rows_of(one), key=lambda row: row["id"]) == sorted(before, key=lambda row: row["id"])
    assert len(rows_of(one, ids=[before[7]["id"], before[90]["id"]])) == 2


def test_a_label_that_comes_when_its_row_is_sealed_is_joined(logged):
    one = logged()
    begin(one)
    given = one.rows(5, seed=4)
    one.answer(given, labels=["yes", "no", "no", "yes", "no"])
    bulk(one, given, time.time())
    (records,) = one.folder.glob("bulk-*")
    records.rename(one.folder / f"bulk-{GONE}-1.records")
    ids = [row["id"] for row in rows_of(one)]
    leave(one)
    observe(one.ws, one.name)
    assert not list(one.folder.glob("*log-*")) + list(one.folder.glob("*bulk-*"))
    with (one.folder / "feedback-1-1.jsonl").open("w") as stream:
        for identifier in ids:
            stream.write(json.dumps({"format": 1, "id": identifier, "label": "yes", "time": time.time()}) + "\n")
    found = {row["id"]: row for row in labelled(one.ws, one.name).to_pylist()}
    assert found.keys() == set(ids)
    for row in rows_of(one):
        joined = found[row["id"]]
        assert json.loads(joined["inputs"]) == row["inputs"]
        assert (joined["truth"], joined["label"], joined["version"]) == ("yes", row["label"], "demo:v1")
        assert joined["probabilities"] == row["probabilities"]


def test_versions_with_other_columns_lie_in_files_of_their_own(logged):
    one = logged()
    begin(one)
    one.answer(one.rows(3), at=NOON)
    one.promote("demo:v2")
    line = (
        b'{"format":1,"id":"%s","time":%d,"version":"gone:1","latency_ms":1,"inputs":{"x":[1,2]},"outputs":{"y":3}}\n'
    )
    one.log.append(line % (uuid7().encode(), NOON))
    before = rows_of(one)
    leave(one)
    observe(one.ws, one.name)
    assert len(list((one.folder / "sealed").glob("*.parquet"))) == 2
    key = {"id"}
    assert sorted(rows_of(one), key=lambda row: row["id"]) == sorted(before, key=lambda row: row["id"])
    assert key <= before[0].keys()


def test_the_newest_segment_of_a_living_process_stays_as_it_is(logged):
    one = logged()
    one.log.close()
    one.log = PredictionLog(one.folder, segment=2000)
    for i in range(40):
        one.answer(one.rows(2, seed=i), at=NOON + i)
    segments = one.segments
    assert len(segments) > 3
    assert observe(one.ws, one.name).since(None).rows == 80
    assert one.segments == [max(segments, key=lambda path: int(path.stem.rpartition("-")[2]))]
    assert len(rows_of(one)) == 80
    one.answer(one.rows(2), at=NOON)
    assert (observe(one.ws, one.name).since(None).rows, len(rows_of(one))) == (82, 82)


def test_a_segment_whose_writer_cannot_be_seen_is_not_done_while_it_is_locked(logged):
    one = logged()
    begin(one)
    one.answer(one.rows(2))
    (path,) = one.segments
    assert finished([path]) == set()
    leave(one)
    assert finished([path]) == {path}


def test_a_torn_line_of_a_segment_that_is_done_is_counted_as_broken(logged):
    one = logged()
    begin(one)
    one.answer(one.rows(2))
    one.segments[0].write_bytes(one.segments[0].read_bytes()[:-30])
    assert observe(one.ws, one.name).broken == 0
    leave(one)
    observed = observe(one.ws, one.name)
    assert (observed.since(None).rows, observed.broken, len(rows_of(one))) == (1, 1, 1)
    assert observe(one.ws, one.name).broken == 1


def test_a_process_id_that_comes_again_loses_nothing(logged):
    one = logged()
    for _ in range(3):
        begin(one)
        one.answer(one.rows(4))
        observe(one.ws, one.name)
        leave(one)
        observe(one.ws, one.name)
    assert observe(one.ws, one.name).since(None).rows == len(rows_of(one)) == 12


def test_a_name_that_comes_again_before_anybody_has_looked_loses_nothing_that_was_counted(logged):
    one = logged()
    one.answer(one.rows(4))
    observe(one.ws, one.name)
    (path,) = one.segments
    path.unlink()
    one.log.close()
    one.log = PredictionLog(one.folder)
    one.answer(one.rows(7))
    assert one.segments == [path]
    assert observe(one.ws, one.name).since(None).rows == 11


def test_what_is_to_be_copied_waits_for_its_copy(logged):
    one = logged()
    begin(one)
    one.answer(one.rows(4))
    (one.folder / "copying").touch()
    leave(one)
    assert [observe(one.ws, one.name).since(None).rows for _ in range(2)] == [4, 4]
    assert (len(one.segments), len(rows_of(one))) == (1, 4)
    (one.folder / f"{one.segments[0].name}.copied").touch()
    observe(one.ws, one.name)
    assert (one.segments, len(rows_of(one))) == ([], 4)
    assert not list(one.folder.glob("*.copied"))


def test_a_year_is_kept_in_few_files_and_a_late_line_lands_in_its_own_window(logged):
    one = logged()
    for number in range(12):
        begin(one, number)
        for hour in range(0, 24 * 30, 40):
            one.answer(one.rows(1), at=NOON + number * 30 * DAY + hour * 3600)
        leave(one)
        observe(one.ws, one.name)
    everything = observe(one.ws, one.name)
    assert (everything.since(None).rows, everything.begin) == (12 * 18, NOON // 3600 * 3600)
    assert {span.seconds for span in everything.windows} == {DAY}
    by_hour = observe(one.ws, one.name, step=3600)
    assert {span.seconds for span in by_hour.windows} == {3600}
    assert by_hour.since(None).rows == 12 * 18
    kinds = [path.name.partition("-")[0] for path in (one.folder / "windows").glob("*.parquet")]
    assert kinds.count("days") == 2
    assert kinds.count("hours") == 13
    assert kinds.count("minutes") <= 9
    by_day = observe(one.ws, one.name, step=DAY)
    assert {span.start % DAY for span in by_day.windows} == {0}
    assert by_day.since(None).rows == 12 * 18
    newest = max(span.start for span in by_hour.windows)
    recent = observe(one.ws, one.name, since=newest - DAY)
    assert {span.seconds for span in recent.windows} == {60}
    begin(one, 99)
    one.answer(one.rows(5), at=NOON + 40 * 3600)
    leave(one)
    found = observe(one.ws, one.name, step=3600)
    place = (NOON + 40 * 3600) // 3600 * 3600
    assert {span.start: counts.rows for span, counts in found.windows.items()}[place] == 6
    assert observe(one.ws, one.name, step=store.WHOLE).since(None).rows == 12 * 18 + 5


def test_windows_add_up_to_the_same_at_every_step(logged):
    one = logged()
    begin(one)
    for i in range(200):
        one.answer(one.rows(2, seed=i), at=NOON + i * 997, ms=float(i % 17), labels=["no", "yes"])
        if i % 9 == 0:
            one.fail(503, "busy", at=NOON + i * 997)
    plain = observe(one.ws, one.name).since(None).to_dict()
    leave(one)
    for step in (None, 60, 300, 3600, DAY, store.WHOLE):
        found = observe(one.ws, one.name, step=step)
        assert found.since(None).to_dict() == plain
        assert step is None or {span.seconds for span in found.windows} <= {step, 3600}


def test_a_viewer_takes_the_windows_as_they_lie_there(logged):
    one = logged()
    begin(one)
    one.answer(one.rows(2))
    observe(one.ws, one.name)
    one.answer(one.rows(3))
    leave(one)
    with as_counted():
        assert observe(one.ws, one.name).since(None).rows == 2
        assert not list(one.folder.glob("sealed/*"))
    assert observe(one.ws, one.name).since(None).rows == 5


def test_a_broken_index_says_what_is_at_stake(logged):
    one = logged()
    begin(one)
    one.answer(one.rows(2))
    leave(one)
    observe(one.ws, one.name)
    (one.folder / "windows" / "index.json").write_text('{"format": 1}')
    with pytest.raises(FormatError, match="not an index of windows"):
        observe(one.ws, one.name)
