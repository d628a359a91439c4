"""The same module on a Ray cluster: one of this machine, and two nodes made by Ray's own cluster utility."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
import pytest
import pytorch_lightning as pl
import torch
from networks import Rows, StopAt
from plain_networks import Plain
from safetensors.torch import load_file

from lepton_nb import data, tracking, training
from lepton_nb.errors import TrainingError
from lepton_nb.records import Epoch, Note, Started
from lepton_nb.training import Fit
from lepton_nb.training.events import Tail

TOKEN = "RAY_AUTH_TOKEN_PATH"
TWO_NODES = Path(__file__).parents[1] / "pipelines" / "two_nodes.py"


@pytest.fixture(scope="module")
def table(ws):
    rows = Rows()
    return data.load(ws, (rows.features.numpy(), rows.targets.numpy()))


@pytest.fixture(scope="module")
def alone(ws, table):
    """The run of a single process."""
    return train(ws, table)


@pytest.fixture(scope="module")
def nodes():
    """The address of two nodes with a CPU each, and the file with their token."""
    # Sockets of Ray lie in it, whose paths must be short.
    folder = Path(tempfile.mkdtemp(prefix="lepton-", dir="/tmp"))
    token = folder / "token"
    token.write_text("0" * 40)
    env = {**os.environ, "RAY_AUTH_MODE": "token", TOKEN: str(token), "LEPTON_WARM": "0"}
    with (folder / "log").open("w") as log:
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": log}
        process = subprocess.Popen([sys.executable, str(TWO_NODES), str(folder)], **pipes, text=True, env=env)
    started = []
    try:
        words = process.stdout.readline().split()
        assert len(words) == 2, (folder / "log").read_text()[-2000:]
        started = psutil.Process(process.pid).children(recursive=True)
        yield words[0], token
    finally:
        process.stdin.close()
        process.wait(60)
        _, left = psutil.wait_procs(started, 10)
        shutil.rmtree(folder)
    assert not left


@pytest.fixture
def cluster(nodes, monkeypatch):
    address, token = nodes
    for name, value in {"RAY_ADDRESS": address, "RAY_AUTH_MODE": "token", TOKEN: str(token)}.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def here(monkeypatch):
    """No cluster is named."""
    for name in ("RAY_ADDRESS", "RAY_AUTH_MODE", TOKEN):
        monkeypatch.delenv(name, raising=False)


def train(ws, source, *, told=None, callbacks=(), name=None, detach=False, **options):
    fit = Fit(**{"epochs": 4, "batch_size": 16, "seed": 1, "patience": 0, "checkpoint_every": 0.0, **options})
    report = (told if told is not None else []).append
    return training.train(ws, Plain, source, fit, callbacks=callbacks, name=name, detach=detach, report=report)


def assert_equal(run, other):
    assert run.status == other.status == "finished"
    assert run.metrics == pytest.approx(other.metrics, abs=1e-4)
    first, second = (load_file(one.path / "weights.safetensors") for one in (run, other))
    assert all(torch.allclose(first[name], second[name], atol=1e-4, rtol=0) for name in first)


def assert_told_once(run):
    spool = [json.loads(line) for line in (run.path / "spool.jsonl").read_text().splitlines()]
    points = [(point[0], point[2]) for line in spool if line["kind"] == "metrics" for point in line["metrics"]]
    assert len(set(points)) == len(points) > 0
    assert [event.epoch for event in Tail(run.path).read() if isinstance(event, Epoch)] == [0, 1, 2, 3]


class AtOnce(pl.Callback):
    """Something befalls the second worker at a batch, the first time that it gets there."""

    def __init__(self, what, mark, batch=17):
        self.what, self.mark, self.batch = what, mark, batch

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        if trainer.global_rank == 1 and trainer.global_step == self.batch and not self.mark.exists():
            self.mark.touch()
            self.what()


def killed():
    os.kill(os.getpid(), signal.SIGKILL)


def raises():
    raise KeyError("no such row")


@pytest.mark.nightly
def test_two_workers_of_a_cluster_of_our_own_equal_one_process(ws, table, alone, here):
    run = train(ws, table, on="ray", workers=2)
    assert_equal(run, alone)
    assert_told_once(run)


def test_a_worker_that_is_killed_is_replaced_and_the_run_equals_that_of_one_process(
    ws, table, alone, cluster, tmp_path
):
    told = []
    run = train(ws, table, on="ray", workers=2, told=told, callbacks=[AtOnce(killed, tmp_path / "mark")])
    assert (tmp_path / "mark").exists()
    assert_equal(run, alone)
    assert_told_once(run)
    notes = [event.text for event in told if isinstance(event, Note) and "is replaced" in event.text]
    assert len(notes) == 1
    assert notes[0].startswith("worker 1 of the Ray cluster was lost")
    assert "behind batch" in notes[0]


@pytest.mark.nightly
def test_a_run_that_was_stopped_on_a_cluster_goes_on_there(ws, table, alone, cluster, tmp_path):
    stopped = train(ws, table, on="ray", workers=2, callbacks=[StopAt(15, tmp_path / "mark")], name="cut")
    assert stopped.status == "stopped"
    run = training.resume(ws, "cut")
    assert_equal(run, alone)
    assert_told_once(run)


@pytest.mark.nightly
def test_what_a_worker_raises_fails_the_run_and_is_not_tried_again(ws, table, cluster, tmp_path):
    with pytest.raises(TrainingError, match="no such row"):
        train(ws, table, on="ray", workers=2, callbacks=[AtOnce(raises, tmp_path / "mark")])


@pytest.mark.nightly
@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
def test_nothing_is_left_of_a_cluster_of_our_own_when_its_trainer_is_ended(ws, table, here, end):
    run = train(ws, table, on="ray", workers=2, epochs=100_000, name=end.name.lower(), detach=True)
    until(lambda: any(isinstance(event, Started) for event in Tail(run.path).read()))
    trainer = psutil.Process(tracking.process_of(ws, run.id).pid)
    family = [trainer, *trainer.children(recursive=True)]
    assert len(family) > 5
    trainer.send_signal(end)
    # Ray's own agents look for their node at long intervals.
    _, left = psutil.wait_procs(family, 200)
    assert not left
    if end is signal.SIGTERM:
        assert tracking.get(ws, run.id).status == "stopped"


def until(holds, seconds=200):
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_more_workers_than_the_cluster_has_room_for_are_refused(ws, table, cluster):
    with pytest.raises(TrainingError, match="3 workers are too many"):
        train(ws, table, on="ray", workers=3)


def test_a_cluster_that_does_not_answer_is_named(ws, table, monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    with pytest.raises(TrainingError, match=r"no Ray cluster answers at 127\.0\.0\.1:1"):
        train(ws, table, on="ray", workers=2)
