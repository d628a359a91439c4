"""What an update holds, and how large it may be."""

import json
import math
import struct

import numpy as np

from lepton_nb.records import Curve, Epoch, Line, Note, Started
from lepton_nb.widgets.state import Training
from lepton_nb.widgets.wire import Wire, packed


def training(*names: str, points: int = 3000) -> Training:
    one = Training("r1", "mlp")
    one.take(Started(0.0, "mlp", points, "r1", 3))
    for step in range(points):
        one.take(Curve(0.0, step, {name: math.sin(step + i) for i, name in enumerate(names)}))
    return one


def frame(wire: Wire, one: Training):
    return wire.frame(one, asked=False, problem="", log=[])


def test_points_are_steps_then_values_in_little_endian() -> None:
    data = packed(Line("loss", (0, 7, 2**40), (1.5, math.nan, 1e300)))
    assert np.frombuffer(data[:12], "<u4").tolist() == [0, 7, 2**32 - 1]
    values = struct.unpack("<3f", data[12:])
    assert values[0] == 1.5
    assert math.isnan(values[1])
    assert math.isnan(values[2])


def test_only_curves_that_changed_are_sent_again() -> None:
    one, wire = training("loss", "val_loss"), Wire()
    assert set(frame(wire, one).changed) == {0, 1}
    assert frame(wire, one).changed == {}
    one.take(Curve(0.0, 3001, {"val_loss": 0.5}))
    assert set(frame(wire, one).changed) == {1}


def test_an_update_stays_below_50_kilobytes_and_every_curve_gets_its_turn() -> None:
    one, wire = training(*(f"metric_{i}" for i in range(32))), Wire()
    one.take(Note(0.0, "x" * 100_000))
    one.take(Epoch(0.0, 1, 3000, {f"metric_{i}": 1.0 for i in range(32)}, best=True))
    seen: set[int] = set()
    updates = 0
    more = True
    while more:
        update = frame(wire, one)
        size = len(json.dumps([update.facts, update.curves, update.log])) + sum(map(len, update.changed.values()))
        assert size < 50_000
        seen |= set(update.changed)
        updates, more = updates + 1, update.more
    assert seen == set(range(32))
    assert updates < 12
    for _ in range(20):
        one.take(Curve(0.0, 4000 + _, {f"metric_{i}": 1.0 for i in range(32)}))
        seen -= set(frame(wire, one).changed)
    assert seen == set()


def test_an_update_is_strict_json() -> None:
    one = Training("r1", "mlp")
    one.take(Started(0.0, "mlp", 3, "r1", 3))
    one.take(Epoch(0.0, 0, 1, {"loss": math.nan, "val_loss": math.inf}, best=True))
    update = frame(Wire(), one)
    json.dumps([update.facts, update.curves], allow_nan=False)
    assert update.curves[0]["last"] is None
