"""A card says what the shipped artifact does, measured on rows that the network did not learn from."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import accuracy_score, confusion_matrix, log_loss

from lepton_nb.artifact import network_probabilities
from lepton_nb.data import load, read
from lepton_nb.errors import DataError, NotFoundError, PackagingError
from lepton_nb.evaluation import evaluate
from lepton_nb.evaluation.measure import peak_memory_mb
from lepton_nb.runtime import verify_manifest
from lepton_nb.scores import Tally
from lepton_nb.workspace import Workspace


@pytest.fixture(scope="module")
def measured(trained):
    one = trained("breast_cancer")
    return one, evaluate(one.ws, one.run, one.data)


def test_its_scores_are_those_of_the_network_on_the_test_part(measured):
    one, card = measured
    targets = read(one.data, "test")[1]
    expected = network_probabilities(one.run, one.data, "test")
    guess = expected.argmax(axis=1)
    assert (card.run, card.data, card.part, card.rows) == (one.run.id, one.data.id, "test", len(targets))
    assert card.metrics["accuracy"] == pytest.approx(accuracy_score(targets, guess))
    assert card.metrics["log_loss"] == pytest.approx(log_loss(targets, expected), abs=1e-5)
    assert set(card.metrics) == {"accuracy", "f1", "roc_auc", "log_loss", "calibration_error"}
    assert card.confusion == tuple(map(tuple, confusion_matrix(targets, guess).tolist()))
    assert card.classes == one.data.classes


def test_it_says_what_the_model_costs(measured):
    one, card = measured
    assert card.model_bytes == (one.run.path / "artifact" / "model.onnx").stat().st_size
    assert card.parameters > 1000
    assert 0 < card.latency_p50_ms <= card.latency_p95_ms
    assert 20 < card.peak_memory_mb < 300
    text = card.as_text()
    assert "latency p50 / p95" in text
    assert f"{card.parameters:,}" in text


def test_it_lies_beside_the_model_and_in_the_manifest(measured):
    one, card = measured
    folder = one.run.path / "artifact"
    kept = json.loads((folder / "card.json").read_text())
    assert kept["format"] == 1
    assert kept["metrics"] == card.metrics
    assert "card.json" in verify_manifest(folder).files


def test_the_sums_over_the_held_out_rows_lie_beside_it(measured):
    one, card = measured
    folder = one.run.path / "artifact"
    kept = json.loads((folder / "heldout.json").read_text())
    tally = Tally(len(card.classes))
    tally.add_dict(kept)
    assert (kept["format"], kept["part"], tally.rows) == (1, "test", card.rows)
    assert tally.accuracy == pytest.approx(card.metrics["accuracy"])
    assert "heldout.json" in verify_manifest(folder).files


def test_only_the_card_of_the_test_part_is_kept(measured):
    one, _ = measured
    before = (one.run.path / "artifact" / "card.json").read_bytes()
    card = evaluate(one.ws, one.run, one.data, part="validation")
    assert (card.part, card.rows) == ("validation", one.data.rows["validation"])
    assert (one.run.path / "artifact" / "card.json").read_bytes() == before


def as_frame(data, part="test"):
    inputs, targets = read(data, part)
    frame = pd.DataFrame(inputs)
    frame["diagnosis"] = np.array(data.classes, dtype=object)[targets]
    return frame


def test_other_rows_with_the_same_columns_are_measured_too(measured):
    one, card = measured
    # The order of classes and columns is the run's, whatever that of the other rows.
    again = load(one.ws, as_frame(one.data, "train").iloc[:, ::-1], target="diagnosis", name="again", test_size=0.4)
    other = evaluate(one.ws, one.run, again)
    assert (other.data, other.rows) == (again.id, again.rows["test"])
    assert other.classes == card.classes
    assert other.metrics["accuracy"] > 0.9


def test_rows_that_do_not_fit_are_refused_by_name(measured):
    one, _ = measured
    frame = as_frame(one.data)
    without = load(one.ws, frame.drop(columns=["mean radius"]), target="diagnosis", name="without")
    with pytest.raises(DataError, match="lacks what the run takes: mean radius"):
        evaluate(one.ws, one.run, without)
    renamed = load(one.ws, frame.replace({"diagnosis": {"benign": "fine"}}), target="diagnosis", name="renamed")
    with pytest.raises(DataError, match="which the run does not know: fine"):
        evaluate(one.ws, one.run, renamed)
    with pytest.raises(DataError, match=r"no rows in part 'all'.*test \(114 rows\)"):
        evaluate(one.ws, one.run, one.data, part="all")


def test_a_run_whose_data_is_gone_is_told_so(measured, tmp_path):
    one, _ = measured
    ws = Workspace(tmp_path / ".lepton")
    elsewhere = load(ws, as_frame(one.data), target="diagnosis", name="elsewhere")
    with pytest.raises(NotFoundError, match="load it again"):
        evaluate(ws, dataclasses.replace(one.run, id="moved"), elsewhere)


def test_memory_is_that_of_a_process_with_nothing_else_in_it(measured):
    one, card = measured
    script = (
        "import sys, numpy as np, pathlib; held = np.ones(60_000_000);"
        "from lepton_nb.evaluation.measure import peak_memory_mb;"
        "print(peak_memory_mb(pathlib.Path(sys.argv[1])), held.sum())"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(one.run.path / "artifact")], capture_output=True, text=True, check=True
    )
    assert float(done.stdout.split()[0]) == pytest.approx(card.peak_memory_mb, rel=0.2)


def test_a_model_that_a_fresh_process_cannot_load_is_named(tmp_path):
    with pytest.raises(PackagingError, match="manifest"):
        peak_memory_mb(tmp_path)
