"""Windows that were lost are counted again from the sealed rows, and what cannot be is said."""

from __future__ import annotations

import dataclasses
import shutil

import pytest
from gone import NOON, begin, leave

from lepton_nb.errors import FormatError
from lepton_nb.monitoring import health, observe, quality
from lepton_nb.runtime import CHAMPION, Input, uuid7
from lepton_nb.runtime.predlog import prediction_lines
from lepton_nb.runtime.privacy import Kept


def _lose(one):
    shutil.rmtree(one.folder / "windows")


def _plain(counts):
    """Without what sealed rows do not hold."""
    value = counts.to_dict()
    return {**value, "requests": value["requests"] - sum(value["errors"].values()), "errors": {}, "usage": []}


def test_everything_but_errors_is_counted_as_before(logged):
    one = logged()
    begin(one)
    given = one.rows(60, seed=1, shift=9)
    given[3] |= {"age": None, "city": None}
    for start in range(0, 60, 5):
        one.answer(given[start : start + 5], at=NOON + 70 * start, ms=float(start))
    one.fail(at=NOON)
    leave(one)
    before = observe(one.ws, one.name)
    assert before.recounted is None
    _lose(one)
    after = observe(one.ws, one.name)
    assert {span: counts.to_dict() for span, counts in after.windows.items()} == {
        span: _plain(counts) | {"usage": [0, 0, 0]} for span, counts in before.windows.items()
    }
    assert sum(after.since(None).errors.values()) == 0
    assert after.recounted == (NOON + 70 * 55) // 60 * 60 + 60
    again = observe(one.ws, one.name)
    assert again.since(None).to_dict() == after.since(None).to_dict()
    reasons = " ".join(health(one.ws, one.name).reasons)
    assert "failed requests and use of the machine before 20" in reasons
    # What comes later is known as ever.
    one.fail()
    assert observe(one.ws, one.name).since(None).errors.total() == 1
    assert "counted again" not in " ".join(health(one.ws, one.name, since=3600).reasons)


def test_what_is_still_a_log_is_counted_once(logged):
    one = logged()
    begin(one)
    one.answer(one.rows(20), at=NOON)
    leave(one)
    assert observe(one.ws, one.name).since(None).rows == 20
    one.answer(one.rows(7))
    one.fail()
    assert observe(one.ws, one.name).since(None).rows == 27
    _lose(one)
    found = observe(one.ws, one.name).since(None)
    assert (found.rows, found.errors.total()) == (27, 1)
    assert quality(one.ws, one.name).predictions == 27


def test_where_all_rows_are_still_logs_nothing_is_lost_but_the_windows(logged):
    one = logged()
    # Segments stay until their copies lie at LEPTON_LOG_URL.
    (one.folder / "copying").touch()
    begin(one)
    one.answer(one.rows(20), at=NOON)
    one.fail(at=NOON)
    leave(one)
    before = observe(one.ws, one.name)
    assert list((one.folder / "sealed").glob("*.parquet"))
    _lose(one)
    after = observe(one.ws, one.name)
    assert after.since(None).to_dict() == before.since(None).to_dict()
    assert (after.recounted, observe(one.ws, one.name).since(None).rows) == (None, 20)


def test_a_version_that_hides_a_column_is_counted_beside_one_that_has_none(logged):
    one = logged()
    begin(one)
    rows = one.rows(30, seed=4)

    def answer(rows, version, kept=None):
        answers = [{"id": uuid7(), "label": "no", "probabilities": [0.75, 0.25]} for _ in rows]
        more = {"kept": kept} if kept else {}
        one.log.append(prediction_lines(rows, answers, time=NOON, slot=CHAMPION, version=version, ms=2.0, **more))

    answer(rows, "demo:v1")
    one.signature = dataclasses.replace(one.signature, inputs=(*one.signature.inputs, Input("secret", "number")))
    one.promote("demo:v2")
    answer([row | {"secret": 1.0} for row in rows], "demo:v2", Kept.read("no:secret"))
    leave(one)
    for tag in ("v1", "v2"):
        store = one.ws.bentoml / "bentos" / "demo" / tag / "src" / "model"
        shutil.copytree(one.ws.home / "models" / f"demo-{tag}", store)
    before = observe(one.ws, one.name)
    assert len(list((one.folder / "sealed").glob("*.parquet"))) == 1
    _lose(one)
    after = observe(one.ws, one.name)
    assert (after.broken, before.broken) == (0, 0)
    assert after.since(None).to_dict()["models"] == before.since(None).to_dict()["models"]
    assert after.since(None).models["demo:v2"].rows == 30


def test_columns_that_are_private_stay_private(logged):
    one = logged()
    begin(one)
    rows = one.rows(30, seed=3)
    for way in ("no", "hash"):
        answers = [{"id": uuid7(), "label": "no", "probabilities": [0.75, 0.25]} for _ in rows]
        one.log.append(
            prediction_lines(
                rows, answers, time=NOON, slot=CHAMPION, version=one.version, ms=2.0, kept=Kept.read(f"{way}:age")
            )
        )
    leave(one)
    before = observe(one.ws, one.name).since(None)
    _lose(one)
    after = observe(one.ws, one.name).since(None)
    assert after.models[one.version].features["city"].sum() == 60
    assert after.models[one.version].features.keys() == before.models[one.version].features.keys()
    assert after.models[one.version].confidence == before.models[one.version].confidence


@pytest.fixture
def three_hours(logged):
    """Sealed rows and failed requests of three hours, over midnight."""
    one = logged()
    begin(one)
    for minute, row in enumerate(one.rows(60, seed=2)):
        one.answer([row, row], at=NOON + 180 * minute, ms=float(minute))
        if minute % 7 == 0:
            one.fail(at=NOON + 180 * minute + 60)
    leave(one)
    observe(one.ws, one.name)
    return one


def _at(one, step):
    return {span: counts.to_dict() for span, counts in observe(one.ws, one.name, step=step).windows.items()}


def _lose_part(one, name):
    found = list((one.folder / "windows").glob(f"{name}-*.parquet"))
    assert found
    for path in found:
        path.unlink()


@pytest.mark.parametrize("name", ["hours", "days"])
def test_longer_windows_that_are_lost_are_summed_up_from_shorter_ones(three_hours, name):
    before = [_at(three_hours, step) for step in (60, 3600, 86400)]
    _lose_part(three_hours, name)
    assert [_at(three_hours, step) for step in (60, 3600, 86400)] == before
    assert observe(three_hours.ws, three_hours.name).recounted is None


def test_lost_minutes_come_back_from_sealed_rows_and_what_these_do_not_hold_by_the_hour(three_hours):
    one = three_hours
    before = [_at(one, step) for step in (60, 3600)]
    _lose_part(one, "minutes")
    after = [_at(one, step) for step in (60, 3600)]
    assert after[1] == before[1]
    rows = {span: counts["models"] for span, counts in after[0].items() if counts["models"]}
    assert rows == {span: counts["models"] for span, counts in before[0].items() if counts["models"]}
    failed = observe(one.ws, one.name)
    assert failed.since(None).errors.total() == 9
    assert {span.seconds for span, counts in failed.windows.items() if counts.errors} == {3600}
    assert failed.recounted is None


def test_lost_minutes_of_rows_that_are_no_more_are_known_by_the_hour(three_hours):
    one = three_hours
    before = observe(one.ws, one.name).since(None).to_dict()
    shutil.rmtree(one.folder / "sealed")
    _lose_part(one, "minutes")
    assert observe(one.ws, one.name).since(None).to_dict() == before
    assert _at(one, 60).keys() == {(span.start // 3600 * 3600, 3600) for span in _at(one, 3600)}


def test_where_rows_contradict_the_hours_these_hold(three_hours):
    one = three_hours
    before = _at(one, 3600)
    (path,) = (one.folder / "sealed").glob("*.parquet")
    shutil.copy(path, path.with_name(path.name.replace("log-", "log-9")))
    _lose_part(one, "minutes")
    assert _at(one, 3600) == before


def test_window_files_that_are_missing_are_named_with_what_to_do(logged):
    one = logged()
    begin(one)
    one.answer(one.rows(20), at=NOON)
    leave(one)
    observe(one.ws, one.name)
    (path,) = (one.folder / "windows").glob("minutes-*.parquet")
    for level in ("minutes", "hours", "days"):
        _lose_part(one, level)
    with pytest.raises(FormatError, match=f"{path.name} is missing.*delete index.json"):
        observe(one.ws, one.name, step=86400)
    (one.folder / "windows" / "index.json").unlink()
    assert observe(one.ws, one.name, step=86400).since(None).rows == 20
