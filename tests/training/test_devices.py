"""Several processes of this machine train together."""

import os
import signal
import time
from pathlib import Path

import pytest
import pytorch_lightning as pl
import torch
from networks import Noisy, Pair, Rows, StopAt
from plain_networks import Plain
from safetensors.torch import load_file
from torch.utils.data import DataLoader, TensorDataset

from lepton_nb import data, tracking, training
from lepton_nb.errors import TrainingError, UsageError
from lepton_nb.records import Epoch, Started
from lepton_nb.training import Fit
from lepton_nb.training.events import Tail


@pytest.fixture(scope="module")
def table(ws):
    rows = Rows()
    return data.load(ws, (rows.features.numpy(), rows.targets.numpy()))


def train(ws, source, *, net=Plain, devices=2, told=None, **options):
    keywords = {key: options.pop(key) for key in ("callbacks", "name", "detach") if key in options}
    fit = Fit(**{"epochs": 3, "batch_size": 16, "seed": 1, "patience": 0, "devices": devices, **options})
    return training.train(ws, net, source, fit, report=(told if told is not None else []).append, **keywords)


def weights(run):
    return load_file(run.path / "weights.safetensors")


def close(first, second):
    return all(torch.allclose(first[name], second[name], atol=1e-4, rtol=0) for name in first)


def test_two_processes_equal_one_with_the_same_batch(ws, table):
    alone, together = train(ws, table, devices=1), train(ws, table)
    assert close(weights(alone), weights(together))
    assert alone.metrics.keys() == together.metrics.keys()
    assert together.metrics == pytest.approx(alone.metrics, abs=1e-4)


def test_a_resumed_run_equals_an_uninterrupted_one(ws, table, tmp_path):
    whole = train(ws, table, net=Noisy)
    stop = StopAt(13, tmp_path / "done")
    stopped = train(ws, table, net=Noisy, callbacks=[stop], name="cut")
    assert stopped.status == "stopped"
    resumed = training.resume(ws, "cut")
    assert resumed.status == "finished"
    assert close(weights(whole), weights(resumed))
    assert resumed.metrics == pytest.approx(whole.metrics, abs=1e-4)
    done = [event.epoch for event in Tail(resumed.path).read() if isinstance(event, Epoch)]
    assert done == [0, 1, 2]


def test_loaders_of_the_notebook_are_shared_by_the_row(ws):
    def loaders():
        rows = Rows()
        pair = TensorDataset(rows.features, rows.targets)
        return DataLoader(pair, batch_size=16), DataLoader(pair, batch_size=32)

    alone, together = train(ws, loaders(), devices=1), train(ws, loaders())
    assert close(weights(alone), weights(together))
    assert together.metrics == pytest.approx(alone.metrics, abs=1e-4)


def test_two_networks_that_are_stepped_by_hand_train_together(ws, table):
    run = train(ws, table, net=Pair)
    assert run.status == "finished"
    assert {"g_loss", "d_loss"} <= run.metrics.keys()


class Fails(pl.Callback):
    """One of the processes fails at its fifth batch, in a way of its choice."""

    def __init__(self, how):
        self.how = how

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        if trainer.global_rank == 1 and batch_idx == 4:
            self.how()


def killed():
    os.kill(os.getpid(), signal.SIGKILL)


def raises():
    raise KeyError("no such row")


@pytest.mark.parametrize(("how", "cause"), [(killed, "rank 1 of 2 was killed by SIGKILL"), (raises, "no such row")])
def test_a_process_that_ends_fails_the_run_with_its_cause_and_nothing_is_left(ws, table, how, cause):
    with pytest.raises(TrainingError, match=cause):
        train(ws, table, callbacks=[Fails(how)], epochs=200, name=how.__name__)
    run = tracking.get(ws, how.__name__)
    assert run.status == "failed"
    # The trainer has told it, and still sends what it knows to the store.
    until(lambda: not left(run))


def test_a_killed_trainer_leaves_no_process(ws, table):
    run = train(ws, table, epochs=100_000, detach=True, name="orphans")
    until(lambda: any(isinstance(event, Started) for event in Tail(run.path).read()))
    assert len(left(run)) == 2
    os.kill(tracking.process_of(ws, run.id).pid, signal.SIGKILL)
    until(lambda: not left(run))


def test_more_devices_than_gpus_or_rows_are_refused(ws, table):
    if torch.cuda.device_count() < 64:
        with pytest.raises(TrainingError, match="64 devices are too many"):
            train(ws, table, devices=64, accelerator="gpu", batch_size=64)
    with pytest.raises(UsageError, match="2 processes cannot share a batch of 1"):
        train(ws, table, batch_size=1)


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="two GPUs are needed")
def test_two_gpus_equal_one_process_with_the_same_batch(ws, table):
    options = {"accelerator": "gpu", "precision": "32"}
    alone, together = train(ws, table, devices=1, **options), train(ws, table, **options)
    assert together.metrics == pytest.approx(alone.metrics, abs=1e-3)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="a GPU is needed")
def test_a_gpu_is_used_where_there_is_one(ws, table):
    class Sees(pl.Callback):
        def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
            assert batch[0].is_cuda
            assert trainer.precision == ("bf16-mixed" if torch.cuda.is_bf16_supported() else "32-true")

    assert train(ws, table, devices=1, callbacks=[Sees()]).status == "finished"


def left(run):
    """The processes that write to a run's log."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "fd" / "1").readlink() == run.path / "log":
                found.append(int(process.name))
        except OSError:
            continue
    return found


def until(holds, seconds=60):
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)
