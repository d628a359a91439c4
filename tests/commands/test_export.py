"""`lepton export`, from the words of a person to files."""

from __future__ import annotations

import json

import pytest

import lepton_nb
from lepton_nb.commands import invoke
from lepton_nb.errors import ConflictError, StorageError, UsageError
from lepton_nb.records import Exports


@pytest.fixture
def run(trained, tmp_path, monkeypatch):
    """A run on a table, and an empty folder to stand in."""
    one = trained("breast_cancer")
    monkeypatch.setenv("LEPTON_HOME", str(one.ws.home))
    monkeypatch.chdir(tmp_path)
    return one.run


def test_formats_are_named_by_commas_or_again_and_again(run, tmp_path, fake_host) -> None:
    words = ["export", "mine", "--to", "onnx,pt2", "--to", "onnx-int8", "--out", "files"]
    found = invoke(words, fake_host(mine=run)).result
    assert isinstance(found, Exports)
    assert [one.format for one in found.files] == ["onnx", "pt2", "onnx-int8"]
    names = ["breast_cancer-mlp.int8.onnx", "breast_cancer-mlp.onnx", "breast_cancer-mlp.pt2"]
    assert sorted(path.name for path in (tmp_path / "files").iterdir()) == names


def test_a_notebook_calls_it_with_one_text(run, tmp_path) -> None:
    (one,) = lepton_nb.export(run, to="onnx").files
    assert (tmp_path / one.path).is_file()
    with pytest.raises(ConflictError, match="--force"):
        lepton_nb.export(run, to="onnx")
    (again,) = lepton_nb.export(run, to=("onnx",), force=True).files
    assert again.sha256 == one.sha256
    assert json.loads(json.dumps(again.path.name)) == "breast_cancer-mlp.onnx"


def test_no_format_an_unknown_one_and_a_place_that_cannot_be_written_are_refused(run, tmp_path, fake_host) -> None:
    with pytest.raises(UsageError, match="Missing option '--to'"):
        invoke(["export", "mine"], fake_host(mine=run))
    with pytest.raises(
        UsageError, match="format 'tflite' is unknown; expected one of onnx, onnx-int8, pt2, executorch"
    ):
        invoke(["export", "mine", "--to", "tflite"], fake_host(mine=run))
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="file"):
        invoke(["export", "mine", "--to", "onnx", "--out", "file/model.onnx"], fake_host(mine=run))
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
