"""Packages that were made to do harm: nothing in them runs, nothing outside is read, and the store stays as it was."""

from __future__ import annotations

import dataclasses
import io
import json
import os
import pickle
import shutil
import stat
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from lepton_nb.errors import FormatError, LeptonError
from lepton_nb.models import load_weights
from lepton_nb.packaging import import_package
from lepton_nb.runtime import ModelError, manifest_of
from lepton_nb.runtime.model import Model
from lepton_nb.workspace import Workspace, file_sha256

REGULAR = stat.S_IFREG | 0o644


class Evil:
    """When it is unpickled, it writes the canary."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self):
        return (os.system, (f"touch {self.canary}",))


@pytest.fixture
def canary(tmp_path):
    return tmp_path / "canary"


@pytest.fixture
def ws(packaged, tmp_path, monkeypatch):
    """A store with a Bento in it already."""
    monkeypatch.delenv("BENTOML_HOME", raising=False)
    ws = Workspace(tmp_path / "project" / ".lepton")
    shutil.copytree(packaged("breast_cancer").path, ws.bentoml / "bentos" / "there" / "1")
    (ws.bentoml / "bentos" / "there" / "latest").write_text("1")
    return ws


@pytest.fixture
def refused(ws, canary, tmp_path):
    """Imports a file and holds that it is refused with these words and has left no trace."""

    def check(file, words, *, allow_code=False):
        before = snapshot(tmp_path, file)
        with pytest.raises(LeptonError, match=words) as caught:
            import_package(ws, file, allow_code=allow_code)
        assert snapshot(tmp_path, file) == before
        assert not canary.exists()
        assert "\n" not in str(caught.value)

    return check


def snapshot(root, *but):
    """Every name below a folder, with what it is, when it was changed and what it holds."""
    return {
        str(path.relative_to(root)): (
            path.lstat().st_mode,
            path.lstat().st_mtime_ns,
            path.is_file() and file_sha256(path),
        )
        for path in root.rglob("*")
        if path not in but
    }


def member(name, mode=REGULAR, kind=zipfile.ZIP_STORED):
    info = zipfile.ZipInfo(name)
    info.external_attr, info.compress_type = mode << 16, kind
    return info


@pytest.fixture
def package(packaged, repack, tmp_path):
    def make(change=None, **options):
        return repack(packaged("breast_cancer"), tmp_path / "bad.lepton", change, **options)

    return make


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


@pytest.mark.parametrize(
    "name",
    [
        *("../evil", "src/../../evil", "/tmp/evil", "//evil", "C:\\evil", "C:/evil", "src\\..\\evil", "src//evil"),
        *(
            "./evil",
            "evil/",
            "evil/.",
            "evil.",
            "src/model/../../../evil",
            "~/evil",
            "evil\x01",
            "e:vil",
            "é",
            "a" * 201,
        ),
    ],
)
def test_a_name_that_leaves_the_folder_or_is_odd_refuses_the_whole(name, package, refused):
    refused(package(extra=[(member(name), b"x")]), "the member name|which is a folder")


@pytest.mark.parametrize(
    ("mode", "words"),
    [
        (stat.S_IFLNK | 0o777, "a symbolic link"),
        (stat.S_IFIFO | 0o644, "a pipe"),
        (stat.S_IFCHR | 0o644, "a device"),
        (stat.S_IFBLK | 0o644, "a device"),
        (stat.S_IFSOCK | 0o644, "a device"),
        (stat.S_IFDIR | 0o755, "a folder"),
    ],
)
def test_a_link_a_pipe_or_a_device_refuses_the_whole(mode, words, package, refused):
    refused(package(extra=[(member("src/model/extra.json", mode), b"/etc/passwd")]), words)


@pytest.mark.parametrize("name", ["src/model/model.onnx", "src/model/MODEL.onnx", "SRC/service.py", "Package.json"])
def test_two_members_of_one_name_refuse_the_whole(name, package, refused):
    refused(package(extra=[(member(name), b"x")]), "twice")


def test_a_name_that_is_a_file_and_a_folder_refuses_the_whole(package, refused):
    refused(package(extra=[(member("src/service.py/x"), b"x")]), "as a file and as a folder")


@pytest.mark.parametrize("kind", ["plain", "slip", "symlink", "hardlink", "fifo", "device"])
def test_a_tar_archive_is_no_package_whatever_is_in_it(kind, refused, tmp_path):
    path = tmp_path / "bad.lepton"
    info = tarfile.TarInfo("../evil" if kind == "slip" else "evil")
    info.linkname = "/etc/passwd"
    info.type = {
        "symlink": tarfile.SYMTYPE,
        "hardlink": tarfile.LNKTYPE,
        "fifo": tarfile.FIFOTYPE,
        "device": tarfile.CHRTYPE,
    }.get(kind, tarfile.REGTYPE)
    with tarfile.open(path, "w:gz") as archive:
        archive.addfile(info, io.BytesIO(b""))
    refused(path, "no zip archive as lepton writes it")


def test_a_pipe_in_the_place_of_the_file_is_not_waited_for(refused, tmp_path):
    os.mkfifo(tmp_path / "pipe.lepton")
    refused(tmp_path / "pipe.lepton", "no plain file")


def test_a_decompression_bomb_refuses_the_whole(package, refused):
    bomb = (member("src/model/bomb.json", kind=zipfile.ZIP_DEFLATED), bytes(50_000_000))
    refused(package(extra=[bomb]), "compressed more than 100 times")


def test_too_many_members_refuse_the_whole(package, refused):
    refused(package(extra=[(member(f"env/{number}"), b"") for number in range(1000)]), "members.*up to 1000")


def directory_entry(content, name):
    """Where the directory of a zip archive has the entry of a member."""
    at = content.find(b"PK\x01\x02")
    while content[at + 46 : at + 46 + len(name)] != name:
        at = content.find(b"PK\x01\x02", at + 1)
    return at


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        (24, 0xFFFFFFF0, "compressed more than|bytes when unpacked"),
        (24, 10, "another|broken archive|laid over"),
        (20, 0xFFFFFFF0, "laid over"),
        (42, 0, "laid over another member"),
        (8, 1, "encrypted"),
        (10, 99, "compressed in an unknown way"),
    ],
)
def test_a_directory_that_lies_about_a_member_refuses_the_whole(field, value, words, package, refused):
    path = package()
    content = bytearray(path.read_bytes())
    at = directory_entry(content, b"src/model/model.onnx") + field
    size = 2 if field in (8, 10) else 4
    content[at : at + size] = value.to_bytes(size, "little")
    path.write_bytes(content)
    refused(path, words)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda content: b"MZ" + content, "bytes that belong to no member|broken"),
        (lambda content: content + b"more", "no zip archive"),
        (lambda content: content[:-1], "no zip archive"),
        (lambda content: content[: len(content) // 2], "no zip archive"),
        (lambda content: content.replace(b"lepton_nb", b"lepton_xx", 1), "another|a broken archive"),
        (lambda content: b"", "no zip archive"),
    ],
)
def test_bytes_that_were_changed_are_found(change, words, package, refused):
    path = package()
    path.write_bytes(change(path.read_bytes()))
    refused(path, words)


def outside_in_manifest(files):
    manifest = json.loads(files["manifest.json"])
    manifest["files"]["../../../known.json"] = "0" * 64
    files["manifest.json"] = json.dumps(manifest).encode()


def manifest_with(**values):
    def change(files):
        files["manifest.json"] = json.dumps({**json.loads(files["manifest.json"]), **values}).encode()

    return change


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (outside_in_manifest, r"known\.json is listed in manifest\.json but missing"),
        (manifest_with(format=99), "newer than format"),
        (manifest_with(files={}), "is not listed"),
        (manifest_with(run="<script>alert(1)</script>"), "the run or data"),
        (lambda files: files.update({"manifest.json": b"[" * 100_000}), "is not a package|cannot be read|recursion"),
        (lambda files: files.update({"signature.json": b"{}"}), "SHA-256 differs"),
        (lambda files: files.update({"extra.json": b"{}"}), "is not listed"),
        (lambda files: files.pop("golden.json"), "missing"),
    ],
)
def test_a_manifest_that_is_not_of_its_folder_is_refused(change, words, package, refused, tmp_path):
    (tmp_path / "known.json").write_text("{}")
    refused(package(change, seal=False), words)


@pytest.mark.parametrize(
    ("listed", "words"),
    [
        (lambda contents: contents["files"].pop("bento.yaml"), "'bento.yaml' in the archive or in its list"),
        (lambda contents: contents["files"].update(more={"size": 1, "sha256": "0"}), "'more' in the archive or in its"),
        (lambda contents: contents["files"]["src/service.py"].update(sha256="0" * 64), "another 'src/service.py'"),
        (lambda contents: contents["files"]["src/service.py"].update(size=3), "another 'src/service.py'"),
        (lambda contents: contents.update(format=2), "format 2; expected format 1"),
        (lambda contents: contents.update(name="../../evil"), "is not allowed"),
        (lambda contents: contents.update(version="../evil"), "is not allowed"),
        (lambda contents: contents.update(files=[]), "cannot be read"),
        (lambda contents: contents.update(format=float("inf")), "cannot be read"),
    ],
)
def test_a_list_of_contents_that_is_not_true_is_refused(listed, words, package, refused):
    refused(package(listed=listed), words)


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
