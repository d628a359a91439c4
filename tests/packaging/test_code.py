"""A network that ONNX cannot express travels as its source and its weights, and only where code is allowed."""

from __future__ import annotations

import dataclasses
import json
import pickle
import shutil

import numpy as np
import pytest
import torch
from IPython.core.interactiveshell import InteractiveShell

from lepton_nb.artifact import network_probabilities
from lepton_nb.artifact.coded import Coded, assemble_coded
from lepton_nb.commands.find import bento_of
from lepton_nb.commands.reading import load_model
from lepton_nb.data import load, read
from lepton_nb.errors import FormatError, InexpressibleError, PackagingError, ServingError
from lepton_nb.models import specify, written
from lepton_nb.packaging import bentos, find, import_package, load_code, package, write_archive
from lepton_nb.packaging.archive import unpack
from lepton_nb.runtime import verify_manifest
from lepton_nb.workspace import Workspace, write_json

CELLS = """
import math
import torch
from torch import nn
import pytorch_lightning as pl
from torch.nn import functional as F
SCALE = 0.5
def bent(x):
    return torch.special.airy_ai(x) * SCALE
class Block(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.line = nn.Linear(size, size)
    def forward(self, x):
        return F.relu(self.line(bent(x)))
class Odd(pl.LightningModule):
    def __init__(self, in_features=3, num_classes=2, lr=1e-3):
        super().__init__()
        self.block = Block(in_features)
        self.head = nn.Linear(in_features, num_classes)
        self.root = math.sqrt(2)
    def forward(self, x):
        return self.head(self.block(x)) * self.root
    def training_step(self, batch, _):
        return F.cross_entropy(self(batch[0]), batch[1])
    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), 1e-3)
"""


def notebook():
    """A notebook's kernel, whose cells were run in this order."""
    shell = InteractiveShell()
    for cell in CELLS.split("class Block"):
        shell.run_cell(cell if cell.startswith("\nimport") else "class Block" + cell).raise_error()
    return shell


@pytest.fixture
def shell():
    return notebook()


@pytest.fixture(autouse=True)
def own_store(monkeypatch):
    monkeypatch.delenv("BENTOML_HOME", raising=False)


@pytest.fixture(scope="module")
def odd(quick_run, tmp_path_factory):
    """A finished run of such a network on a table with a category, as training leaves it."""
    import pandas as pd

    rng = np.random.default_rng(5)
    frame = pd.DataFrame(rng.normal(size=(150, 2)), columns=["a", "b"])
    frame["c"] = np.array(["u", "v", None])[rng.integers(0, 3, 150)]
    frame["y"] = np.array(["n", "p"])[frame["a"].gt(0) * 1]
    ws = Workspace(tmp_path_factory.mktemp("odd") / ".lepton")
    data = load(ws, frame, target="y", name="small")
    kind = notebook().user_ns["Odd"]
    run = quick_run(ws, data, kind, epochs=1)
    spec = specify(kind, data.feature_shape, 2, {})
    write_json(run.path / "job" / "source.json", dataclasses.asdict(written(spec)))
    return ws, run, data


@pytest.fixture(scope="module")
def bento(odd):
    """The package of its source."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("BENTOML_HOME", raising=False)
        return package(*odd, name="odd", allow_code=True)


def test_without_leave_the_refusal_says_how_source_is_shipped(odd):
    ws, run, data = odd
    known = bentos(ws)
    with pytest.raises(InexpressibleError, match=r"airy_ai.*or ship its source: lepton package .* --allow-code"):
        package(ws, run, data)
    assert bentos(ws) == known


def test_source_is_packaged_with_weights_and_a_card_that_says_so(odd, bento):
    assert bento.code
    assert not list(bento.path.rglob("*.pkl"))
    files = set(verify_manifest(bento.model).files)
    kept = {"network.py", "network.json", "weights.safetensors", "preparation.onnx"}
    assert files == {*kept, "signature.json", "reference.json", "golden.json", "card.json", "sbom.json"}
    card = json.loads((bento.model / "card.json").read_text())
    assert card["code"] is True
    assert "--allow-code" in card["warning"]
    assert card["metrics"]["accuracy"] > 0
    parts = {one["name"] for one in json.loads((bento.model / "sbom.json").read_text())["components"]}
    assert {"torch", "weights.safetensors", "preparation.onnx"} <= parts
    with pytest.raises(ServingError, match=r"holds the source of a network.*load_model\('odd:"):
        bento_of(odd[0], "odd")


def test_source_is_imported_only_where_code_is_allowed(odd, bento, tmp_path):
    _, run, data = odd
    file = tmp_path / "odd.lepton"
    write_archive(bento, file)
    other = Workspace(tmp_path / "other" / ".lepton")
    with pytest.raises(PackagingError, match=r"holds the source of a network.*--allow-code takes it"):
        import_package(other, file)
    assert not other.home.exists()
    taken = import_package(other, file, allow_code=True)
    assert (taken.code, taken.imported, find(other, "odd")) == (True, True, taken)
    inputs = read(data, "test")[0]
    theirs = network_probabilities(run, data, "test")
    np.testing.assert_allclose(Coded.load(taken.model).predict(inputs), theirs, atol=1e-5)
    assert isinstance(load_code(taken), torch.nn.Module)
    assert type(load_model(taken)).__name__ == "Odd"


def test_source_that_answers_otherwise_than_its_golden_batch_is_refused(bento, repack, tmp_path):
    canary = tmp_path / "canary"
    evil = f"open({str(canary)!r}, 'w')\n".encode()

    def change(files):
        files["network.py"] = files["network.py"].replace(b"SCALE = 0.5", b"SCALE = 5.0") + evil

    file = repack(bento, tmp_path / "bad.lepton", change)
    other = Workspace(tmp_path / "other" / ".lepton")
    with pytest.raises(PackagingError, match="holds the source"):
        import_package(other, file)
    assert not canary.exists()
    assert not other.home.exists()
    # What the trial of an import does where code is allowed.
    unpack(file, tmp_path / "model")
    with pytest.raises(PackagingError, match="does not answer its golden batch"):
        Coded.load(tmp_path / "model").check_golden(tmp_path / "model")


def test_the_source_of_cells_is_one_module_that_stands_alone(shell):
    found = written(specify(shell.user_ns["Odd"], (3,), 2, {}))
    assert found.fault == ""
    assert found.options == "{'in_features': 3, 'num_classes': 2}"
    names = {}
    exec(found.text, names)
    assert isinstance(names["Odd"](3, 2), torch.nn.Module)
    assert "SCALE = 0.5" in found.text
    assert "import pytorch_lightning as pl" in found.text
    assert found.text.index("def bent") < found.text.index("class Block") < found.text.index("class Odd")


def test_the_cell_that_was_run_last_is_the_source(shell):
    shell.run_cell("SCALE = 0.25\ndef bent(x):\n    return x * SCALE\n").raise_error()
    text = written(specify(shell.user_ns["Odd"], (3,), 2, {})).text
    assert "SCALE = 0.25" in text
    assert "airy" not in text


@pytest.mark.parametrize(
    ("cell", "why"),
    [
        ("thing = object()\ndef bent(x):\n    return thing, x", "'thing', a object, which has no source"),
        ("def bent(x):\n    return nowhere(x)", "'nowhere', which is not defined"),
        ("bent = lambda x: x", "defined inside a function"),
        ("def outer():\n    def bent(x):\n        return x\n    return bent\nbent = outer()", "inside a function"),
        ("import conftest_of_a_project as bent", ""),
    ],
)
def test_what_has_no_source_is_told(cell, why, shell, tmp_path, monkeypatch):
    (tmp_path / "conftest_of_a_project.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    shell.run_cell(cell).raise_error()
    found = written(specify(shell.user_ns["Odd"], (3,), 2, {}))
    assert found.text == ""
    assert why in found.fault
    assert found.fault


def test_an_instance_is_built_again_from_the_arguments_that_it_kept(shell):
    shell.run_cell(
        "class Kept(Odd):\n    def __init__(self, in_features=3, lr=0.1):\n"
        "        super().__init__(in_features)\n        self.save_hyperparameters()\n"
    ).raise_error()
    assert written(specify(shell.user_ns["Kept"](4), None, None, {})).options == "{'in_features': 4, 'lr': 0.1}"
    assert "is not known; train the class" in written(specify(shell.user_ns["Odd"](4), None, None, {})).fault


def test_a_run_without_a_recorded_source_is_told_so(odd, tmp_path):
    _, run, data = odd
    with pytest.raises(PackagingError, match="was not recorded when the training started"):
        assemble_coded(tmp_path, dataclasses.replace(run, path=tmp_path), data)


def test_weights_that_are_a_pickle_are_not_opened(bento, tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(bento.model, folder)
    (folder / "weights.safetensors").write_bytes(pickle.dumps({"a": 1}))
    with pytest.raises(FormatError, match="does not fit Odd"):
        Coded.load(folder)
