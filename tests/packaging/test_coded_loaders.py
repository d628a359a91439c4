"""A network on a notebook's own loaders that ONNX cannot express travels as its source, where code is allowed."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
import tensor_nets
import torch

from lepton_nb import artifact, packaging, training
from lepton_nb.artifact.coded import Coded
from lepton_nb.commands.find import bento_of
from lepton_nb.errors import InexpressibleError, PackagingError, ServingError, UsageError
from lepton_nb.models import load_trained
from lepton_nb.training import Fit
from lepton_nb.workspace import Workspace


@pytest.fixture(scope="module")
def trained_on_loaders(tmp_path_factory):
    def make(name):
        folder = tmp_path_factory.mktemp(name)
        ws = Workspace(folder / ".lepton")
        return ws, training.train(ws, getattr(tensor_nets, name), tensor_nets.loaders(name, folder), Fit(1, 16, 0, 0))

    return make


def test_a_network_that_goes_another_way_for_other_values_is_shipped_as_its_source(trained_on_loaders, tmp_path):
    ws, run = trained_on_loaders("Choosy")
    examples = artifact.examples_of(run)
    with pytest.raises(InexpressibleError, match="another path for other values") as refused:
        packaging.package(ws, run, examples)
    assert f"lepton package {run.name} --allow-code" in str(refused.value)
    assert not packaging.bentos(ws)
    with pytest.raises(UsageError, match="nonsense"):
        packaging.package(ws, run, examples, allow_code=True, closed=["nonsense"])
    bento = packaging.package(ws, run, examples, allow_code=True, units={"features": "m"})
    assert bento.code
    assert json.loads((bento.model / "signature.json").read_text())["inputs"][0]["unit"] == "m"
    card = json.loads((bento.model / "card.json").read_text())
    assert card["code"]
    assert card["metrics"]["mae"] > 0
    rows = torch.randn(6, 3)
    with torch.no_grad():
        expected = load_trained(run.path)(features=rows)[:, 0].numpy()
    coded = Coded.load(bento.model)
    np.testing.assert_allclose(coded.predict({"features": rows.numpy()})["value"], expected, atol=1e-6)
    np.testing.assert_allclose(packaging.load_code(bento)(rows).detach()[:, 0], expected, atol=1e-6)
    with pytest.raises(ServingError, match="holds the source of a network"):
        bento_of(ws, bento)
    assert coded.check_golden(bento.model) < 1e-5
    packaging.write_archive(bento, tmp_path / "model.lepton")
    other = Workspace(tmp_path / ".lepton")
    with pytest.raises(PackagingError, match="--allow-code takes it all the same"):
        packaging.import_package(other, tmp_path / "model.lepton")


def test_a_score_that_has_no_value_is_left_open_in_the_card(trained_on_loaders):
    """Of answers that are all the same there is no share that is explained."""
    ws, run = trained_on_loaders("Price")
    examples = artifact.examples_of(run)
    same = tuple(dataclasses.replace(one, targets={"0": np.ones_like(one.targets["0"])}) for one in examples.held_out)
    bento = packaging.package(ws, run, dataclasses.replace(examples, validation=same))
    scores = json.loads((bento.model / "card.json").read_text())["metrics"]
    assert scores["r2"] is None
    assert scores["mae"] > 0


def test_a_network_over_text_is_shipped_with_its_tokenizer(trained_on_loaders):
    ws, run = trained_on_loaders("ChoosyText")
    wanted = artifact.Wanted(classes=("no", "yes"), tokenizer=run.path.parents[2] / "tokenizer.json", outputs=())
    bento = packaging.package(ws, run, artifact.examples_of(run), allow_code=True, wanted=wanted)
    assert "tokenizers==" in (bento.path / "env" / "python" / "requirements.txt").read_text()
    coded = Coded.load(bento.model)
    (text,) = coded.signature.inputs
    assert (text.kind, coded.signature.classes) == ("text", ("no", "yes"))
    told = coded.predict({"text": np.array(["the film was good", "dull"], object)})
    assert told.shape == (2, 2)
    made = tensor_nets.tokenizer(run.path / "again.json")
    ids = torch.tensor([one.ids for one in made.encode_batch(["the film was good", "dull"])])
    with torch.no_grad():
        scores = load_trained(run.path)(text=ids, attention_mask=(ids != 0).long())
    np.testing.assert_allclose(told, torch.softmax(scores, 1), atol=1e-5)
