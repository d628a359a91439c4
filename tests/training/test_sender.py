import socket
import time

import pytest

from lepton_nb import tracking
from lepton_nb.records import Metric
from lepton_nb.training.events import EventLog, Tail
from lepton_nb.training.trainer.sender import Sender
from lepton_nb.workspace import Workspace


@pytest.fixture
def ws(tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return Workspace(tmp_path / ".lepton")


def started(ws):
    return tracking.start_run(ws, "mlp-1", {}, {"lepton.model": "mlp", "lepton.data": "d" * 64})


def until(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_metrics_are_sent_while_the_training_goes_on(ws):
    run_id = started(ws)
    with Sender(ws, run_id, EventLog(ws.run(run_id)), interval=0.01):
        tracking.spool_metrics(ws, run_id, [Metric("val_loss", 0.5, 0, 5.0)])
        until((ws.run(run_id) / "spool.sent").exists)
    assert Tail(ws.run(run_id)).read() == []
    assert tracking.get(ws, run_id).metrics == {"val_loss": 0.5}


def test_a_server_that_is_away_is_told_once_and_holds_nothing_up(ws, monkeypatch):
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{held.getsockname()[1]}")
        run_id = started(ws)
        tail, told = Tail(ws.run(run_id)), []
        with Sender(ws, run_id, EventLog(ws.run(run_id)), interval=0.01):
            tracking.spool_metrics(ws, run_id, [Metric("val_loss", 0.5, 0, 5.0)])
            until(lambda: told.extend(tail.read()) or told)
            time.sleep(0.1)
    told += tail.read()
    assert [event.text for event in told] == [
        "the tracking store is away or busy; training goes on, metrics wait in the job folder"
    ]
    assert tracking.recorded(ws, run_id).metrics == {"val_loss": 0.5}
