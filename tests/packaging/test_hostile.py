"""Packages whose content was made to do harm: nothing in them runs, nothing outside is read, and the store stays as
it was."""

from __future__ import annotations

import dataclasses
import io
import json
import os
import pickle
import shutil
import zipfile
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from lepton_nb.errors import FormatError
from lepton_nb.models import load_weights
from lepton_nb.packaging import import_package
from lepton_nb.runtime import ModelError, manifest_of
from lepton_nb.runtime.model import Model


class Evil:
    """When it is unpickled, it writes the canary."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self):
        return (os.system, (f"touch {self.canary}",))


def test_a_pickle_that_is_called_a_model_is_not_opened(package, refused, canary):
    refused(
        package(lambda files: files.update({"model.onnx": pickle.dumps(Evil(canary))})), "not an ONNX model|not a model"
    )


def test_a_checkpoint_that_is_called_a_model_is_not_opened(package, refused, canary):
    content = io.BytesIO()
    torch.save({"weights": Evil(canary)}, content)
    refused(package(lambda files: files.update({"model.onnx": content.getvalue()})), "not an ONNX model|not a model")


def test_a_pickle_that_is_called_safetensors_is_not_opened(package, refused, canary, tmp_path):
    path = tmp_path / "weights.safetensors"
    path.write_bytes(pickle.dumps(Evil(canary)))
    with pytest.raises(FormatError, match="does not fit Linear"):
        load_weights(path, torch.nn.Linear(2, 2))
    assert not canary.exists()


def test_source_beside_a_model_is_refused_even_where_code_is_allowed(package, refused, canary):
    evil = f"open({str(canary)!r}, 'w')".encode()
    file = package(lambda files: files.update({"network.py": evil}))
    refused(file, r"network\.py beside model\.onnx", allow_code=True)


def test_a_program_of_torch_with_a_replaced_member_is_not_opened(package, refused, canary, tmp_path):
    path = tmp_path / "model.pt2"
    torch.export.save(torch.export.export(torch.nn.Linear(2, 2), (torch.zeros(1, 2),)), path)
    with zipfile.ZipFile(path) as whole:
        members = {name: whole.read(name) for name in whole.namelist()}
    evil = pickle.dumps(Evil(canary))
    members = {name: evil if name.endswith((".pt", ".pkl")) else body for name, body in members.items()}
    assert evil in members.values()
    with zipfile.ZipFile(path, "w") as whole:
        for name, body in members.items():
            whole.writestr(name, body)
    content = path.read_bytes()
    refused(package(lambda files: files.update({"model.pt2": content})), r"model\.pt2, a file of a kind")
    refused(package(lambda files: files.update({"model.onnx": content})), "not an ONNX model|not a model")


def test_hyper_parameters_that_name_a_builder_build_nothing(canary, tmp_path):
    import pytorch_lightning as pl

    (tmp_path / "builder.py").write_text(f"def build(*_, **__):\n    open({str(canary)!r}, 'w')\n")
    path = tmp_path / "evil.ckpt"
    network = torch.nn.Linear(2, 2)
    torch.save(
        {
            "state_dict": network.state_dict(),
            "hyper_parameters": {"_instantiator": "builder.build", "a": 1},
            "hparams_name": "kwargs",
            "pytorch-lightning_version": pl.__version__,
        },
        path,
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(tmp_path))
        torch.load(path, weights_only=True)

        class Net(pl.LightningModule):
            def __init__(self, a=1) -> None:
                super().__init__()
                self.weight, self.bias = torch.nn.Parameter(torch.zeros(2, 2)), torch.nn.Parameter(torch.zeros(2))

        with pytest.raises(ValueError, match="not in the allowlist"):
            Net.load_from_checkpoint(path, weights_only=True, map_location="cpu")
    assert not canary.exists()


def external(content, location):
    """The model with its largest tensor in another file."""
    model = onnx.load_model_from_string(content)
    tensor = max(model.graph.initializer, key=lambda one: len(one.raw_data))
    size = len(tensor.raw_data)
    onnx.external_data_helper.set_external_data(tensor, location, length=size)
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    return model.SerializeToString(), size


@pytest.mark.parametrize("place", ["../outside.bin", "ABSOLUTE", "beside.json"])
def test_a_graph_whose_weights_lie_elsewhere_is_refused(place, package, refused, tmp_path):
    outside = tmp_path / "outside.bin"
    outside.write_bytes(bytes(range(256)) * 4096)
    place = str(outside) if place == "ABSOLUTE" else place

    def change(files):
        files["model.onnx"], _ = external(files["model.onnx"], place)

    refused(package(change), r"model\.onnx refers to other files")


@pytest.mark.parametrize("link", ["symlink_to", "hardlink_to"])
def test_a_linked_file_of_weights_is_not_followed_from_a_folder(link, packaged, tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(packaged("breast_cancer").model, folder)
    content, size = external((folder / "model.onnx").read_bytes(), "weights.bin")
    (tmp_path / "known.bin").write_bytes(np.full(size // 4, 7.0, np.float32).tobytes())
    (folder / "model.onnx").write_bytes(content)
    getattr(folder / "weights.bin", link)(tmp_path / "known.bin")
    written = manifest_of(folder, run="r", data="d").to_dict()
    (folder / "manifest.json").write_text(json.dumps(written))
    with pytest.raises(ModelError, match=r"refers to other files|not a plain file"):
        Model.load(folder)


def test_code_in_a_package_is_not_what_is_served(packaged, repack, ws, canary, tmp_path):
    bento = packaged("breast_cancer")
    copied = dataclasses.replace(bento, path=tmp_path / "copy")
    shutil.copytree(bento.path, copied.path)
    evil = f"open({str(canary)!r}, 'w')\n"
    for path in [copied.path / "src" / "service.py", *(copied.path / "src" / "lepton_runtime").glob("*.py")]:
        path.write_text(evil + path.read_text())
    shrunk = {"src/model/model.onnx", "src/model/golden.json", "src/service.py"}
    taken = import_package(ws, repack(copied, tmp_path / "evil.lepton", compress=shrunk))
    assert not canary.exists()
    for path in (taken.path / "src").rglob("*.py"):
        assert path.read_bytes() == (bento.path / path.relative_to(taken.path)).read_bytes()
