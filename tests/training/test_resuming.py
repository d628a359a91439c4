import json
import os
import random
import signal
from contextlib import nullcontext
from pathlib import Path

import pytest
import torch
from networks import Autoencoder, KillAt, Language, Noisy, Pair, Plain, Rows, StopAt, Stream
from pytorch_lightning.callbacks import Checkpoint
from safetensors.torch import load_file
from torch.utils.data import DataLoader, WeightedRandomSampler

from lepton_nb import data, training
from lepton_nb.errors import TrainingError
from lepton_nb.training import Fit
from lepton_nb.workspace import Workspace

EPOCHS = 4


@pytest.fixture(scope="module")
def ws(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        yield Workspace(tmp_path_factory.mktemp("project") / ".lepton")


@pytest.fixture(scope="module")
def table(ws):
    rows = Rows()
    return data.load(ws, (rows.features.numpy(), rows.targets.numpy()))


def weighted():
    return WeightedRandomSampler([1.0 + row % 3 for row in range(160)], 160)


def loaders(**options):
    torch.manual_seed(0)
    return DataLoader(Rows(), batch_size=16, **options), DataLoader(Rows(64), batch_size=32)


SOURCES = {
    "a loaded data set": None,
    "shuffled rows": lambda: loaders(shuffle=True),
    "rows by weight": lambda: loaders(sampler=weighted()),
    "rows with a generator": lambda: loaders(shuffle=True, generator=torch.Generator().manual_seed(5)),
    "rows by workers": lambda: loaders(shuffle=True, num_workers=2),
}


def train(ws, source, *, callbacks=(), net=Noisy, name=None, told=None, **fit):
    fit = Fit(**{"epochs": EPOCHS, "batch_size": 16, "seed": 1, "patience": 0, "checkpoint_every": 0.0, **fit})
    report = (told if told is not None else []).append
    return training.train(ws, net, source, fit, callbacks=callbacks, name=name, report=report)


def outcome(ws, run):
    """The weights, and all that was measured, each once."""
    spool = [json.loads(line) for line in (run.path / "spool.jsonl").read_text().splitlines()]
    points = [tuple(point[:3]) for line in spool if line["kind"] == "metrics" for point in line["metrics"]]
    assert len({point[:2] + point[2:] for point in points}) == len(points)
    keys = [(name, step) for name, _, step in points]
    assert len(set(keys)) == len(keys), "a step was told twice"
    return load_file(run.path / "weights.safetensors"), sorted(points)


@pytest.fixture(scope="module")
def uninterrupted(ws, table):
    known = {}

    def find(name):
        if name not in known:
            source = table if SOURCES[name] is None else SOURCES[name]()
            known[name] = outcome(ws, train(ws, source))
        return known[name]

    return find


def each(cases):
    """Every case interrupted in both ways; always on in one of them, in turn."""
    return [
        pytest.param(
            case,
            way,
            marks=() if (place + number) % 2 == 0 else pytest.mark.nightly,
            id=f"{getattr(case, '__name__', case)}-{way.__name__}",
        )
        for place, case in enumerate(cases)
        for number, way in enumerate((StopAt, KillAt))
    ]


@pytest.mark.parametrize(("name", "interruption"), each(SOURCES))
def test_interrupted_and_resumed_equals_uninterrupted_bit_for_bit(
    ws, table, uninterrupted, tmp_path, name, interruption
):
    batch = random.Random(name).randrange(12, 34)
    source = table if SOURCES[name] is None else SOURCES[name]()
    callback = interruption(batch, tmp_path / "done")
    if interruption is KillAt:
        with pytest.raises(TrainingError, match="killed by SIGKILL"):
            train(ws, source, callbacks=[callback], name="cut")
    else:
        assert train(ws, source, callbacks=[callback], name="cut").status == "stopped"
    resumed = training.resume(ws, "cut")
    assert resumed.status == "finished"
    (weights, points), (expected, expected_points) = outcome(ws, resumed), uninterrupted(name)
    assert points == expected_points
    assert weights.keys() == expected.keys()
    assert all(torch.equal(weights[key], expected[key]) for key in weights)


@pytest.mark.parametrize(("net", "interruption"), each([Pair, Autoencoder, Language]))
def test_networks_that_optimise_by_hand_or_have_loaders_of_their_own_go_on_as_well(ws, tmp_path, net, interruption):
    def source():
        return None if net is Language else Rows()

    expected = outcome(ws, train(ws, source(), net=net))
    callback = interruption(17, tmp_path / "done")
    with pytest.raises(TrainingError, match="SIGKILL") if interruption is KillAt else nullcontext():
        train(ws, source(), net=net, callbacks=[callback], name=f"cut-{net.__name__.lower()}")
    resumed = training.resume(ws, f"cut-{net.__name__.lower()}")
    weights, points = outcome(ws, resumed)
    assert points == expected[1]
    assert all(torch.equal(weights[key], expected[0][key]) for key in expected[0])


def test_a_stream_goes_on_at_the_epoch_and_says_so(ws, tmp_path):
    source = DataLoader(Stream(), batch_size=16)
    stopped = train(ws, source, net=Plain, callbacks=[StopAt(25, tmp_path / "done")], name="stream")
    assert stopped.status == "stopped"
    told = []
    resumed = training.resume(ws, "stream", report=told.append)
    assert resumed.status == "finished"
    assert "goes on at the start of epoch 3, since its loaders cannot go on within one" in told[0].text
    outcome(ws, resumed)
    epochs = [event.epoch for event in told if event.kind == "epoch"]
    assert epochs == [0, 1, 2, 3]


def test_sums_of_gradients_are_never_cut_in_two(ws, tmp_path):
    expected = outcome(ws, train(ws, Rows(), net=Plain, accumulate=4, epochs=8))
    train(ws, Rows(), net=Plain, accumulate=4, epochs=8, callbacks=[StopAt(33, tmp_path / "done")], name="sums")
    resumed = training.resume(ws, "sums")
    assert outcome(ws, resumed)[1] == expected[1]


def test_a_run_with_a_limit_of_steps_goes_on_to_it(ws, tmp_path):
    expected = outcome(ws, train(ws, Rows(), net=Plain, steps=37, epochs=9))
    train(ws, Rows(), net=Plain, steps=37, epochs=9, callbacks=[StopAt(22, tmp_path / "done")], name="limited")
    resumed = training.resume(ws, "limited")
    assert outcome(ws, resumed)[1] == expected[1]


class KillBehind(Checkpoint):
    """The process is gone when a checkpoint was made of a step, and before anything of that step was logged."""

    def __init__(self, mark):
        self.mark = mark

    def on_train_batch_end(self, trainer, module, outputs, batch, batch_idx):
        if trainer.fit_loop.total_batch_idx == 23 and not self.mark.exists():
            self.mark.touch()
            assert list(Path(trainer.default_root_dir).glob("checkpoints/*24.ckpt"))
            os.kill(os.getpid(), signal.SIGKILL)


def test_what_a_step_logs_is_not_lost_between_its_checkpoint_and_its_logging(ws, tmp_path):
    often = {"trainer": {"log_every_n_steps": 1}}
    expected = outcome(ws, train(ws, Rows(), net=Plain, **often))
    wait = KillAt(24, tmp_path / "never")
    wait.mark.touch()
    with pytest.raises(TrainingError, match="SIGKILL"):
        train(ws, Rows(), net=Plain, callbacks=[wait, KillBehind(tmp_path / "done")], name="between", **often)
    assert outcome(ws, training.resume(ws, "between"))[1] == expected[1]
