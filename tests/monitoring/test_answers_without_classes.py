"""A model that tells no class is watched, too: its lines are no broken ones, and a number that moves is seen."""

from __future__ import annotations

import json

import numpy as np
import pytest

from lepton_nb.drift import drift
from lepton_nb.monitoring import observe
from lepton_nb.monitoring.counts import Counts, ModelCounts
from lepton_nb.runtime import Distribution, Reference, read_reference

EDGES = (0.0, 1.0)
PRICES = Distribution("number", (100, 100, 100), EDGES)


def _lines(one, outputs):
    path = one.segments[0]
    lines = [json.loads(line) for line in path.read_bytes().splitlines()]
    told = [json.dumps({**line, "outputs": value}) for line, value in zip(lines, outputs, strict=True)]
    path.write_text("\n".join(told) + "\n")


def _reference(one, prediction):
    path = one.model / "reference.json"
    before = read_reference(one.model)
    path.write_text(json.dumps(Reference(before.features, prediction, before.rows).to_dict()))


def test_rows_of_a_model_without_classes_are_counted_and_none_is_broken(logged):
    one = logged()
    one.answer(one.rows(3), at=1_700_000_000.0)
    _lines(one, [{"mean": [1.0, 2.0], "scale": 3.0}] * 3)
    observed = observe(one.ws, one.name)
    assert observed.broken == 0
    everything = observed.since(None)
    assert everything.rows == 3
    assert not everything.labels


def test_a_line_without_any_output_is_broken(logged):
    one = logged()
    one.answer(one.rows(2), at=1_700_000_000.0)
    _lines(one, [{}, {"value": 2.0}])
    observed = observe(one.ws, one.name)
    assert observed.broken == 1
    assert observed.since(None).rows == 1


def test_predicted_numbers_are_counted_in_the_bins_of_the_reference(logged):
    one = logged()
    _reference(one, PRICES)
    one.answer(one.rows(4), at=1_700_000_000.0)
    _lines(one, [{"value": 0.5}, {"value": 7}, {"value": None}, {"value": -1.0}])
    counts = observe(one.ws, one.name).since(None)
    model = counts.models["demo:v1"]
    assert model.answers.tolist() == [1, 1, 1, 1]
    again = Counts.from_dict(counts.to_dict()).models["demo:v1"]
    assert again.answers.tolist() == [1, 1, 1, 1]


@pytest.mark.parametrize("prediction", [None, PRICES], ids=["none", "number"])
def test_a_reference_without_classes_is_read_as_it_was_written(prediction):
    reference = Reference({"x": PRICES}, prediction, 300)
    assert Reference.from_dict(json.loads(json.dumps(reference.to_dict()))) == reference


def test_a_predicted_number_that_moves_away_is_drift():
    reference = Reference({}, PRICES, 300)
    moved, ordinary = (
        ModelCounts(300, answers=np.array([10, 90, 200, 0])),
        ModelCounts(300, answers=np.array([99, 101, 100, 0])),
    )
    assert drift(reference, moved.like(reference)).verdict == "drifting"
    assert drift(reference, ordinary.like(reference)).verdict == "ordinary"


def test_where_nothing_is_counted_there_is_no_verdict():
    nothing = Reference({}, None, 300)
    assert drift(nothing, ModelCounts(500).like(nothing)).drifted is None
