"""However many labels wait for their predictions, each one does so for a week."""

from __future__ import annotations

import json
import time

import orjson
import pytest
from judging import predict, tell, uuid_at

from lepton_nb.errors import FormatError
from lepton_nb.monitoring.labels import joining, ledger

NOW = time.time()  # each test sets its own: see conftest
WEEK = 7 * 24 * 3600


def _arrive(one, ids) -> None:
    """Predictions come with a segment of another machine."""
    rows = one.rows(len(ids))
    lines = [
        {"format": 1, "id": name, "time": NOW, "slot": "champion", "version": one.version, "inputs": row}
        | {"outputs": {"label": "yes", "probabilities": [0.1, 0.9]}, "latency_ms": 1.0}
        for name, row in zip(sorted(ids), rows, strict=True)
    ]
    (one.folder / "log-1-1.jsonl").write_bytes(
        b"".join(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE) for line in lines)
    )


def _waits(one) -> list[str]:
    return [path.name for path in (one.folder / "labels").glob("*.waiting.parquet")]


def test_more_than_ever_wait_and_the_first_ones_find_their_predictions(logged, monkeypatch):
    monkeypatch.setattr(joining, "_AT_ONCE", 8_000)
    one = logged()
    ids = [uuid_at(NOW) for _ in range(20_500)]
    labels = [{"format": 1, "id": name, "label": "yes", "time": NOW} for name in ids]
    (one.folder / "feedback-1-1.jsonl").write_bytes(
        b"".join(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE) for line in labels)
    )
    found = joining.join(one.ws, one.folder, now=NOW)
    assert (found.joined, found.lost, found.unmatched) == (0, 0, 20_500)
    assert (one.folder / "labels" / "state.json").stat().st_size < 2_000
    _arrive(one, ids[:500])
    found = joining.join(one.ws, one.folder, now=NOW + 61)
    assert (found.joined, found.lost, found.unmatched) == (500, 0, 20_000)
    assert len(_waits(one)) == 1
    found = joining.join(one.ws, one.folder, now=NOW + WEEK + 1)
    assert (found.joined, found.lost, found.unmatched) == (500, 20_000, 20_000)
    assert _waits(one) == []


def test_a_label_that_waits_is_corrected_and_keeps_its_week(logged):
    one = logged()
    first, second = uuid_at(NOW), uuid_at(NOW)
    tell(one, [(first, "no"), (second, "no")], at=NOW)
    joining.join(one.ws, one.folder, now=NOW)
    tell(one, [(first, "yes")], at=NOW + 10)
    assert joining.join(one.ws, one.folder, now=NOW + WEEK - 100).unmatched == 2
    found = joining.join(one.ws, one.folder, now=NOW + WEEK)
    assert (found.lost, found.unmatched) == (2, 2)


def test_those_that_a_state_itself_held_wait_on(logged):
    one = logged()
    (name,) = predict(one, one.rows(1), [0.9], at=NOW)
    tell(one, [(uuid_at(NOW), "yes")])
    joining.join(one.ws, one.folder, now=NOW)
    path = one.folder / "labels" / "state.json"
    state = json.loads(path.read_bytes())
    del state["waiting"]
    other = uuid_at(NOW)
    state["pending"] = [[name, "yes", NOW, NOW, NOW + 60], [other, "no", NOW, NOW, NOW + 60]]
    path.write_text(json.dumps(state))
    assert ledger.read(one.folder).unmatched == 2
    found = joining.join(one.ws, one.folder, now=NOW + 61)
    assert (found.joined, found.unmatched, found.pending) == (1, 1, ())


def test_a_file_of_waiting_labels_that_is_broken_says_what_to_do(logged):
    one = logged()
    tell(one, [(uuid_at(NOW), "yes")])
    joining.join(one.ws, one.folder, now=NOW)
    (path,) = (one.folder / "labels").glob("*.waiting.parquet")
    path.write_bytes(b"torn")
    with pytest.raises(FormatError, match="not readable") as caught:
        joining.join(one.ws, one.folder, now=NOW + 61)
    assert "joined again" in str(caught.value)
