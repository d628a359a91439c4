import copy
import dataclasses
import json
import math
import pickle
import shutil

import numpy as np
import pandas as pd
import pytest

from lepton_nb import tracking
from lepton_nb.errors import FormatError, NotFoundError
from lepton_nb.records import Line, Metric, Metrics
from lepton_nb.workspace import Workspace

TOLD = [
    Metric("val_loss", 2.0, 4, 5.0),
    Metric("val_loss", 1.0, 8, 6.0),
    Metric("a/b", math.inf, 4, 5.0),
    Metric("a/b", 7.0, 2, 4.0),
    # A step that was told twice, as by two processes.
    Metric("val_loss", 0.5, 8, 7.0),
]


@pytest.fixture
def ws(tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.delenv("MLFLOW_EXPERIMENT_NAME", raising=False)
    return Workspace(tmp_path / ".lepton")


@pytest.fixture
def run(ws):
    run_id = tracking.start_run(ws, "cnn-1", {}, {})
    tracking.log_metrics(ws, run_id, TOLD)
    return tracking.get(ws, run_id)


def expected():
    steps = pd.Index([2, 4, 8], dtype="int64", name="step")
    return pd.DataFrame({"a/b": [7.0, np.nan, np.nan], "val_loss": [np.nan, 2.0, 0.5]}, index=steps)


def test_metrics_are_the_last_values_and_can_be_called_for_all_of_them(ws, run):
    assert run.metrics["val_loss"] == 0.5
    assert dict(run.metrics).keys() == {"val_loss", "a/b"}
    pd.testing.assert_frame_equal(run.metrics(), expected())
    pd.testing.assert_frame_equal(tracking.recorded(ws, run.id).metrics(), expected())


def test_lines_ascend_and_carry_the_runs_name(ws, run):
    of_a, of_loss = tracking.lines(ws, run)
    assert of_loss == Line("val_loss", (4, 8), (2.0, 0.5), "cnn-1")
    assert (of_a.name, of_a.steps, of_a.run) == ("a/b", (2, 4), "cnn-1")
    assert repr(dataclasses.astuple(of_a)[2]) == "(7.0, nan)"


def test_a_run_without_a_folder_here_is_asked_of_the_store(ws, run):
    shutil.rmtree(run.path)
    pd.testing.assert_frame_equal(run.metrics(), expected())
    assert [line.name for line in tracking.lines(ws, run)] == ["a/b", "val_loss"]
    with pytest.raises(NotFoundError, match="no run 0000"):
        tracking.lines(ws, dataclasses.replace(run, id="0" * 32))


def test_a_run_that_was_reopened_goes_on_in_the_same_table(ws, run):
    tracking.finish_run(ws, run.id, "stopped")
    tracking.reopen_run(ws, run.id)
    tracking.log_metrics(ws, run.id, [Metric("val_loss", 0.25, 12, 9.0)])
    assert list(run.metrics()["val_loss"].dropna()) == [2.0, 0.5, 0.25]


def test_a_run_that_measured_nothing_has_an_empty_table(ws):
    run = tracking.get(ws, tracking.start_run(ws, "none", {}, {}))
    assert (run.metrics, run.metrics().shape, run.metrics().index.name) == ({}, (0, 0), "step")
    assert list(Metrics({"loss": 1.0})().columns) == ["loss"]


def test_a_broken_line_is_named(ws, run):
    (run.path / "spool.jsonl").write_text("{")
    assert run.metrics().empty
    (run.path / "spool.jsonl").write_text("{\n")
    with pytest.raises(FormatError, match=r"spool.jsonl is not readable"):
        run.metrics()


def test_a_run_is_still_pickled_copied_and_written_as_json(ws, run):
    for other in (pickle.loads(pickle.dumps(run)), copy.deepcopy(run), copy.copy(run), dataclasses.replace(run)):
        assert str(other.metrics) == str(run.metrics)
        pd.testing.assert_frame_equal(other.metrics(), expected())
    body = json.loads(json.dumps(run.to_json(), allow_nan=False))
    assert body["metrics"] == {"a/b": None, "val_loss": 0.5}
    assert dataclasses.asdict(run)["metrics"]["val_loss"] == 0.5
