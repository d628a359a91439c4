"""Models that answer several numbers, or labels of which several may hold: what is told later, and drift."""

from __future__ import annotations

import dataclasses
import json
import time

import numpy as np
import pytest
from gone import GONE

from lepton_nb.errors import DataError
from lepton_nb.monitoring import feedback, labelled, observe, predictions, quality
from lepton_nb.runtime import Input, Output, Signature, uuid7
from lepton_nb.runtime.openapi import document
from lepton_nb.runtime.truths import Truths

NUMBERS = Signature("regression", (), (Input("age", "number"),), (Output("cost"), Output("days")))
FORECAST = Signature(
    "regression",
    (),
    NUMBERS.inputs,
    (*NUMBERS.outputs, Output("low", shape=(2,), quantile=0.1), Output("high", shape=(2,), quantile=0.9)),
)
LABELS = Signature("multilabel", (), (Input("age", "number"),), (Output("red"), Output("big")))


def answered(one, signature, answers):
    """A deployment whose model answered rows: their ids."""
    (one.model / "signature.json").write_text(json.dumps(signature.to_dict()))
    ids = [uuid7() for _ in answers]
    lines = [
        {"format": 1, "id": identifier, "time": time.time(), "slot": "champion", "version": one.version}
        | {"inputs": row, "outputs": outputs, "latency_ms": 1.0}
        for identifier, row, outputs in zip(ids, one.rows(len(answers)), answers, strict=True)
    ]
    (one.folder / "log-1-1.jsonl").write_text("".join(json.dumps(x, separators=(",", ":")) + "\n" for x in lines))
    return ids


def test_several_numbers_are_judged_together(logged):
    one = logged()
    told = np.array([[1.0, 5.0], [2.0, 7.0], [3.0, 0.0]])
    right = np.array([[1.5, 4.0], [2.0, 9.0], [0.0, 0.0]])
    ids = answered(one, NUMBERS, [{"cost": a, "days": b} for a, b in told])
    truths = [json.dumps({"days": b, "cost": a}) for a, b in right]
    assert feedback(one.ws, one.name, dict(zip(ids, [*truths[:2], '{"cost": 9, "days": 9}'], strict=True))).joined == 3
    # One is corrected later.
    feedback(one.ws, one.name, {ids[2]: truths[2]})
    found = quality(one.ws, one.name)
    assert found.mae == pytest.approx(np.abs(told - right).mean())
    assert found.rmse == pytest.approx(np.sqrt(((told - right) ** 2).mean()))
    assert labelled(one.ws, one.name).column("truth").to_pylist()[0] == '{"cost":1.5,"days":4.0}'


@pytest.mark.parametrize("sealed", [False, True])
@pytest.mark.parametrize("names", [["cost", "days"], ["cost"]])
def test_quantiles_beside_the_numbers_are_logged_and_not_judged(logged, names, sealed):
    one = logged(inputs=NUMBERS.inputs)
    wide = (len(names),)
    outputs = [*map(Output, names), Output("low", shape=wide, quantile=0.1), Output("high", shape=wide, quantile=0.9)]
    signature = dataclasses.replace(FORECAST, outputs=tuple(outputs))
    told = [{**dict.fromkeys(names, 2.0), "low": [1.0] * len(names), "high": [4.0] * len(names)}] * 3
    ids = answered(one, signature, told)
    if sealed:
        (one.folder / "log-1-1.jsonl").rename(one.folder / f"log-{GONE}-1.jsonl")
        observe(one.ws, one.name)
        assert list((one.folder / "sealed").glob("*.parquet"))
    (rows,) = predictions(one.ws, one.name)
    assert [json.loads(text) for text in rows.column("outputs").to_pylist()] == told
    right = json.dumps(dict.fromkeys(names, 3.5)) if len(names) > 1 else 3.5
    assert feedback(one.ws, one.name, dict.fromkeys(ids, right)).joined == 3
    assert quality(one.ws, one.name).mae == pytest.approx(1.5)


def test_labels_are_judged_one_by_one(logged):
    one = logged()
    ids = answered(one, LABELS, [{"red": 0.9, "big": 0.2}, {"red": 0.6, "big": 0.7}, {"red": 0.1, "big": 0.1}])
    assert feedback(one.ws, one.name, {ids[0]: "red", ids[1]: '["big"]', ids[2]: "[]"}).joined == 3
    found = quality(one.ws, one.name)
    # Five of six labels are right; told are red, red and big, of which one red is not there.
    assert (found.labelled, found.accuracy) == (6, pytest.approx(5 / 6))
    assert found.f1_positive == pytest.approx(0.8)
    assert "F1 of yes" in found.as_text()


@pytest.mark.parametrize(
    ("signature", "label"),
    [
        (NUMBERS, "3"),
        (NUMBERS, '{"cost": 1}'),
        (NUMBERS, '{"cost": 1, "days": 1e300}'),
        (LABELS, "green"),
        (LABELS, '["red", "red"]'),
        (LABELS, "0.5"),
    ],
)
def test_what_such_a_model_cannot_answer_is_refused(logged, signature, label):
    one = logged()
    ids = answered(one, signature, [{output.name: 0.5 for output in signature.outputs}])
    with pytest.raises(DataError, match=r"row 0: label .* is none that the model answers; expected (an object|a list)"):
        feedback(one.ws, one.name, {ids[0]: label})


def test_what_may_be_told_is_in_the_description_of_the_service():
    right = {"cost": 1, "days": 2.5}
    for signature, taken in ((NUMBERS, right), (FORECAST, right), (LABELS, ["big"]), (LABELS, [])):
        assert Truths.of([signature]).takes(taken)
        assert "/feedback" in json.loads(document(signature, "m:1"))["paths"]


def test_each_of_several_answers_is_watched_for_drift(logged):
    from lepton_nb.artifact.reference import reference_of
    from lepton_nb.monitoring import monitor
    from lepton_nb.workspace import write_json

    one = logged(inputs=LABELS.inputs)
    rng = np.random.default_rng(0)
    held_out = {"red": rng.uniform(0, 0.5, 400), "big": rng.uniform(0, 1, 400)}
    reference = reference_of(LABELS, {"age": rng.normal(40, 10, 400)}, held_out)
    answered(one, LABELS, [{"red": 0.9, "big": float(value)} for value in rng.uniform(0, 1, 300)])
    write_json(one.model / "reference.json", reference.to_dict())
    moved = {each.name: each.psi for each in monitor(one.ws, one.name).drift.features}
    assert moved["prediction.red"] > 1.0
    assert moved["prediction.big"] < 0.2
