import json
import subprocess
import sys
import time

import pytest

from lepton_nb import processes, tracking
from lepton_nb.errors import ConflictError, FormatError, NotFoundError
from lepton_nb.records import Metric
from lepton_nb.workspace import Workspace

TAGS = {"lepton.model": "cnn", "lepton.data": "d" * 64}


@pytest.fixture(autouse=True)
def own_store(monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.delenv("MLFLOW_EXPERIMENT_NAME", raising=False)


@pytest.fixture
def ws(tmp_path):
    return Workspace(tmp_path / ".lepton")


@pytest.fixture
def trainer():
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    yield process
    process.kill()
    process.wait()


def start(ws, name="cnn-1"):
    return tracking.start_run(ws, name, {}, TAGS)


def told(run):
    return run.status, run.cause, run.ended is None, dict(run.metrics), run.tags.get("resumed")


def both(ws, run_id):
    """What the store says of a run, which is what its folder says."""
    stored, own = told(tracking.get(ws, run_id)), told(tracking.recorded(ws, run_id))
    assert stored == own
    return stored


def stored_status(ws, run_id):
    from mlflow.tracking import MlflowClient

    return MlflowClient(tracking.uri(ws)).get_run(run_id).info.status


@pytest.mark.parametrize("status", ["stopped", "failed", "finished"])
def test_a_run_that_is_over_goes_on_under_its_id_and_ends_anew(ws, status):
    run_id = start(ws)
    tracking.log_metrics(ws, run_id, [Metric("val_loss", 1.0, 3, 5.0)])
    tracking.finish_run(ws, run_id, status, "out of cheese")
    assert both(ws, run_id)[:2] == (status, "out of cheese")
    assert tracking.reopen_run(ws, run_id) is None
    assert both(ws, run_id) == ("running", "", True, {"val_loss": 1.0}, "1")
    assert stored_status(ws, run_id) == "RUNNING"
    assert run_id in tracking.living(ws)
    tracking.log_metrics(ws, run_id, [Metric("val_loss", 0.5, 4, 9.0)])
    tracking.finish_run(ws, run_id, "finished")
    assert both(ws, run_id) == ("finished", "", False, {"val_loss": 0.5}, "1")
    tracking.reopen_run(ws, run_id)
    tracking.finish_run(ws, run_id, "stopped", "asked")
    assert both(ws, run_id)[0::4] == ("stopped", "2")


def test_a_run_that_goes_on_and_is_killed_reads_as_failed(ws, trainer):
    run_id = start(ws)
    tracking.finish_run(ws, run_id, "finished")
    tracking.reopen_run(ws, run_id, processes.identify(trainer.pid))
    assert both(ws, run_id)[0] == "running"
    trainer.kill()
    trainer.wait()
    assert both(ws, run_id)[:3] == ("failed", f"its process {trainer.pid} ended without a word", False)
    assert stored_status(ws, run_id) == "FAILED"


def test_a_run_that_died_without_a_word_goes_on_and_its_death_is_told_first(ws, trainer):
    run_id = start(ws)
    tracking.mark_process(ws, run_id, processes.identify(trainer.pid))
    trainer.kill()
    trainer.wait()
    tracking.reopen_run(ws, run_id)
    assert both(ws, run_id)[:3] == ("running", "", True)
    kinds = [json.loads(line)["kind"] for line in (ws.run(run_id) / "spool.jsonl").read_text().splitlines()]
    assert kinds == ["finish", "resume"]


def test_a_run_that_is_running_is_not_opened_twice(ws):
    run_id = start(ws)
    with pytest.raises(ConflictError, match=r"run cnn-1 \(\w{8}\) is not over; .*lepton stop"):
        tracking.reopen_run(ws, run_id)
    tracking.finish_run(ws, run_id, "stopped")
    tracking.reopen_run(ws, run_id)
    with pytest.raises(ConflictError):
        tracking.reopen_run(ws, run_id)
    assert both(ws, run_id)[::4] == ("running", "1")


def test_a_run_of_which_nobody_knows_whether_it_lives_is_not_opened(ws):
    broken, foreign = start(ws), start(ws)
    (ws.run(broken) / "process.json").write_text("{")
    (ws.run(foreign) / "process.json").unlink()
    with pytest.raises(ConflictError, match=r"process.json is not readable"):
        tracking.reopen_run(ws, broken)
    with pytest.raises(ConflictError, match="is not over"):
        tracking.reopen_run(ws, foreign)
    with pytest.raises(NotFoundError, match="was not started in"):
        tracking.reopen_run(ws, "0" * 32)


def test_a_run_that_goes_on_is_kept_by_a_clean_up_though_the_store_was_not_told_yet(ws, monkeypatch):
    run_id = start(ws)
    tracking.finish_run(ws, run_id, "stopped")
    assert [one.id for one in tracking.expired(ws, time.time() + 1)] == [run_id]
    with monkeypatch.context() as patch:
        patch.setattr("lepton_nb.tracking.reopening.flush", lambda ws, run_id: False)
        tracking.reopen_run(ws, run_id)
    assert stored_status(ws, run_id) == "KILLED"
    assert tracking.expired(ws, time.time() + 1) == ()
    assert both(ws, run_id)[0] == "running"
    assert stored_status(ws, run_id) == "RUNNING"
    assert tracking.expired(ws, time.time() + 1) == ()


def test_what_is_told_again_after_an_interruption_leaves_the_last_word(ws):
    run_id = start(ws)
    tracking.finish_run(ws, run_id, "failed", "out of cheese")
    tracking.reopen_run(ws, run_id)
    (ws.run(run_id) / "spool.sent").write_text("0")
    assert both(ws, run_id)[:3] == ("running", "", True)
    assert stored_status(ws, run_id) == "RUNNING"


def test_a_last_value_is_that_of_the_last_step_and_the_largest_steps_are_known(ws):
    run_id = start(ws)
    assert tracking.last_steps(ws, run_id) == {}
    steps = [Metric("loss", 1.0, 7, 5.0), Metric("loss", 2.0, 3, 6.0), Metric("a/b", float("nan"), 0, 6.0)]
    tracking.log_metrics(ws, run_id, steps)
    assert tracking.last_steps(ws, run_id) == {"loss": 7, "a/b": 0}
    assert tracking.get(ws, run_id).metrics["loss"] == tracking.recorded(ws, run_id).metrics["loss"] == 1.0


def test_a_broken_line_is_refused_before_anything_is_written(ws):
    run_id = start(ws)
    (ws.run(run_id) / "spool.jsonl").write_text('{"format": 1, "kind": "resume"}\n')
    with pytest.raises(FormatError, match="not readable"):
        tracking.reopen_run(ws, run_id)
    with pytest.raises(FormatError, match="not readable"):
        tracking.last_steps(ws, run_id)
