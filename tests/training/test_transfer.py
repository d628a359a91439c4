"""Training that begins with what another network has learned."""

import json
import math
import re
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from networks import StopAt
from safetensors.torch import load_file, save_file, save_model
from sklearn.datasets import load_digits

import lepton_nb
from lepton_nb import errors, training
from lepton_nb.data import TextOptions, load, preprocessing
from lepton_nb.models import build, head_of, take
from lepton_nb.training import Fit
from lepton_nb.training.events import EventLog, Tail
from lepton_nb.training.job import Job
from lepton_nb.training.starting import enter, specified
from lepton_nb.training.trainer.transferring import transfer
from lepton_nb.workspace import Workspace

SMALL = ("channels=[8,8]",)


def digits(low: int, high: int, most: int | None = None):
    """Images of some digits, as classes from 0 on, at most so many of each."""
    found = load_digits()
    rows = [np.flatnonzero(found.target == one)[:most] for one in range(low, high)]
    where = np.concatenate(rows)
    return found.images[where][:, None].astype(np.float32), found.target[where] - low


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("home")


@pytest.fixture
def place(home, monkeypatch):
    (home / "pyproject.toml").touch()
    monkeypatch.chdir(home)
    return home


@pytest.fixture
def first(place, shared):
    """A run on the digits 0 to 4."""
    if "first" not in shared:
        shared["data"] = lepton_nb.data_load(digits(5, 10, 20))
        before = lepton_nb.data_load(digits(0, 5))
        shared["first"] = lepton_nb.train("cnn", data=before, epochs=3, net=SMALL, name="first")
    return shared["first"]


@pytest.fixture(scope="module")
def shared():
    return {}


def told(run) -> str:
    return " ".join(str(getattr(one, "text", "")) for one in Tail(run.path).read())


def train(shared, **options):
    return lepton_nb.train("cnn", data=shared["data"], **{"epochs": 2, "net": SMALL, **options})


def weights(run):
    return load_file(str(run.path / "weights.safetensors"))


def test_all_but_the_head_begins_with_the_weights_of_the_run_and_what_is_frozen_keeps_them(first, shared):
    run = train(shared, start_from="first", freeze="backbone")
    before, after = weights(first), weights(run)
    same = {name for name in before if torch.equal(before[name], after[name])}
    heads = {f"{head_of(lepton_nb.load_model(run))}.{what}" for what in ("weight", "bias")}
    assert same == set(before) - heads
    assert "weights of run first: 30 tensors are taken over; new: network.head.weight, network.head.bias" in told(run)


def test_what_is_frozen_learns_from_the_epoch_on_that_is_named(first, shared):
    before = weights(first)
    for epochs, learns in ((1, False), (2, True)):
        options = {"freeze": "backbone", "unfreeze_at": 2, "epochs": epochs}
        after = weights(train(shared, start_from="first", **options))
        for name in ("network.block1.body.0.weight", "network.block1.body.1.running_mean"):
            assert torch.equal(before[name], after[name]) != learns


@pytest.mark.parametrize("unfreeze_at", [0, 2])
def test_what_rests_rests_as_well_when_a_run_goes_on_within_an_epoch(first, shared, tmp_path, unfreeze_at):
    about = {"start_from": "first", "freeze": "backbone", "unfreeze_at": unfreeze_at, "batch_size": 16, "epochs": 3}
    batches = math.ceil(shared["data"].rows["train"] / 16)
    stop = StopAt(batches + 2, tmp_path / "done")
    whole, cut = train(shared, **about), train(shared, **about, name=f"cut{unfreeze_at}", callback=(stop,))
    assert cut.status == "stopped"
    resumed = lepton_nb.resume(f"cut{unfreeze_at}")
    assert resumed.status == "finished"
    expected, found = weights(whole), weights(resumed)
    assert {name for name in expected if not torch.equal(expected[name], found[name])} == set()
    still = {name for name, value in weights(first).items() if torch.equal(value, found[name])}
    assert ("network.block1.body.1.running_mean" in still) == ("network.block1.body.0.weight" in still)
    assert ("network.block1.body.0.weight" in still) == (unfreeze_at == 0)


def test_each_layer_learns_at_a_part_of_the_rate_of_the_one_behind_it(first, shared):
    before = weights(first)
    layers = [f"network.{block}.body.{place}.weight" for block in ("block1", "block2") for place in (0, 3)]

    def moved(**options):
        run = train(shared, start_from="first", steps=1, lr=1e-4, net=(*SMALL, "schedule=constant"), **options)
        after = weights(run)
        return np.array([float((after[name] - before[name]).abs().mean()) for name in layers])

    assert moved(layer_decay=0.5) / moved() == pytest.approx([0.5**4, 0.5**3, 0.5**2, 0.5], rel=0.01)


def test_a_network_of_the_notebook_takes_a_file_whose_names_have_another_word_in_front(place, first, shared, tmp_path):
    renamed = {f"backbone.{name.partition('.')[2]}": value for name, value in weights(first).items()}
    save_file(renamed, str(tmp_path / "other.safetensors"))
    run = train(shared, start_from=tmp_path / "other.safetensors", epochs=1)
    assert "weights of other.safetensors: 30 tensors are taken over" in told(run)


def test_every_tensor_is_told_in_a_file_beside_the_run(first, shared):
    run = train(shared, start_from="first", epochs=1)
    assert "in full in pretrained.json of the run's folder" in told(run)
    listed = json.loads((run.path / "pretrained.json").read_text())
    assert len(listed["taken"]) == 30
    assert {*listed["taken"], *listed["new"]} == set(weights(run))


def test_a_run_whose_name_has_a_dot_is_no_file(first, shared, place):
    with pytest.raises(errors.NotFoundError, match=r"'v1\.2' do not exist; expected a \.safetensors file"):
        train(shared, start_from="v1.2")
    train(shared, start_from="first", name="v1.2", steps=1)
    begun = train(shared, start_from="v1.2", steps=1, epochs=1)
    assert "weights of run v1.2: 30 tensors are taken over" in told(begun)


def test_layers_of_another_shape_are_listed_and_begin_anew(first, shared):
    run = train(shared, start_from="first", net=("channels=[8,12]",), epochs=1)
    assert "of another shape: network.block2.body.0.weight: (8, 8, 3, 3) and (12, 8, 3, 3)" in told(run)


def texts(ws, words, classes):
    """Messages of two words each, whose class the first one says."""
    rows = [f"{words[place % len(words)]} {words[place // 3 % len(words)]}" for place in range(60)]
    frame = pd.DataFrame({"text": rows, "class": [place % len(words) % classes for place in range(60)]})
    return load(ws, frame, target="class", text=TextOptions("text", "wordpiece", 300))


def test_vectors_of_tokens_are_taken_by_the_token_and_not_by_its_number(tmp_path):
    ws = Workspace(tmp_path / ".lepton")
    before = texts(ws, ["apple", "pear", "plum"], 3)
    after = texts(ws, ["zebra", "plum", "pear", "ant"], 2)
    small, fit = {"size": 8, "width": 8, "kernels": ()}, Fit(1, 16, 0, 5, accelerator="cpu")
    first = training.train(ws, "rnn", before, fit, name="first", options=small)
    path = first.path / "weights.safetensors"
    moved = replace(fit, pretrained="run first", freeze="backbone")

    def begun(weights, source=after):
        spec = specified("rnn", source, small, None)
        run = enter(ws, spec, source, moved, "next", weights=weights)
        torch.manual_seed(1)
        module, log = spec.build(), EventLog(ws.run(run))
        untrained = module.network.steps.vectors.weight.detach().clone()
        told = transfer(Job.read(ws.run(run)), module, log)
        listed = json.loads((ws.run(run) / "pretrained.json").read_text())
        return untrained, module, listed, told

    ids = [json.loads(preprocessing(one).content)["model"]["vocab"] for one in (before, after)]
    untrained, module, listed, told = begun(path)
    theirs, ours = load_file(str(path))["network.steps.vectors.weight"], module.network.steps.vectors.weight
    assert ids[0]["plum"] != ids[1]["plum"]
    for word, place in ids[1].items():
        assert torch.equal(ours[place], theirs[ids[0][word]] if word in ids[0] else untrained[place]), word
    known = len(ids[0].keys() & ids[1].keys())
    assert listed["vectors"] == {"network.steps.vectors.weight": [known, len(ids[1])]}
    # What is random in part is not to rest.
    assert "network.steps.vectors.weight" not in told.frozen
    assert "network.body.recurrent.forwards.0.layer.weight_hh_l0" in told.frozen

    # Of a file alone nobody knows what its numbers stood for.
    untrained, module, listed, _ = begun(shutil.copy(path, tmp_path / "file.safetensors"))
    assert torch.equal(module.network.steps.vectors.weight, untrained)
    assert listed["vectors"] == {"network.steps.vectors.weight": [0, len(ids[1])]}
    assert "network.steps.vectors.weight" in listed["new"]

    # The same texts have the same numbers.
    _, module, listed, told = begun(path, before)
    assert torch.equal(module.network.steps.vectors.weight, theirs)
    assert listed["vectors"] == {}
    assert "network.steps.vectors.weight" in told.frozen


def test_bins_are_taken_with_the_weights_that_were_learned_for_them(tmp_path):
    rows = torch.randn(80, 3)
    told = {"embedding": "piecewise", "bins": 4, "size": 4}
    first, second = (build("mlp", (3,), 2, "regression", **told) for _ in range(2))
    first.learn_from(5 * rows + 2, torch.randn(80, 2))
    save_model(first, str(tmp_path / "first.safetensors"))
    found = take(tmp_path / "first.safetensors", second, head_of(second))
    bins = [name for name in first.state_dict() if name.rpartition(".")[2] in ("left", "scale", "low", "high")]
    assert len(bins) == 4
    assert set(bins) <= set(found.taken)
    # The rows of the new data move what is of the data, and not the bins.
    assert found.kept == ("objective.deviation", "objective.mean")
    assert "kept: objective.deviation, objective.mean" in str(found)
    second.learn_from(rows, 1000 + torch.randn(80, 2))
    assert all(torch.equal(first.state_dict()[name], second.state_dict()[name]) for name in bins)
    assert float(second.objective.mean[0]) > 900


def test_the_normal_class_is_that_of_the_data_and_not_that_of_the_weights(tmp_path):
    first, second = (build("autoencoder", (6,), 2, hidden=[4, 2], normal=normal) for normal in (1, -1))
    save_model(first, str(tmp_path / "first.safetensors"))
    found = take(tmp_path / "first.safetensors", second, head_of(second))
    assert found.kept == ("normality",)
    assert float(second.normality[0]) == -1


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"start_from": "nobody"}, errors.NotFoundError, "nobody"),
        ({"start_from": "missing.safetensors"}, errors.NotFoundError, "do not exist"),
        ({"start_from": "pickled.pt"}, errors.FormatError, "holds no safetensors"),
        ({"start_from": "hf:nobody"}, errors.UsageError, "names no weights"),
        ({"start_from": "hf:a/b/model.bin"}, errors.UsageError, "a pickle from elsewhere could run code"),
        ({"start_from": "timm:resnet18"}, errors.NotFoundError, "were not fetched"),
        ({"start_from": "first", "unfreeze_at": 2}, errors.UsageError, "nothing is frozen"),
        ({"start_from": "first", "layer_decay": 0.0}, errors.UsageError, "layer_decay 0.0"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_written(
    first, shared, place, monkeypatch, options, error, message
):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    (place / "pickled.pt").write_bytes(b"\x80\x04N.")
    runs = sorted(path.name for path in (place / ".lepton/runs").iterdir())
    with pytest.raises(error, match=re.escape(message)):
        train(shared, **options)
    assert sorted(path.name for path in (place / ".lepton/runs").iterdir()) == runs


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"start_from": "strangers.safetensors"}, "no weights of strangers.safetensors fit CNN"),
        ({"start_from": "first", "head": "network.flat"}, "has no part 'network.flat' with weights"),
        ({"start_from": "first", "freeze": "netwerk"}, "did you mean 'network'?"),
    ],
)
def test_what_does_not_fit_ends_the_run_with_the_names(first, shared, place, options, message):
    save_file({"other.weight": torch.zeros(3, 5)}, str(place / "strangers.safetensors"))
    with pytest.raises(errors.TrainingError, match=re.escape(message)) as caught:
        train(shared, **options)
    # The message says it all, once.
    assert str(caught.value).count(message) == 1
