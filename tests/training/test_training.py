import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from lepton_nb import data, models, tracking, training
from lepton_nb.errors import ConflictError, DataError, NotFoundError, TrainingError, UsageError
from lepton_nb.records import Curve, Epoch, Finished, Note, Progress, Started, Usage, decode
from lepton_nb.training import Fit
from lepton_nb.training.checkpoints import good_checkpoint
from lepton_nb.workspace import Workspace, file_sha256

HERE = Path(__file__).parent


def fit(**changed):
    return Fit(**{"epochs": 30, "batch_size": 64, "seed": 0, "patience": 8, **changed})


def call(function, *arguments, **options):
    asked = {name: value for name, value in options.items() if name in training.FIT_OPTIONS}
    return function(*arguments, fit(**asked), **{name: options[name] for name in options.keys() - asked.keys()})


@pytest.fixture(scope="module")
def ws(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        patch.delenv("MLFLOW_EXPERIMENT_NAME", raising=False)
        yield Workspace(tmp_path_factory.mktemp("project") / ".lepton")


@pytest.fixture(scope="module")
def table(ws):
    return data.load(ws, "breast_cancer")


def environment():
    root = str(HERE.parents[1])
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH", "")]))}


@pytest.fixture(scope="module")
def notebook(ws, tmp_path_factory):
    """The notebook of `cell.py`, which trains while other tests wait for their own trainers."""
    folder = tmp_path_factory.mktemp("notebook")
    command = [sys.executable, HERE / "cell.py", folder / ".lepton"]
    process = subprocess.Popen(
        command, env=environment(), cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    yield process
    process.kill()
    process.communicate()


@pytest.fixture(scope="module")
def digits(ws, notebook):
    """A CNN fitted to the digits, and every event with the moment it was told."""
    images, told = data.load(ws, "digits"), []
    run = training.train(
        ws,
        "cnn",
        images,
        fit(epochs=8, checkpoint_every=0.0),
        lr=5e-3,
        report=lambda event: told.append((time.time(), event)),
    )
    return run, images, told


def wait_for(condition):
    deadline = time.monotonic() + 240
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture(scope="module")
def long(ws, table):
    """A run that trains until it is stopped, beside other tests that wait for their own trainers."""
    run = training.train(ws, "mlp", table, fit(epochs=10**6, patience=0), detach=True, name="long")
    yield run
    if run.path.exists() and tracking.recorded(ws, run.id).status == "running":
        training.stop(ws, run.id)


def test_a_cnn_learns_the_digits(digits):
    run, images, _ = digits
    inputs, targets = data.features(images, "test")
    with torch.no_grad():
        found = models.load_trained(run.path)(torch.from_numpy(inputs)).argmax(dim=1).numpy()
    assert np.mean(found == targets) >= 0.97


def test_a_finished_run_says_what_was_asked_and_how_it_went(digits):
    run, images, _ = digits
    assert (run.status, run.model, run.data) == ("finished", "cnn", images.id)
    assert run.name.startswith("cnn-")
    assert run.params["lr"] == "0.005"
    assert run.params["epochs"] == "8"
    assert set(run.metrics) == {"train_loss", "val_loss", "val_accuracy"}
    assert run.tags["sha256.weights.safetensors"] == file_sha256(run.path / "weights.safetensors")
    assert len(run.tags["environment"]) == 64


def test_events_tell_the_training_from_start_to_end_as_strict_json(digits):
    run, _, told = digits
    lines = (run.path / "events.jsonl").read_bytes().splitlines(keepends=True)
    for line in lines:
        json.loads(line, parse_constant=pytest.fail)
    events = [decode(line) for line in lines]
    assert [event for _, event in told[1:]] == events
    assert events[0].run == run.id
    assert isinstance(told[0][1], Note)
    assert isinstance(events[0], Started)
    assert isinstance(events[-1], Finished)
    epochs = [event for event in events if isinstance(event, Epoch)]
    assert [event.epoch for event in epochs] == list(range(len(epochs)))
    assert {"train_loss", "val_loss", "val_accuracy"} == set(epochs[0].metrics)
    losses = [event.metrics["val_loss"] for event in epochs]
    assert [event.best for event in epochs] == [v == min(losses[: n + 1]) for n, v in enumerate(losses)]
    assert events[-1].text.startswith(f"best epoch {losses.index(min(losses)) + 1}: val_loss")
    ticks = [event for event in events[:-2] if isinstance(event, Progress)]
    assert len(ticks) <= (events[-1].time - events[0].time) / 0.1 + 1
    points = [event for event in events if isinstance(event, Curve)]
    assert {"loss", "train_loss", "val_loss", "val_accuracy"} == {name for event in points for name in event.metrics}
    usage = [event for event in events if isinstance(event, Usage)]
    assert all(event.rate > 0 and event.cpu > 0 and event.memory > 2**20 for event in usage)
    assert ticks[-1].total == events[0].total == 8 * epochs[0].step


def test_every_epochs_metrics_reach_the_store_at_its_step(digits, ws):
    from mlflow.tracking import MlflowClient

    run, _, told = digits
    kept = MlflowClient(tracking.uri(ws)).get_metric_history(run.id, "val_loss")
    assert [metric.value for metric in kept] == pytest.approx(
        [event.metrics["val_loss"] for _, event in told if isinstance(event, Epoch)]
    )
    assert len({metric.step for metric in kept}) == len(kept)


def test_what_a_trainer_leaves_is_private_and_carries_no_code(digits):
    run, _, _ = digits
    assert run.path.stat().st_mode & 0o777 == 0o700
    assert not list(run.path.rglob("*.pkl"))
    newest = good_checkpoint(run.path)[0]
    checkpoint = torch.load(run.path / "checkpoints" / newest.file, weights_only=True)
    assert {"state_dict", "optimizer_states", "lr_schedulers", "loops"} <= set(checkpoint)


def test_an_interrupt_stops_the_training_and_leaves_the_notebook_alive(long, tmp_path):
    process = subprocess.Popen(
        [sys.executable, HERE / "interrupted.py", tmp_path / ".lepton"],
        env=environment(), cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    for line in process.stdout:
        if line == "epoch\n":
            process.send_signal(signal.SIGINT)
            break
    output, errors = process.communicate()
    assert output.splitlines()[-1] == "status stopped True []", (output, errors)
    assert process.returncode == 0
    assert tracking.get(Workspace(tmp_path / ".lepton"), "last").status == "stopped"


def test_a_detached_run_is_stopped_from_elsewhere_and_only_then_deleted(ws, long):
    assert long.status == "running"
    wait_for((long.path / "weights.safetensors").exists)
    with pytest.raises(ConflictError, match="run long is running"):
        tracking.delete(ws, "long")
    stopped = training.stop(ws, long.id[:12])
    assert (stopped.id, stopped.status) == (long.id, "stopped")
    assert models.load_trained(long.path) is not None
    with pytest.raises(ConflictError, match="it is stopped"):
        training.stop(ws, "long")
    tracking.delete(ws, "long")
    assert not long.path.exists()
    with pytest.raises(NotFoundError):
        tracking.get(ws, long.id)


def test_a_killed_trainer_is_a_failed_run_with_its_cause(ws, table):
    raised = []

    def attend():
        with pytest.raises(TrainingError) as caught:
            training.train(ws, "mlp", table, fit(epochs=10**6, patience=0), name="doomed")
        raised.append(str(caught.value))

    attending = threading.Thread(target=attend)
    attending.start()
    wait_for(lambda: tracking.find(ws, "doomed") is not None)
    run = tracking.get(ws, "doomed")
    wait_for((run.path / "weights.safetensors").exists)
    os.kill(tracking.process_of(ws, run.id).pid, signal.SIGKILL)
    attending.join()
    cause = "the trainer was killed by SIGKILL"
    run = tracking.get(ws, "doomed")
    where = "goes on from its last checkpoint" if good_checkpoint(run.path)[0] else "starts it again"
    assert f"failed; got {cause}; next: lepton resume doomed {where}; see" in raised[0]
    assert (run.status, run.cause) == ("failed", cause)
    assert models.load_trained(run.path) is not None


def test_training_goes_on_without_the_tracking_server(ws, table, tmp_path, monkeypatch):
    away = Workspace(tmp_path / ".lepton")
    shutil.copytree(ws.data, away.data)
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{held.getsockname()[1]}")
        run = training.train(away, "mlp", data.find(away, table.id), fit(epochs=3))
    assert run.status == "finished"
    assert set(run.metrics) == {"train_loss", "val_loss", "val_accuracy"}
    assert run.tags["sha256.weights.safetensors"] == file_sha256(run.path / "weights.safetensors")
    # Everything waits in the folder.
    assert not (run.path / "spool.sent").exists()
    assert models.load_trained(run.path) is not None


def test_networks_of_a_notebooks_cells_train_and_their_failures_are_told(notebook):
    output, errors = notebook.communicate()
    assert (output, notebook.returncode) == ("all is well\n", 0), errors


@pytest.mark.parametrize(
    ("net", "options", "message"),
    [
        ("cnn", {}, r"cnn needs images; .*next: use mlp"),
        ("mlq", {}, r"no network is called 'mlq'; .*did you mean mlp\?"),
        ("mlp", {"epochs": 0}, "epochs 0 is not allowed; expected a whole number from 1"),
        ("mlp", {"batch_size": 2.5}, r"batch_size 2\.5 is not allowed"),
        ("mlp", {"seed": -1}, "seed -1 is not allowed"),
        ("mlp", {"precision": "8"}, "precision '8' is not allowed; expected one of auto, 32"),
        ("mlp", {"clip": float("nan")}, "clip nan is not allowed"),
        ("mlp", {"workers": 2}, "2 workers with on 'local'; expected --on ray --workers N"),
        ("mlp", {"batch_size": 2, "devices": 3}, "3 processes cannot share a batch of 2; .*next: --batch-size 3"),
        ("mlp", {"on": "ray", "workers": 2, "devices": 2}, "do not go together; next: --workers 2"),
        ("mlp", {"trainer": {"limit_val_batch": 1}}, r"no argument 'limit_val_batch'; next: did you mean limit_val_"),
        ("mlp", {"trainer": {"max_epochs": 1}}, "an option of its own; next: --epochs"),
        ("mlp", {"trainer": {"logger": False}}, "is what a run stands on"),
        ("mlp", {"lr": 0.0}, r"lr 0\.0 is not allowed; expected a number above 0"),
        ("mlp", {"name": "../x"}, r"run name '\.\./x' is not allowed"),
        ("mlp", {"options": {"depth": 2}}, "mlp has no option 'depth'"),
        (object(), {}, "object cannot be trained"),
    ],
)
def test_what_cannot_be_trained_is_refused_and_nothing_is_written(ws, table, tmp_path, net, options, message):
    untouched = Workspace(tmp_path / ".lepton")
    with pytest.raises(UsageError, match=message):
        call(training.train, untouched, net, table, **options)
    assert not untouched.home.exists()


def test_data_without_training_rows_is_refused(ws, table):
    import dataclasses

    with pytest.raises(DataError, match="data breast_cancer has no training rows"):
        training.train(ws, "mlp", dataclasses.replace(table, rows={"train": 0}), fit())


@pytest.mark.parametrize(
    ("net", "arguments", "message"),
    [
        ("mlp", {"epochs": 0}, "epochs 0 is not allowed"),
        ("mlp", {"lr": -1.0}, "lr -1.0 is not allowed"),
        ("mlp", {"lr": "fast"}, "lr 'fast' is not allowed"),
        ("mlp", {"name": "../up"}, "run name '../up' is not allowed"),
        ("mlp", {"name": ""}, "run name '' is not allowed"),
        ("mlp", {"options": {"nope": 1}}, "mlp has no option 'nope'"),
        ("cnn", {"options": {"channels": -1}}, "cnn: channels -1 is not allowed"),
        (models.build("mlp", (3,), 2), {"options": {"hidden": [3]}}, "is built already"),
        ("resnet", {}, "no network is called 'resnet'"),
    ],
)
def test_what_cannot_be_trained_is_told_before_there_is_data(net, arguments, message):
    with pytest.raises(UsageError, match=message):
        call(training.check, net, **arguments)


def test_what_can_be_trained_with_some_data_passes_without_any():
    for net in ("mlp", "cnn", type(models.build("mlp", (3,), 2)), models.build("mlp", (3,), 2)):
        training.check(net, fit(), name="a", lr=0.1)
