"""Runs side by side, on a real store."""

import json

import pytest

import lepton_nb
from lepton_nb import tracking
from lepton_nb.commands import hosted, invoke
from lepton_nb.errors import NotFoundError, UsageError
from lepton_nb.records import Metric
from lepton_nb.workspace import Workspace


@pytest.fixture
def ws(tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("LEPTON_HOME", str(tmp_path / ".lepton"))
    return Workspace(tmp_path / ".lepton")


@pytest.fixture
def runs(ws):
    def make(name, lr, *names):
        run_id = tracking.start_run(ws, name, {"lr": lr, "epochs": 3}, {})
        values = [Metric(one, lr / (step + 1), step, 5.0 + step) for one in names for step in range(3)]
        tracking.log_metrics(ws, run_id, values)
        tracking.finish_run(ws, run_id, "finished")
        return run_id

    return [make("one", 0.3, "val_loss", "val_acc"), make("two", 0.6, "val_loss", "<i>"), make("three", 0.9, "val_acc")]


def compared(fake_host, *words):
    return invoke(["runs", "compare", *words], fake_host()).result


def test_runs_are_compared_by_name_prefix_and_last_with_the_shared_loss_drawn(runs, fake_host) -> None:
    found = compared(fake_host, "two", runs[0][:10])
    assert [run.id for run in found.runs] == [runs[1], runs[0]]
    assert found.metric == "val_loss"
    assert "<svg" in found.picture
    assert "two" in found.picture
    assert found.picture in found._repr_mimebundle_()["text/html"]
    text = found.as_text().splitlines()
    assert any(line.split() == ["val_loss", "0.2", "0.1", "best"] for line in text)
    assert any(line.split() == ["param", "lr", "0.6", "0.3"] for line in text)
    assert text[-1] == "1 more parameter is the same"
    assert compared(fake_host, "last", "one").metric == "val_acc"


def test_a_metric_can_be_named_and_must_be_shared(runs, fake_host) -> None:
    assert compared(fake_host, "one", "three", "--metric", "val_acc").metric == "val_acc"
    with pytest.raises(UsageError, match=r"'val_acc' was not measured by all of these runs; expected one of val_loss"):
        compared(fake_host, "one", "two", "--metric", "val_acc")
    with pytest.raises(UsageError, match="they share none"):
        compared(fake_host, "two", "three", "--metric", "val_acc")


def test_runs_that_share_no_metric_are_compared_without_a_picture(runs, fake_host) -> None:
    found = compared(fake_host, "two", "three")
    assert (found.metric, found.picture) == ("", "")
    assert "param lr" in found.as_text()


@pytest.mark.parametrize("words", [(), ("one",), ("one", "one"), ("last", "three")])
def test_one_run_is_no_comparison(words, runs, fake_host) -> None:
    with pytest.raises(UsageError, match=r"needs two|Missing argument"):
        compared(fake_host, *words)


def test_an_unknown_run_is_not_found(runs, fake_host) -> None:
    with pytest.raises(NotFoundError, match="'for'"):
        compared(fake_host, "one", "for")


def test_python_takes_runs_and_variables_too(ws, runs, fake_host) -> None:
    one, two = tracking.get(ws, "one"), tracking.get(ws, "two")
    assert lepton_nb.runs_compare([one, two]).runs[1].id == two.id
    with hosted(fake_host(mine=one)):
        assert lepton_nb.runs_compare(["mine", "two"]).runs[0].id == one.id
    assert json.dumps(lepton_nb.runs_compare([one, two]).to_json(), allow_nan=False)
