import datetime as dt
import json
import os
import random
import signal
from contextlib import nullcontext
from pathlib import Path

import pytest
import torch
from networks import Autoencoder, KillAt, Language, Noisy, Odd, Pair, Plain, Rows, StopAt, Stream
from pytorch_lightning.callbacks import Checkpoint, EarlyStopping
from safetensors.torch import load_file
from torch.utils.data import DataLoader, Sampler, WeightedRandomSampler

from lepton_nb import data, training
from lepton_nb.errors import TrainingError
from lepton_nb.training import Fit
from lepton_nb.training.checkpoints import good_checkpoint

EPOCHS = 4


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
    # One that is not finite is written as nothing.
    points = [(name, "nan" if value is None else value, step) for name, value, step in points]
    keys = [(name, step) for name, _, step in points]
    assert len(set(keys)) == len(keys), "a step was told twice"
    return load_file(run.path / "weights.safetensors"), sorted(points, key=str)


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


@pytest.mark.parametrize(("net", "interruption"), each([Pair, Autoencoder, Language, Odd]))
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


@pytest.mark.parametrize("interruption", [StopAt, pytest.param(KillAt, marks=pytest.mark.nightly)])
def test_images_that_are_varied_go_on_being_varied_as_they_would_have_been(ws, tmp_path, interruption):
    drawn = torch.randn(160, 1, 3, 4, generator=torch.Generator().manual_seed(0)).numpy()
    source = data.load(ws, (drawn, [0, 1, 2, 3] * 40))
    asked = {"epochs": 2, "net": Plain}
    plain, expected = (outcome(ws, train(ws, source, augment=words, **asked)) for words in ("", "flip,shift,noise"))
    assert any(not torch.equal(plain[0][key], expected[0][key]) for key in plain[0])
    asked["callbacks"] = [interruption(9, tmp_path / "done")]
    with pytest.raises(TrainingError, match="SIGKILL") if interruption is KillAt else nullcontext():
        train(ws, source, augment="flip,shift,noise", name="varied", **asked)
    resumed = training.resume(ws, "varied")
    weights, points = outcome(ws, resumed)
    assert points == expected[1]
    assert all(torch.equal(weights[key], expected[0][key]) for key in expected[0])
    assert resumed.params["augment"] == "flip,shift,noise"


class Drawing(Sampler):
    """A sampler of somebody's own, which draws a row at a time."""

    def __len__(self):
        return 160

    def __iter__(self):
        return (int(torch.randint(160, ())) for _ in range(160))


@pytest.mark.parametrize(
    "source",
    [
        lambda: DataLoader(Rows(), batch_size=16, sampler=Drawing()),
        lambda: DataLoader(Rows(), batch_size=16, num_workers=1, persistent_workers=True),
    ],
    ids=["a sampler of somebody's own", "workers that stay"],
)
def test_loaders_that_cannot_go_on_within_an_epoch_are_known(ws, tmp_path, source):
    stopped = train(ws, source(), net=Plain, callbacks=[StopAt(25, tmp_path / "done")], name="odd-loader")
    assert stopped.status == "stopped"
    told = []
    training.resume(ws, stopped.id, report=told.append)
    assert "goes on at the start of epoch 3, since its loaders cannot go on within one" in told[0].text


def test_new_loaders_in_each_epoch_do_not_go_on_again(ws, tmp_path):
    again = {"trainer": {"reload_dataloaders_every_n_epochs": 1}}
    expected = outcome(ws, train(ws, None, net=Language, **again))
    train(ws, None, net=Language, callbacks=[StopAt(13, tmp_path / "done")], name="reloading", **again)
    assert outcome(ws, training.resume(ws, "reloading"))[1] == expected[1]


@pytest.mark.parametrize("trainer", [{"min_epochs": 3}, {"min_steps": 30}])
def test_a_stop_is_a_stop_whatever_was_asked_for_at_least(ws, tmp_path, trainer):
    early = EarlyStopping("val_loss", patience=2)
    cut = [StopAt(5, tmp_path / "done"), early]
    run = train(ws, (Rows(), Rows(32)), net=Plain, callbacks=cut, name="at-once", trainer=trainer)
    assert run.status == "stopped"
    assert good_checkpoint(run.path)[0].batches == 5
    told = []
    resumed = training.resume(ws, run.id, report=told.append)
    assert resumed.status == "finished"
    outcome(ws, resumed)


def test_an_object_of_the_notebook_holds_the_best_weights_when_a_resumed_run_ends(ws, tmp_path):
    net = Plain()
    run = train(ws, Rows(), net=net, callbacks=[StopAt(12, tmp_path / "done")])
    resumed = training.resume(ws, run.id)
    best = load_file(resumed.path / "weights.safetensors")
    assert all(torch.equal(value, best[name]) for name, value in net.state_dict().items())


def test_a_torn_line_costs_that_line_and_no_more(ws, tmp_path):
    run = train(ws, Rows(), net=Plain, callbacks=[StopAt(12, tmp_path / "done")])
    with (run.path / "events.jsonl").open("ab") as stream:
        stream.write(b'{"format": 1, "kind": "curve", "ti')
    told = []
    assert training.resume(ws, run.id, report=told.append).status == "finished"
    assert training.attach(ws, run.id, report=told.append).status == "finished"


class Keeps(Plain):
    """Puts into its checkpoint what is no number."""

    def on_save_checkpoint(self, checkpoint):
        checkpoint["when"] = dt.datetime.now(dt.UTC)


def test_what_could_not_be_read_back_is_told_when_it_is_saved(ws):
    with pytest.raises(TrainingError, match=r"saves what cannot be read back .* got datetime\.datetime"):
        train(ws, Rows(), net=Keeps, epochs=200)


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
