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
from lepton_nb.runtime.truths import Truths

HOUR, DAY = 3600.0, 86400.0


def _prices(one, count, *, city=None) -> list[str]:
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
            for name, row in zip(ids, _of_city(one.rows(count), city), strict=True)
        )
    )
    return ids


def _of_city(rows, city) -> list[dict[str, object]]:
    return rows if city is None else [{**row, "city": city} for row in rows]


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
        _labels(orjson.dumps({"id": ids[0], "label": label}), Truths(number=True))


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


def _segments(one) -> list[tuple[object, ...]]:
    return [(part.value, part.labelled, part.mae, part.rmse) for part in quality(one.ws, one.name).segments]


def test_a_corrected_number_reaches_its_segment(logged):
    one = logged()
    ids = _prices(one, 60, city="oslo")
    tell(one, [(name, 102.0) for name in ids])
    assert _segments(one) == [("oslo", 60, 100.0, 100.0)]
    # In a part of its own, which the first is too large to be taken into.
    tell(one, [(name, 3.0) for name in ids[:15]])
    assert quality(one.ws, one.name).mae == 75.25
    assert len(list((one.folder / "labels").glob("*.sums.json"))) == 2
    assert _segments(one) == [("oslo", 60, 75.25, pytest.approx((45 * 100**2 + 15) ** 0.5 / 60**0.5))]
    tell(one, [(name, 3.0) for name in ids[15:]])
    assert _segments(one) == [("oslo", 60, 1.0, 1.0)]


def _rewrite(one, change) -> None:
    (path,) = (one.folder / "labels").glob("*.sums.json")
    value = json.loads(path.read_text())
    for window in value["windows"]:
        change(window["tally"])
    path.write_text(json.dumps(value))


@pytest.mark.parametrize("corrected", [12, 60])
def test_of_numbers_summed_before_there_were_segments_none_are_told(logged, corrected):
    one = logged()
    ids = _prices(one, 130, city="oslo")
    tell(one, [(name, 102.0) for name in ids[:60]])
    assert _segments(one) == [("oslo", 60, 100.0, 100.0)]
    _rewrite(one, lambda tally: tally.pop("segments"))
    # As a part beside the old one, or taken into one with it.
    tell(one, [(name, 3.0) for name in ids[:corrected]])
    assert _segments(one) == []
    tell(one, [(name, 3.0) for name in ids[corrected:]])
    assert (quality(one.ws, one.name).mae, _segments(one)) == (1.0, [])


def test_a_segment_with_less_than_nothing_is_not_told(logged):
    one = logged()
    tell(one, [(name, 3.0) for name in _prices(one, 60, city="oslo")])
    assert _segments(one) == [("oslo", 60, 1.0, 1.0)]
    for sums in ([60, -1.0, 60.0], [60, 60.0, -1.0], [-60, 60.0, 60.0]):
        _rewrite(one, lambda tally, sums=sums: tally["segments"]["city"].update(oslo=sums))
        assert _segments(one) == []
    _rewrite(one, lambda tally: tally["segments"]["city"].update(oslo=[60, -1e-12, -1e-12]))
    assert _segments(one) == [("oslo", 60, 0.0, 0.0)]


@pytest.mark.parametrize(
    "columns", [{"city": {}}, {"city": {"values": ["oslo"], "at": [10**9], "is": [1]}}, [], {"city": None}]
)
def test_sums_of_columns_that_are_broken_say_what_to_do(logged, columns):
    one = logged()
    ids = predict(one, one.rows(60), [0.7] * 60)
    tell(one, [(name, "yes") for name in ids[:50]])
    assert quality(one.ws, one.name).labelled == 50
    _rewrite(one, lambda tally: tally.update(columns=columns))
    with pytest.raises(FormatError, match=r"sums\.json is not readable.*delete the folder"):
        quality(one.ws, one.name)
    # They are taken into the part of new labels.
    tell(one, [(name, "yes") for name in ids[20:]])
    with pytest.raises(FormatError, match=r"sums\.json is not readable.*delete the folder"):
        quality(one.ws, one.name)
