"""Training that begins with what another network has learned."""

import re

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from sklearn.datasets import load_digits

import lepton_nb
from lepton_nb import errors
from lepton_nb.models import head_of
from lepton_nb.training.events import Tail

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
    assert "weights of run first: 24 tensors are taken over; new: network.16.weight, network.16.bias" in told(run)


def test_what_is_frozen_learns_from_the_epoch_on_that_is_named(first, shared):
    before = weights(first)
    for epochs, learns in ((1, False), (2, True)):
        options = {"freeze": "backbone", "unfreeze_at": 2, "epochs": epochs}
        after = weights(train(shared, start_from="first", **options))
        for name in ("network.0.weight", "network.1.running_mean"):
            assert torch.equal(before[name], after[name]) != learns


def test_each_layer_learns_at_a_part_of_the_rate_of_the_one_behind_it(first, shared):
    before = weights(first)
    layers = ("network.0.weight", "network.3.weight", "network.7.weight", "network.10.weight")

    def moved(**options):
        run = train(shared, start_from="first", steps=1, lr=1e-4, net=(*SMALL, "schedule=constant"), **options)
        after = weights(run)
        return np.array([float((after[name] - before[name]).abs().mean()) for name in layers])

    assert moved(layer_decay=0.5) / moved() == pytest.approx([0.5**4, 0.5**3, 0.5**2, 0.5], rel=0.01)


def test_a_network_of_the_notebook_takes_a_file_whose_names_have_another_word_in_front(place, first, shared, tmp_path):
    renamed = {f"backbone.{name.partition('.')[2]}": value for name, value in weights(first).items()}
    save_file(renamed, str(tmp_path / "other.safetensors"))
    run = train(shared, start_from=tmp_path / "other.safetensors", epochs=1)
    assert "weights of other.safetensors: 24 tensors are taken over" in told(run)


def test_layers_of_another_shape_are_listed_and_begin_anew(first, shared):
    run = train(shared, start_from="first", net=("channels=[8,12]",), epochs=1)
    assert "of another shape: network.7.weight: (8, 8, 3, 3) and (12, 8, 3, 3)" in told(run)


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
        ({"start_from": "first", "head": "network.15"}, "has no part 'network.15' with weights"),
        ({"start_from": "first", "freeze": "netwerk"}, "did you mean 'network'?"),
    ],
)
def test_what_does_not_fit_ends_the_run_with_the_names(first, shared, place, options, message):
    save_file({"other.weight": torch.zeros(3, 5)}, str(place / "strangers.safetensors"))
    with pytest.raises(errors.TrainingError, match=re.escape(message)) as caught:
        train(shared, **options)
    # The message says it all, once.
    assert str(caught.value).count(message) == 1
