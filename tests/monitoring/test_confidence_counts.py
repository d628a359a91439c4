"""How sure a model was is counted with its predictions, whichever way they were asked for."""

from __future__ import annotations

import time

import numpy as np
import pyarrow as pa
from judging import bulk_record, predict

from lepton_nb.monitoring import observe
from lepton_nb.monitoring.counts import Counts
from lepton_nb.scores import CONFIDENCE_BINS, count_confidence


def test_lines_and_records_are_counted_as_the_rows(logged):
    one = logged()
    now, rng = time.time(), np.random.default_rng(0)
    yes = rng.random(60)
    predict(one, one.rows(40), yes[:40], at=now)
    table = pa.table({"age": rng.normal(40, 10, 20), "city": ["oslo"] * 20})
    bulk_record(one, table, yes[40:], at=now - 200)
    counts = observe(one.ws, one.name).since(None)
    found = counts.models["demo:v1"].confidence
    expected = count_confidence(np.stack([1 - yes, yes], axis=1))
    assert {place: expected.ravel()[place] for place in found} == found
    assert found.total() == 60 == expected.sum()
    assert max(found) < 2 * CONFIDENCE_BINS
    assert Counts.from_dict(counts.to_dict()).models["demo:v1"].confidence == found


def test_windows_of_before_are_read_without(logged):
    one = logged()
    predict(one, one.rows(3), [0.1, 0.9, 0.8])
    value = observe(one.ws, one.name).since(None).to_dict()
    del value["models"]["demo:v1"]["confidence"]
    assert not Counts.from_dict(value).models["demo:v1"].confidence
