"""An artifact is made once, is whole or absent, and its reference is unbiased."""

from __future__ import annotations

import dataclasses
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import pytorch_lightning as pl
import torch

from lepton_nb.artifact import add_file, build, network_probabilities
from lepton_nb.artifact.reference import reference_of, signature_of
from lepton_nb.data import features, load, read
from lepton_nb.errors import PackagingError, UsageError
from lepton_nb.models import save_weights
from lepton_nb.runtime import read_reference, verify_manifest
from lepton_nb.runtime.model import Model
from lepton_nb.workspace import Workspace


class Line(pl.LightningModule):
    """The least network there is: what its forward does is what differs below."""

    def __init__(self, in_features=3, num_classes=2) -> None:
        super().__init__()
        self.line = torch.nn.Linear(in_features, num_classes)

    def forward(self, x):
        return self.line(x)


class Certain(Line):
    def forward(self, x):
        return torch.softmax(self.line(x), dim=1)


class Frozen(Line):
    """What it adds is computed outside torch, so that the export sees a constant."""

    calls = 0

    def forward(self, x):
        Frozen.calls += 1
        return self.line(x) + torch.tensor([float(Frozen.calls), 0.0])


class Single(Line):
    def forward(self, x):
        return self.line(x)[:, :1]


class Broken(Line):
    def forward(self, x):
        raise ValueError("no such thing")


class Diverged(Line):
    def forward(self, x):
        return self.line(x) / 0.0


@pytest.fixture
def small(tmp_path):
    """Data of three numbers in a workspace of its own, and a way to make runs on it."""
    ws = Workspace(tmp_path / ".lepton")
    rng = np.random.default_rng(5)
    data = load(ws, (rng.normal(size=(150, 3)), rng.integers(0, 2, 150)), name="small")
    return ws, data


def files_under(path):
    return sorted(str(one.relative_to(path)) for one in path.rglob("*") if one.name != "artifact.lock")


def test_the_same_run_is_not_exported_again(trained):
    one = trained("breast_cancer")
    first = build(one.ws, one.run, one.data)
    inode = (first.path / "model.onnx").stat().st_ino
    assert build(one.ws, one.run, one.data) == first
    assert (first.path / "model.onnx").stat().st_ino == inode
    assert first.parity <= 1e-5
    assert first.model_bytes == (first.path / "model.onnx").stat().st_size
    assert not list(one.run.path.glob(".artifact*"))


def test_other_weights_or_a_changed_file_make_a_new_artifact_and_the_same_weights_the_same_bytes(quick_run, small):
    ws, data = small
    run = quick_run(ws, data, Line, epochs=0)
    first = build(ws, run, data)
    (first.path / "signature.json").write_text("{}")
    assert build(ws, run, data).sha256 == first.sha256
    verify_manifest(first.path)
    torch.manual_seed(2)
    save_weights(run.path / "weights.safetensors", Line())
    second = build(ws, run, data)
    assert second.sha256 != first.sha256
    assert second.parameters == 3 * 2 + 2


def test_two_builds_at_once_make_one_artifact(quick_run, small):
    ws, data = small
    run = quick_run(ws, data, Line, epochs=0)
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda _: build(ws, run, data), range(2))
    assert first == second
    verify_manifest(first.path)


def test_a_network_that_gives_probabilities_gets_no_second_softmax(quick_run, small):
    ws, data = small
    run = quick_run(ws, data, Certain, epochs=0)
    answer = Model.load(build(ws, run, data).path).predict(read(data, "test")[0])
    expected = network_probabilities(run, data, "test")
    np.testing.assert_allclose(answer, expected, atol=1e-6)
    line = Line()
    line.load_state_dict(_weights(run))
    with torch.no_grad():
        direct = torch.softmax(line(torch.from_numpy(features(data, "test")[0])), dim=1)
    np.testing.assert_allclose(answer, direct.numpy(), atol=1e-6)


def _weights(run):
    from safetensors.torch import load_file

    return load_file(str(run.path / "weights.safetensors"))


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (Frozen, ["does not answer as the network does", "frozen at export"]),
        (Single, ["one value per class", "[rows, 2]", "return the logits"]),
        (Broken, ["forward of Broken fails", "no such thing"]),
        (Diverged, ["NaN or infinity on", "smaller learning rate"]),
    ],
)
def test_a_network_that_cannot_be_shipped_is_refused_and_leaves_nothing_behind(quick_run, small, kind, words):
    ws, data = small
    run = quick_run(ws, data, kind, epochs=0)
    before = files_under(ws.home)
    with pytest.raises(PackagingError) as error:
        build(ws, run, data)
    assert all(word in str(error.value) for word in words)
    assert files_under(ws.home) == before


def test_a_failing_rebuild_keeps_the_artifact_that_was_there(quick_run, small):
    ws, data = small
    run = quick_run(ws, data, Line, epochs=0)
    first = build(ws, run, data)
    torch.manual_seed(2)
    bad = Line()
    torch.nn.init.constant_(bad.line.weight, float("nan"))
    save_weights(run.path / "weights.safetensors", bad)
    with pytest.raises(PackagingError, match="NaN"):
        build(ws, run, data)
    assert verify_manifest(first.path).files["model.onnx"] == first.sha256


def test_a_run_without_weights_or_of_other_data_is_refused(trained, small, tmp_path):
    _, other = small
    one = trained("breast_cancer")
    with pytest.raises(PackagingError, match="still training"):
        build(one.ws, dataclasses.replace(one.run, status="running"), one.data)
    empty = dataclasses.replace(one.run, path=tmp_path / "nothing", status="failed", cause="killed")
    with pytest.raises(PackagingError, match=r"no trained weights.*failed killed"):
        build(one.ws, empty, one.data)
    with pytest.raises(UsageError, match="was not trained on data small"):
        build(one.ws, one.run, other)


def test_the_reference_counts_inputs_of_the_training_part_and_predictions_of_validation_rows(trained, packaged):
    one, folder = trained("breast_cancer"), packaged("breast_cancer").model
    reference = read_reference(folder)
    assert reference.rows == one.data.rows["train"]
    columns = [column.name for column in one.data.columns]
    assert list(reference.features) == [*columns, "prediction.confidence", "prediction.logits0"]
    for name, feature in reference.features.items():
        rows = one.data.rows["train" if name in columns else "validation"]
        assert sum(feature.counts) + feature.missing == rows
        assert len(feature.counts) == len(feature.edges) + 1
    held_out = network_probabilities(one.run, one.data, "validation").argmax(axis=1)
    assert reference.prediction.categories == one.data.classes
    assert list(reference.prediction.counts) == np.bincount(held_out, minlength=2).tolist()


def test_the_reference_of_an_array_is_of_its_statistics(packaged):
    features_counted = read_reference(packaged("digits").model).features
    statistics = [f"input.{name}" for name in ("mean", "std", "min", "max", "q0", "q1", "q2", "q3")]
    answers = [f"prediction.{name}" for name in ("confidence", "logits0", "logits1", "logits2")]
    assert list(features_counted) == statistics + answers


def test_the_reference_counts_gaps_and_categories(tmp_path):
    import pandas as pd

    frame = pd.DataFrame({"n": [1.0, None, 3.0, 4.0] * 10, "c": ["a", "b", None, "a"] * 10, "y": ["u", "v"] * 20})
    data = load(Workspace(tmp_path / ".lepton"), frame, target="y")
    inputs, _ = read(data, "train")
    found = reference_of(signature_of(data), inputs, np.array([[0.9, 0.1], [0.2, 0.8], [0.3, 0.7]]))
    assert found.features["c"].categories == ("a", "b")
    assert len(found.features["c"].counts) == 3
    for one in (found.features["n"], found.features["c"]):
        assert one.missing > 0
        assert sum(one.counts) + one.missing == data.rows["train"]
    # What is counted of the answers has the rows of these, and no gaps.
    for name in found.features.keys() - {"n", "c"}:
        assert (sum(found.features[name].counts), found.features[name].missing) == (3, 0)
    assert found.prediction.counts == (1, 2)


def test_a_file_that_is_added_stands_in_the_manifest(quick_run, small):
    ws, data = small
    run = quick_run(ws, data, Line, epochs=0)
    made = build(ws, run, data)
    add_file(run, made, "card.json", {"a": 1})
    assert "card.json" in verify_manifest(made.path).files
    assert build(ws, run, data) == made
    assert (made.path / "card.json").exists()
