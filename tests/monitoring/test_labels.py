"""Labels that are told late find their predictions."""

from __future__ import annotations

import json
import time

import numpy as np
import pyarrow as pa
import pytest
from judging import bulk_record, predict, tell, uuid_at

from lepton_nb.errors import NotFoundError
from lepton_nb.monitoring import labelled
from lepton_nb.monitoring.labels import finding

NOW = time.time()  # each test sets its own: see conftest


def test_a_label_is_joined_with_the_row_and_the_answer_it_belongs_to(logged):
    one = logged()
    rows = one.rows(4)
    ids = predict(one, rows, [0.9, 0.2, 0.7, 0.4])
    tell(one, [(ids[2], "no"), (ids[0], "yes")])
    found = labelled(one.ws, one.name).to_pylist()
    assert [row["id"] for row in found] == [ids[i] for i in sorted((0, 2), key=lambda i: ids[i])]
    of = {row["id"]: row for row in found}
    assert json.loads(of[ids[2]]["inputs"]) == rows[2]
    assert (of[ids[2]]["label"], of[ids[2]]["truth"]) == ("yes", "no")
    assert of[ids[2]]["probabilities"] == pytest.approx([0.3, 0.7])
    assert {row["version"] for row in found} == {"demo:v1"}


def test_the_label_that_was_told_last_holds(logged):
    one = logged()
    (identifier,) = predict(one, one.rows(1), [0.9])
    tell(one, [(identifier, "no")], at=NOW)
    tell(one, [(identifier, "yes")], at=NOW - 60)
    assert labelled(one.ws, one.name)["truth"].to_pylist() == ["no"]


def test_rows_of_bulk_requests_are_found_by_their_number(logged):
    one = logged()
    table = pa.table({"age": [30.0, 40.0, None], "city": ["oslo", "rome", "oslo"]})
    ids = bulk_record(one, table, [0.9, 0.1, 0.8])
    bulk_record(one, table, [0.5, 0.5, 0.5])
    tell(one, [(ids[2], "no"), (ids[1], "no"), (f"{ids[0][:36]}.7", "no")])
    found = labelled(one.ws, one.name).to_pylist()
    assert [row["id"] for row in found] == [ids[1], ids[2]]
    assert json.loads(found[1]["inputs"]) == {"age": None, "city": "oslo"}
    assert found[0]["label"] == "no"


def test_only_the_time_that_is_asked_for(logged):
    one = logged()
    ids = [predict(one, one.rows(1, seed=i), [0.9], at=NOW - ago)[0] for i, ago in enumerate((7200, 3000, 100))]
    tell(one, [(identifier, "yes") for identifier in ids])
    assert labelled(one.ws, one.name)["id"].to_pylist() == ids
    assert labelled(one.ws, one.name, since=3600)["id"].to_pylist() == ids[1:]
    assert labelled(one.ws, one.name, since=3600, until=600)["id"].to_pylist() == ids[1:2]


def test_what_nobody_was_shown_and_what_failed_is_left_out(logged):
    one = logged()
    (shown,) = predict(one, one.rows(1), [0.9])
    (unseen,) = predict(one, one.rows(1), [0.9], shadow=True)
    one.fail()
    failed = one.entries()[-1]["id"]
    tell(one, [(identifier, "yes") for identifier in (shown, unseen, failed, uuid_at(NOW))])
    assert labelled(one.ws, one.name)["id"].to_pylist() == [shown]


def test_of_a_long_log_only_the_stretches_that_may_hold_a_label_are_read(logged, monkeypatch):
    one = logged()
    rng = np.random.default_rng(0)
    ids = []
    for minute in range(300):
        ids += predict(one, one.rows(50, seed=minute), rng.random(50), at=NOW - 60 * (300 - minute))
    size = sum(path.stat().st_size for path in one.segments)
    monkeypatch.setattr(finding, "_CHUNK_BYTES", 16_384)
    read: list[int] = []
    plain = finding.pieces

    def spy(stream, at, piece):
        for chunk in plain(stream, at, piece):
            read.append(len(chunk))
            yield chunk

    monkeypatch.setattr(finding, "pieces", spy)
    wanted = {ids[20], ids[7_000], ids[7_020], ids[14_999]}
    assert {row.id for row in finding.predicted(one.folder, wanted, lambda _: None)} == wanted
    assert 0 < sum(read) < size / 5


def test_every_place_of_the_log_is_found(logged, monkeypatch):
    one = logged()
    monkeypatch.setattr(finding, "_CHUNK_BYTES", 1000)
    monkeypatch.setattr(finding, "_LINE_BYTES", 700)
    ids = [predict(one, one.rows(1, seed=i), [0.3], at=NOW - 90 * (200 - i))[0] for i in range(200)]
    for identifier in ids:
        assert [row.id for row in finding.predicted(one.folder, [identifier], lambda _: None)] == [identifier]
    assert sorted(row.id for row in finding.predicted(one.folder, ids, lambda _: None)) == sorted(ids)


def test_an_unknown_deployment_is_named(logged):
    with pytest.raises(NotFoundError, match="there is no deployment 'other'; expected one of demo"):
        labelled(logged().ws, "other")
