"""What one label, or an old log, must not do to what is told of all."""

from __future__ import annotations

import json
import time

import orjson
import pytest
from judging import predict, tell, uuid_at

from lepton_nb.errors import FormatError
from lepton_nb.monitoring import health, labelled, quality
from lepton_nb.runtime import Output, Signature
from lepton_nb.runtime.errors import RequestError
from lepton_nb.runtime.feedback import _labels

HOUR, DAY = 3600.0, 86400.0


def _prices(one, count) -> list[str]:
    signature = Signature("regression", (), one.signature.inputs, outputs=(Output("price"),))
    (one.model / "signature.json").write_text(json.dumps(signature.to_dict()))
    now = time.time()
    ids = [uuid_at(now) for _ in range(count)]
    path = one.folder / "log-1-1.jsonl"
    path.write_bytes(
        b"".join(
            orjson.dumps(
                {"format": 1, "id": name, "time": now, "slot": "champion", "version": one.version, "inputs": row}
                | {"outputs": {"price": 2.0}, "latency_ms": 1.0},
                option=orjson.OPT_APPEND_NEWLINE,
            )
            for name, row in zip(ids, one.rows(count), strict=True)
        )
    )
    return ids


@pytest.mark.parametrize("label", [1e200, -1e155, 1e101])
def test_a_label_beyond_all_sums_is_unmatched_and_the_others_count(logged, label):
    one = logged()
    ids = _prices(one, 2)
    tell(one, [(ids[0], label), (ids[1], 2.5)])
    for _ in range(2):
        found = quality(one.ws, one.name)
        assert (found.labelled, found.unmatched, found.mae, found.rmse) == (1, 1, 0.5, 0.5)
    assert labelled(one.ws, one.name)["id"].to_pylist() == [ids[1]]
    with pytest.raises(RequestError, match="a finite number up to 1e"):
        _labels(orjson.dumps({"id": ids[0], "label": label}), (), numbers=True)


def test_sums_that_are_no_numbers_say_what_to_do(logged):
    one = logged()
    ids = _prices(one, 1)
    tell(one, [(ids[0], 2.5)])
    assert quality(one.ws, one.name).mae == 0.5
    (path,) = (one.folder / "labels").glob("*.sums.json")
    path.write_bytes(path.read_bytes().replace(b'"squared": 0.25', b'"squared": null'))
    with pytest.raises(FormatError, match="not readable"):
        quality(one.ws, one.name)


def test_an_hour_is_an_hour_however_old_the_log_is(logged):
    one = logged()
    now = time.time()
    for age, count in ((61 * DAY, 5), (4 * HOUR, 50), (60.0, 10)):
        predict(one, one.rows(count), [0.9] * count, at=now - age)
    one.log.close()
    # Nobody writes to it any more: it is joined with what is older.
    (log,) = one.segments
    log.rename(one.folder / f"log-{2**22 - 3}-1.jsonl")
    assert health(one.ws, one.name, HOUR).traffic.predictions == 10
    assert quality(one.ws, one.name, HOUR).predictions == 10
    assert quality(one.ws, one.name).predictions == 65
