"""How a training ends when something is wrong: with what it was, what it needs, and what is to be done."""

import os
import re
import resource
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import pytorch_lightning as pl
import torch
from networks import Plain, Rows
from torch import nn
from torch.utils.data import TensorDataset

from lepton_nb import kernels, tracking, training
from lepton_nb.errors import ConflictError, TrainingError, UsageError
from lepton_nb.processes import is_alive
from lepton_nb.records import decode
from lepton_nb.training import Fit
from lepton_nb.training.checkpoints import good_checkpoint
from lepton_nb.training.launching import launch

ROOT = Path(__file__).parents[2]


def fit(**changed):
    return Fit(**{"epochs": 3, "batch_size": 16, "seed": 0, "patience": 0, **changed})


def wait_for(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


class Spoilt(Plain):
    """From its third batch on one of its layers gives what is no number."""

    def __init__(self):
        super().__init__()
        self.middle = nn.Linear(16, 16)
        self.seen = 0

    def forward(self, x):
        hidden = self.middle(self.body(x))
        return self.head(hidden)

    def training_step(self, batch, index):
        self.seen += 1
        if self.seen == 3:
            with torch.no_grad():
                self.middle.weight[0, 0] = float("nan")
        return super().training_step(batch, index)


class Hungry(pl.LightningModule):
    """Takes 4 MiB for each row of a batch."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(12, 3)

    def training_step(self, batch, index):
        x, y = batch
        wide = torch.ones(len(x), 2**20) * self.layer(x).sum(dim=1, keepdim=True)
        return wide.mean() * 0 + nn.functional.cross_entropy(self.layer(x), y)

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.1)


def test_a_loss_that_is_no_number_stops_the_training_at_its_step_and_names_the_layer(ws):
    with pytest.raises(TrainingError) as caught:
        training.train(ws, Spoilt, Rows(), fit(), name="spoilt")
    message = str(caught.value)
    assert "the loss is nan at step 3, in epoch 1" in message
    assert "layer 'middle' (Linear) gives the first such value, its input is finite" in message
    assert "middle.weight" in message
    assert "--allow-nan" in message
    run = tracking.get(ws, "spoilt")
    assert run.status == "failed"


def test_a_loss_that_is_no_number_is_let_pass_when_that_is_asked_for(ws):
    assert training.train(ws, Spoilt, Rows(), fit(epochs=1, allow_nan=True)).status == "finished"


def test_numbers_of_the_data_that_are_none_are_told_from_those_of_a_layer(ws):
    features = torch.randn(40, 12)
    features[30] = float("inf")
    with pytest.raises(TrainingError, match=r"layer 'body\.0' \(Flatten\) .* its input is not finite either"):
        training.train(ws, Plain, TensorDataset(features, torch.arange(40) % 3), fit())


@pytest.fixture
def little_memory():
    """A trainer has the limits of who starts it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (3 * 2**30, hard))
    yield
    resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def test_out_of_memory_is_told_with_a_batch_size_that_fits(ws, little_memory):
    rows = TensorDataset(torch.randn(256, 12), torch.arange(256) % 3)
    with pytest.raises(TrainingError) as caught:
        training.train(ws, Hungry, rows, fit(batch_size=256))
    words = r"out of memory with 256 rows in a batch.*--batch-size (\d+) fits; --accumulate (\d+)"
    found = re.search(words, str(caught.value))
    assert found, caught.value
    assert int(found[1]) * int(found[2]) == 256
    assert training.train(ws, Hungry, rows, fit(batch_size=int(found[1]), epochs=1)).status == "finished"


class Wide(Plain):
    """Large enough that a checkpoint is larger than all else that a run writes."""

    def __init__(self):
        super().__init__()
        self.wide = nn.Linear(1000, 1000)
        self.body.append(nn.Identity())

    def training_step(self, batch, index):
        time.sleep(0.02)
        return super().training_step(batch, index) + 0 * self.wide.weight.sum()


class Smaller(pl.Callback):
    """From a batch on no file may be larger than a checkpoint: the disk is full for it, and not for a line of text."""

    def on_train_batch_end(self, trainer, module, outputs, batch, index):
        if trainer.fit_loop.total_batch_idx == 15:
            resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))


def test_a_checkpoint_that_finds_no_room_leaves_the_one_before(ws):
    with pytest.raises(TrainingError) as caught:
        training.train(ws, Wide, Rows(), fit(epochs=50, checkpoint_every=0.0), callbacks=[Smaller()], name="full")
    run = tracking.get(ws, "full")
    message = str(caught.value)
    assert re.search(r"StorageError: checkpoint \S+/checkpoints/\d+\.ckpt could not be written", message), message
    assert re.search(r"expected room for about [\d,]{9,} bytes; got [\d,]+ bytes free", message), message
    found, broken = good_checkpoint(run.path)
    assert found is not None
    assert not broken
    assert found.batches <= 16
    assert not list(run.path.glob("checkpoints/*.new"))


def test_a_broken_checkpoint_is_found_by_its_hash_and_the_one_before_is_taken(ws):
    run = training.train(ws, Wide, Rows(), fit(epochs=1000, checkpoint_every=0.2), detach=True, name="torn")
    wait_for(lambda: len(list(run.path.glob("checkpoints/*.ckpt"))) == 2)
    assert training.stop(ws, "torn").status == "stopped"
    older, newer = sorted(run.path.glob("checkpoints/*.ckpt"))
    os.truncate(newer, newer.stat().st_size - 10)
    told = []
    training.resume(ws, "torn", detach=True, report=told.append)
    texts = [event.text for event in told]
    size = newer.stat().st_size
    assert texts[0] == (
        f"checkpoint {newer.name} is not what was written, it is {size} bytes long and not {size + 10};"
        " the one before it is taken"
    )
    assert re.search(rf"goes on behind batch {int(older.stem)}, in epoch", texts[1])
    wait_for(
        lambda: tracking.recorded(ws, run.id).status != "running" or len(list(run.path.glob("checkpoints/*.ckpt")))
    )
    assert training.stop(ws, "torn").status == "stopped"
    newest, _ = good_checkpoint(run.path)
    flipped = run.path / "checkpoints" / newest.file
    content = bytearray(flipped.read_bytes())
    content[len(content) // 2] ^= 1
    flipped.write_bytes(content)
    assert good_checkpoint(run.path)[1][-1].fault == "of another hash"


def test_a_run_that_is_over_or_still_runs_is_not_resumed(ws):
    done = training.train(ws, Plain, Rows(), fit(epochs=1), name="done")
    with pytest.raises(ConflictError, match=r"run done .* is finished; expected stopped or failed; next: lepton train"):
        training.resume(ws, done.id)
    running = training.train(ws, Wide, Rows(), fit(epochs=1000), detach=True, name="busy")
    with pytest.raises(ConflictError, match=r"run busy .* is running; .*next: lepton attach busy"):
        training.resume(ws, running.id)
    training.stop(ws, running.id)


def test_a_run_without_a_checkpoint_starts_from_its_beginning(ws):
    with pytest.raises(TrainingError):
        training.train(ws, Spoilt, Rows(), fit(epochs=1), name="early")
    told = []
    with pytest.raises(TrainingError, match="the loss is nan at step 3"):
        training.resume(ws, "early", report=told.append)
    assert "has no checkpoint yet: it starts from its beginning" in told[0].text


def test_a_trainer_outlives_the_kernel_and_its_death_is_seen_by_others(ws, tmp_path):
    notebook = subprocess.Popen(
        [sys.executable, Path(__file__).with_name("left_alone.py"), ws.home],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    run_id = notebook.stdout.readline().strip()
    notebook.kill()
    notebook.communicate()
    trainer = tracking.process_of(ws, run_id)
    wait_for((ws.run(run_id) / "weights.safetensors").exists)
    assert is_alive(trainer)
    assert os.getsid(trainer.pid) == trainer.pid
    assert tracking.get(ws, "alone").status == "running"
    os.kill(trainer.pid, signal.SIGKILL)
    wait_for(lambda: not is_alive(trainer))
    assert tracking.get(ws, "alone").status == "failed"
    with pytest.raises(TrainingError, match=r"run alone .* failed; .*next: lepton resume alone"):
        training.attach(ws, "alone")


def test_attaching_tells_every_event_again_and_an_interrupt_leaves_the_run_alone(ws):
    run = training.train(ws, Plain, Rows(), fit(epochs=10**6), detach=True, name="seen")
    wait_for((run.path / "weights.safetensors").exists)
    told = []

    def leave(event):
        told.append(event)
        if event.kind == "epoch" and event.epoch > 3:
            raise KeyboardInterrupt

    left = training.attach(ws, "seen", report=leave)
    assert left.status == "running"
    assert told[-1].text == "left; the training goes on: lepton attach seen, or lepton stop seen"
    assert training.stop(ws, "seen").status == "stopped"
    again = []
    assert training.attach(ws, "seen", report=again.append).status == "stopped"
    assert [decode(line) for line in (run.path / "events.jsonl").read_bytes().splitlines()] == again
    assert told[:-1] == again[: len(told) - 1]


def test_a_polite_end_of_the_trainer_is_a_stop(ws):
    run = training.train(ws, Plain, Rows(), fit(epochs=10**6), detach=True, name="polite")
    wait_for((run.path / "weights.safetensors").exists)
    os.kill(tracking.process_of(ws, run.id).pid, signal.SIGTERM)
    assert training.attach(ws, run.id).status == "stopped"
    assert good_checkpoint(run.path)[0] is not None


def test_an_instance_holds_the_best_weights_and_the_epoch_that_a_metric_names(ws):
    net = Plain()
    before = net.head.weight.detach().clone()
    run = training.train(ws, net, (Rows(), Rows(64)), fit(epochs=4, monitor="train_accuracy"))
    assert not torch.equal(before, net.head.weight)
    events = [decode(line) for line in (run.path / "events.jsonl").read_bytes().splitlines()]
    epochs = [event for event in events if event.kind == "epoch"]
    values = [event.metrics["train_accuracy"] for event in epochs]
    assert [event.best for event in epochs] == [v > max(values[:n], default=-1) for n, v in enumerate(values)]
    assert events[-1].text.startswith(f"best epoch {values.index(max(values)) + 1}: train_accuracy")


def test_what_cannot_travel_is_told_and_the_run_has_failed(ws):
    rows = Rows()
    rows.lock = threading.Lock()
    with pytest.raises(UsageError, match=r"the data \(Rows\) cannot be sent to the trainer"):
        training.train(ws, Plain, rows, fit(), name="locked")
    assert tracking.get(ws, "locked").status == "failed"


def test_a_trainer_that_has_ended_before_it_is_entered_is_known_all_the_same(ws, monkeypatch):
    start, begun = kernels.start_detached, []

    def start_and_wait(*args, **kwargs):
        begun.append(start(*args, **kwargs))
        assert kernels.exit_status(begun[0], 120) is not None
        return begun[0]

    monkeypatch.setattr(kernels, "start_detached", start_and_wait)
    run_id = tracking.start_run(ws, "short", {}, {})
    # There is no job in its folder, so the trainer ends at once.
    assert launch(ws, run_id, ws.root) == begun[0]
    assert tracking.process_of(ws, run_id) == begun[0]
    assert not is_alive(begun[0])
