"""What a watch looks at, in which order, and what it leaves behind; without a server."""

import json
from types import SimpleNamespace

import pyarrow as pa
import pytest
from tiny import SIGNATURE, UP, bento

from lepton_nb import rules
from lepton_nb.loop import guarding
from lepton_nb.loop.context import Context
from lepton_nb.loop.looking import _Asked, _judged, _windows
from lepton_nb.loop.options import WatchOptions
from lepton_nb.loop.place import State, place_of
from lepton_nb.records import silent
from lepton_nb.runtime import uuid7


class Told:
    """What was told of predictions: moment, moment of the label, predicted and true class of each."""

    def __init__(self, *rows: tuple[float, float, str, str]) -> None:
        self.options = WatchOptions(window=100)
        self.rows = [(f"{number:06d}", *row) for number, row in enumerate(rows)]

    def told(self, since: float, behind: str = "") -> pa.Table:
        newer = [row for row in self.rows if (row[2], row[0]) > (since, behind or "~")]
        newer.sort(key=lambda row: (row[2], row[0]))
        names = ("id", "time", "told", "label", "truth")
        columns = {name: [row[at] for row in newer] for at, name in enumerate(names)}
        return pa.table(columns | {"version": ["m"] * len(newer)})


def judged(ctx: Told, state: State) -> State:
    for rows in _windows(ctx, state, "m"):
        state, _ = _judged(state, rows)
    return state


def test_labels_that_come_a_day_after_the_others_are_judged_when_they_come():
    at_once = [(float(i), i + 1.0, "ok", "ok") for i in range(0, 1000, 2)]
    ctx = Told(*at_once)
    state = judged(ctx, State(champion="m", right=950, rows=1000))
    assert (state.quality, state.decayed) == (1.0, 0)
    late = [(float(i), 90_000.0 + i, "ok", "fraud") for i in range(1, 1001, 2)]
    ctx = Told(*at_once, *late)
    state = judged(ctx, state)
    assert (state.quality, state.decayed, state.opened) == (0.0, 5, 801.0)
    assert _windows(ctx, state, "m") == []


def test_labels_of_one_moment_beyond_a_window_are_judged_with_the_next():
    # A bulk request has one time, and so have its labels.
    ctx = Told(*[(5.0, 6.0, "ok", "ok")] * 150)
    state = judged(ctx, State(champion="m"))
    assert (state.rows, state.judged, state.judged_id) == (100, 6.0, "000099")
    ctx.rows += Told(*[(5.0, 6.0, "ok", "ok")] * 200).rows[150:]
    assert judged(ctx, state).rows == 200


def test_labels_are_found_by_when_they_were_told(logged):
    one = logged()
    one.answer(one.rows(3), at=1000.0)
    ids = [entry["id"] for entry in one.entries()]
    told = [(ids[0], 50.0), (ids[2], 60.0), (ids[1], 60.0)]
    lines = [json.dumps({"format": 1, "id": i, "label": "yes", "time": at}) + "\n" for i, at in told]
    (one.folder / "feedback-1-1.jsonl").write_text("".join(lines))
    ctx = Context(one.ws, "demo", WatchOptions(), place_of(one.ws, "demo"), silent)
    assert ctx.told(0.0)["id"].to_pylist() == ids
    assert ctx.told(0.0)["told"].to_pylist() == [50.0, 60.0, 60.0]
    assert ctx.told(50.0)["id"].to_pylist() == ids[1:]
    assert ctx.told(60.0, ids[1])["id"].to_pylist() == ids[2:]
    assert len(ctx.told(60.0)) == len(ctx.told(60.0, ids[2])) == 0


@pytest.mark.parametrize(
    ("rule", "values", "labels", "traffic", "counted", "supported"),
    [
        ("drifting or decaying", {"decaying": True}, True, False, True, True),
        ("quality < 0.9", {}, True, False, False, True),
        # The window is the one that was looked at before.
        ("quality < 0.9", {}, False, True, False, False),
        ("drifting or quality < 0.9", {}, False, True, False, False),
        ("drifting or quality < 0.9", {"drifting": True}, False, True, True, True),
        ("psi(age) > 0.2", {}, True, False, False, False),
        ("psi(age) > 0.2", {}, False, True, False, True),
        # Each of the two has a part in it.
        ("psi(age) > 0.2 and quality < 0.9", {}, False, True, False, True),
        ("psi(age) > 0.2 and quality < 0.9", {}, True, False, False, True),
        ("psi(age) > 0.2 and quality < 0.9", {}, False, False, False, False),
    ],
)
def test_only_a_new_window_is_a_second_one(rule, values, labels, traffic, counted, supported):
    known = {"quality": 0.5, "quality_before": 0.9, "decaying": False, "drifting": False, "age": "age"} | values
    functions = {"psi": lambda name: 0.3}
    assert rules.holds(rule, known, functions) is True
    asked = _Asked(rule, known, functions)
    assert (asked.is_counted, asked.is_supported(labels=labels, traffic=traffic)) == (counted, supported)


def test_frozen_rows_of_earlier_rounds_are_removed(ws):
    place = place_of(ws, "tiny")
    place.folder.mkdir(parents=True)
    ctx = Context(ws, "tiny", WatchOptions(), place, silent)
    for name in ("train-1.parquet", "gate-1.parquet", "train-2.parquet", "gate-2.parquet"):
        (place.folder / name).write_bytes(b"rows")
    state = ctx.decide(place.state(), "froze", "retraining", "", train="train-2.parquet", gate="gate-2.parquet")
    assert len(list(place.folder.glob("*.parquet"))) == 4
    ctx.decide(state, "refused", "watching", "")
    assert sorted(path.name for path in place.folder.glob("*.parquet")) == ["gate-2.parquet", "train-2.parquet"]


def labelled(count: int, *, right: float, masked=()) -> pa.Table:
    """Predictions of which so many are right; x is above zero, and the answer always `no`."""
    inputs = {"color": "red"} | ({} if masked else {"x": 1.0})
    table = {
        "id": [uuid7() for _ in range(count)],
        "version": ["new:v1"] * count,
        "inputs": [json.dumps(inputs)] * count,
        "masked": pa.array([list(masked)] * count, pa.list_(pa.string())),
        "label": ["no"] * count,
        "truth": ["no" if i < right * count else "yes" for i in range(count)],
    }
    return pa.table(table)


@pytest.mark.parametrize(
    ("masked", "former", "told"),
    [
        ((), UP, "the former one in 60.0%"),
        (["x"], UP, "90.0% was known of it"),
        ((), None, "90.0% was known of it"),
    ],
)
def test_a_new_champion_is_held_to_what_was_known_of_it_where_the_former_one_cannot_be_asked(ws, masked, former, told):
    state = State(champion="new:v1", former="old:v1", right=900, rows=1000)
    if former:
        bento(ws, "old:v1", former)
    place = place_of(ws, "tiny")
    ctx = Context(ws, "tiny", WatchOptions(), place, silent)
    plan = SimpleNamespace(previous=None)
    found = labelled(300, right=0.4, masked=masked)
    faked = SimpleNamespace(
        labelled=lambda since: found, signature=lambda: SIGNATURE, plan=lambda: plan, bento=ctx.bento
    )
    reason, numbers = guarding._quality(faked, state)
    assert told in reason
    assert numbers["accuracy"] == 0.4
    assert numbers["labelled"] == 300
    assert guarding._quality(SimpleNamespace(labelled=lambda since: found[:50]), state) == ("", {"labelled": 50})
