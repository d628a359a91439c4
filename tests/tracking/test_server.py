import json
import os
import socket
import subprocess
import sys
import time
import urllib.request

import pytest

from lepton_nb import tracking
from lepton_nb.errors import TrackingError
from lepton_nb.processes import free_port, identify
from lepton_nb.processes import stop as stop_process
from lepton_nb.records import Metric
from lepton_nb.workspace import Workspace

TAGS = {"lepton.model": "mlp", "lepton.data": "d" * 64}


def start_server(folder, port):
    """A real tracking server on loopback, on a store that our own template starts with."""
    tracking.create(Workspace(folder / ".lepton"))
    command = [
        *(sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"),
        *("--backend-store-uri", f"sqlite:///{folder}/.lepton/mlflow.db"),
        *("--artifacts-destination", str(folder / "served")),
    ]
    environment = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"}
    with (folder / "server.log").open("ab") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True, env=environment)
    for _ in range(600):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5).close()
        except OSError:
            assert process.poll() is None, (folder / "server.log").read_text()
            time.sleep(0.1)
        else:
            return process
    raise AssertionError((folder / "server.log").read_text())


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    folder, port = tmp_path_factory.mktemp("server"), free_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        process = start_server(folder, port)
    yield f"http://127.0.0.1:{port}"
    stop_process(identify(process.pid), grace=1)
    process.wait()


@pytest.fixture
def ws(tmp_path, monkeypatch, served):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", served)
    return Workspace(tmp_path / ".lepton")


@pytest.fixture
def gone():
    """An address where nothing listens, reserved so that nothing will."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield f"http://ada:s3cret@127.0.0.1:{held.getsockname()[1]}"


def history(served, run_id, name):
    from mlflow.tracking import MlflowClient

    return [(m.step, m.value) for m in MlflowClient(served).get_metric_history(run_id, name)]


def test_a_server_keeps_runs_as_the_workspaces_own_store_does(ws, served):
    run_id = tracking.start_run(ws, "mlp-1", {"lr": 0.1}, TAGS)
    metrics = [Metric("val_loss", 1.0, 0, 5.0), Metric("val_loss", 0.5, 1, 6.0), Metric("bad", float("nan"), 1, 6.0)]
    tracking.log_metrics(ws, run_id, metrics)
    (ws.run(run_id) / "weights.safetensors").write_bytes(b"abc")
    tracking.log_files(ws, run_id, [ws.run(run_id) / "weights.safetensors"])
    tracking.finish_run(ws, run_id, "stopped", "asked")
    run = tracking.get(ws, run_id[:8])
    assert (run.id, run.status, run.cause, run.params) == (run_id, "stopped", "asked", {"lr": "0.1"})
    assert run.metrics["val_loss"] == 0.5
    assert run.metrics["bad"] != run.metrics["bad"]
    assert run.tags["sha256.weights.safetensors"].startswith("ba7816bf")
    assert history(served, run_id, "val_loss") == [(0, 1.0), (1, 0.5)]
    assert not ws.mlflow_db.exists()
    tracking.delete(ws, run_id)
    assert run_id not in [run.id for run in tracking.runs(ws).runs]


def test_without_the_server_reads_fail_soon_and_name_it_but_not_its_password(ws, gone, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", gone)
    for read in (lambda: tracking.runs(ws), lambda: tracking.get(ws, "last"), lambda: tracking.delete(ws, "last")):
        with pytest.raises(
            TrackingError, match=r"http://127.0.0.1:\d+ does not answer; .*MLFLOW_TRACKING_URI"
        ) as error:
            read()
        assert "s3cret" not in str(error.value)
    assert not ws.home.exists()


def test_a_server_that_takes_connections_and_says_nothing_is_given_up(ws, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{silent.getsockname()[1]}")
        monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
        with pytest.raises(TrackingError, match="does not answer"):
            tracking.runs(ws)


def test_a_run_that_starts_without_the_server_is_told_in_full_when_it_is_back(ws, served, gone, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", gone)
    run_id = tracking.start_run(ws, "mlp-2", {"lr": 0.2}, TAGS)
    tracking.log_metrics(ws, run_id, [Metric("val_loss", 1.0 / (step + 1), step, 5.0 + step) for step in range(4)])
    (ws.run(run_id) / "w").write_bytes(b"abc")
    tracking.log_files(ws, run_id, [ws.run(run_id) / "w"])
    tracking.finish_run(ws, run_id, "finished")
    offline = tracking.recorded(ws, run_id)
    assert (offline.status, offline.name, offline.metrics) == ("finished", "mlp-2", {"val_loss": 0.25})

    # The server is back where it was: here, by another port.
    record = ws.run(run_id) / "tracking.json"
    record.write_text(record.read_text().replace(gone, served))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", served)
    run = tracking.get(ws, run_id)
    assert (run.id, run.status, run.params, run.metrics) == (run_id, "finished", {"lr": "0.2"}, {"val_loss": 0.25})
    assert run.tags["sha256.w"].startswith("ba7816bf")
    assert tracking.get(ws, run_id[:10]).id == tracking.get(ws, "mlp-2").id == run_id
    store_id = json.loads(record.read_text())["store_id"]
    assert history(served, store_id, "val_loss") == [(0, 1.0), (1, 0.5), (2, 1 / 3), (3, 0.25)]

    # An interrupted sender forgets what it has sent, and even that it made the run: nothing is there twice.
    record.write_text(record.read_text().replace(f'"{store_id}"', "null"))
    (ws.run(run_id) / "spool.sent").write_text("0")
    assert tracking.flush(ws, run_id)
    assert [run.name for run in tracking.runs(ws).runs].count("mlp-2") == 1
    assert len(history(served, store_id, "val_loss")) == 4

    (old,) = tracking.expired(ws, time.time() + 1)
    tracking.prune(ws, old)
    assert (old.id, tracking.find(ws, run_id), ws.run(run_id).exists()) == (run_id, None, False)


def test_what_a_server_missed_is_sent_when_runs_are_listed(ws, served, gone, monkeypatch):
    run_id = tracking.start_run(ws, "mlp-3", {}, TAGS)
    record = ws.run(run_id) / "tracking.json"
    record.write_text(record.read_text().replace(served, gone))
    tracking.log_metrics(ws, run_id, [Metric("val_loss", 0.5, 0, 5.0)])
    assert not tracking.flush(ws, run_id)
    record.write_text(record.read_text().replace(gone, served))
    assert tracking.runs(ws, 1).runs[0].metrics == {"val_loss": 0.5}


def test_a_run_that_goes_on_while_the_server_is_away_is_told_so_when_it_is_back(ws, served, gone, monkeypatch):
    run_id = tracking.start_run(ws, "mlp-4", {}, TAGS)
    tracking.finish_run(ws, run_id, "failed", "out of cheese")
    assert tracking.get(ws, run_id).cause == "out of cheese"
    record = ws.run(run_id) / "tracking.json"
    record.write_text(record.read_text().replace(served, gone))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", gone)
    tracking.reopen_run(ws, run_id)
    own = tracking.recorded(ws, run_id)
    assert (own.status, own.cause, own.ended) == ("running", "", None)

    monkeypatch.setenv("MLFLOW_TRACKING_URI", served)
    # The server answers this process, and has not been told: the folder knows better.
    behind = tracking.get(ws, run_id)
    assert (behind.status, behind.cause, behind.ended) == ("running", "", None)
    record.write_text(record.read_text().replace(gone, served))
    back = tracking.get(ws, run_id)
    assert (back.status, back.cause, back.ended, back.tags["resumed"]) == ("running", "", None, "1")
    tracking.finish_run(ws, run_id, "finished")
    assert (tracking.get(ws, run_id).status, tracking.get(ws, run_id).cause) == ("finished", "")
