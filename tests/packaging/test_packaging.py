"""What is in a Bento, how it is called and how it is found again."""

from __future__ import annotations

import dataclasses
import os
import shutil
import sys
import time
from pathlib import Path

import pytest
import yaml

import lepton_nb.runtime
from lepton_nb.artifact import build
from lepton_nb.errors import FormatError, NotFoundError, PackagingError, UsageError
from lepton_nb.evaluation import evaluate
from lepton_nb.packaging import bentos, find, of_run, package
from lepton_nb.packaging.naming import name_of
from lepton_nb.runtime import verify_manifest
from lepton_nb.workspace import Workspace, file_sha256

RUNTIME = Path(lepton_nb.runtime.__file__).parent


@pytest.fixture(autouse=True)
def own_store(monkeypatch):
    monkeypatch.delenv("BENTOML_HOME", raising=False)


def test_a_bento_holds_the_model_the_runtime_and_a_service_and_no_code_of_the_notebook(trained, packaged):
    one, bento = trained("breast_cancer"), packaged("breast_cancer")
    source = bento.path / "src"
    modules = {path.name for path in RUNTIME.glob("*.py")}
    # Where it was served, Python left its caches.
    laid = {path.name for path in source.iterdir()} - {"__pycache__"}
    assert laid == {"service.py", "bentofile.yaml", "lepton_runtime", "model"}
    assert {path.name for path in (source / "lepton_runtime").glob("*.*")} == modules
    assert all((source / "lepton_runtime" / name).read_bytes() == (RUNTIME / name).read_bytes() for name in modules)
    manifest = verify_manifest(bento.model)
    assert {path.name for path in bento.model.iterdir()} == {*manifest.files, "manifest.json"}
    assert (manifest.run, manifest.data) == (one.run.id, one.data.id)
    assert bento.sha256 == file_sha256(bento.model / "model.onnx")
    assert bento.model_bytes == (bento.model / "model.onnx").stat().st_size
    assert not list(bento.path.rglob("*.pkl"))
    assert str(bento) == bento.tag


def test_it_asks_for_exactly_what_serves_it(packaged):
    lines = (packaged("breast_cancer").path / "env" / "python" / "requirements.txt").read_text().splitlines()
    names = [line.split("==")[0] for line in lines]
    assert all(line.count("==") == 1 for line in lines)
    assert {"numpy", "onnxruntime", "orjson", "starlette", "uvicorn"} <= set(names)
    assert names.count("bentoml") == 1
    assert not {"torch", "lepton-nb", "lepton_nb", "scikit-learn", "mlflow", "pandas"} & set(names)


def test_it_is_found_by_tag_by_name_and_by_run(trained, packaged):
    one, bento = trained("breast_cancer"), packaged("breast_cancer")
    assert find(one.ws, bento.tag) == bento
    assert find(one.ws, "breast-cancer") == bento
    assert find(one.ws, "breast-cancer:latest") == bento
    assert of_run(one.ws, one.run) == bento
    assert bento in bentos(one.ws)


def test_what_does_not_exist_is_refused_with_a_list_of_what_does(trained, packaged, tmp_path):
    one, bento = trained("breast_cancer"), packaged("breast_cancer")
    for ref in ("other", "other:1", "breast-cancer:1"):
        with pytest.raises(NotFoundError, match=f"{ref}.*does not exist.*{bento.tag}.*lepton package"):
            find(one.ws, ref)
    with pytest.raises(NotFoundError, match="run stranger has no Bento"):
        of_run(one.ws, dataclasses.replace(one.run, id="stranger"))
    empty = Workspace(tmp_path / ".lepton")
    assert bentos(empty) == ()
    with pytest.raises(NotFoundError, match="lepton package"):
        find(empty, "anything")
    assert not empty.home.exists()


@pytest.mark.parametrize("ref", ["../x", "a/../b", "", "name:../../x", "name:", "a:b:c"])
def test_a_reference_cannot_leave_the_store(ref, tmp_path):
    with pytest.raises(UsageError, match="is not allowed"):
        find(Workspace(tmp_path / ".lepton"), ref)


@pytest.mark.parametrize("name", ["../x", "Upper", "ends-", "a" * 64, ""])
def test_a_name_that_is_not_allowed_is_refused_before_anything_is_built(name, trained, tmp_path):
    one = trained("breast_cancer")
    with pytest.raises(UsageError, match=r"Bento name.*is not allowed"):
        package(Workspace(tmp_path / ".lepton"), one.run, one.data, name=name)
    assert not (tmp_path / ".lepton").exists()


def test_packaging_again_gives_a_new_version_under_the_runs_name_and_disturbs_nothing(
    trained, tmp_path, monkeypatch, capfd
):
    one = trained("breast_cancer")
    # A store of its own, named relative to the folder we stand in.
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BENTOML_HOME", "store")
    card = evaluate(one.ws, one.run, one.data)
    path, folder, loaded = list(sys.path), Path.cwd(), set(sys.modules)
    first = package(one.ws, one.run, one.data)
    second = package(one.ws, one.run, one.data)
    assert capfd.readouterr() == ("", "")
    assert (sys.path, Path.cwd()) == (path, folder)
    assert not {"bentoml", "service", "lepton_runtime"} & (set(sys.modules) - loaded)
    assert first.tag != second.tag
    assert first.tag.startswith("breast_cancer-mlp:")
    assert first.path.resolve().is_relative_to(tmp_path / "store")
    assert find(one.ws, "breast_cancer-mlp") == second
    assert [found.tag for found in bentos(one.ws)] == [second.tag, first.tag]
    kept = yaml.safe_load((first.model / "card.json").read_text())
    assert kept["metrics"] == pytest.approx(dict(card.metrics))
    assert os.environ["BENTOML_HOME"] == "store"


def test_when_bentoml_refuses_its_reason_is_given_and_no_bento_is_left(trained, tmp_path, monkeypatch):
    one = trained("breast_cancer")
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("BENTOML_HOME", str(tmp_path / "file"))
    with pytest.raises(PackagingError, match=r"BentoML could not build.*got .+"):
        package(one.ws, one.run, one.data)
    assert bentos(one.ws) == ()


def test_a_bento_of_somebody_else_is_not_ours(tmp_path):
    ws = Workspace(tmp_path / ".lepton")
    folder = ws.bentoml / "bentos" / "theirs" / "1"
    folder.mkdir(parents=True)
    (folder / "bento.yaml").write_text("name: theirs\nversion: '1'\n")
    assert bentos(ws) == ()
    with pytest.raises(FormatError, match="not a Bento that lepton packaged"):
        find(ws, "theirs:1")


@pytest.mark.parametrize("text", ["[", "[" * 3000, "5", "name: [", "\\x00"])
def test_a_broken_card_of_a_bento_is_one_line_and_hides_no_other(text, packaged, trained, tmp_path):
    bento, ws = packaged("breast_cancer"), Workspace(tmp_path / ".lepton")
    for version in ("whole", "broken"):
        shutil.copytree(bento.path, ws.bentoml / "bentos" / "breast-cancer" / version)
    whole = ws.bentoml / "bentos" / "breast-cancer" / "whole" / "bento.yaml"
    whole.write_text(whole.read_text().replace(bento.tag.partition(":")[2], "whole"))
    (ws.bentoml / "bentos" / "breast-cancer" / "broken" / "bento.yaml").write_text(text)
    assert [one.tag for one in bentos(ws)] == ["breast-cancer:whole"]
    assert find(ws, "breast-cancer").tag == "breast-cancer:whole"
    with pytest.raises(FormatError, match="breast-cancer/broken is not a Bento") as caught:
        find(ws, "breast-cancer:broken")
    assert "\n" not in str(caught.value)


def test_a_changed_artifact_is_built_anew_before_it_is_packaged(trained, packaged):
    one = trained("breast_cancer")
    packaged("breast_cancer")
    artifact = build(one.ws, one.run, one.data)
    (artifact.path / "model.onnx").write_bytes(b"other")
    assert build(one.ws, one.run, one.data).sha256 == artifact.sha256
    verify_manifest(artifact.path)


@pytest.mark.parametrize(
    ("name", "model", "expected"),
    [
        ("churn", "mlp", "churn"),
        ("My Net!", "mlp", "my-net"),
        ("BigNet", "mlp", "big-net"),
        ("???", "TabNet", "tab-net"),
        ("", "", "model"),
        ("-x-", "mlp", "x"),
    ],
)
def test_a_bento_is_called_after_its_run_else_after_its_network(trained, name, model, expected):
    assert name_of(dataclasses.replace(trained("breast_cancer").run, name=name, model=model)) == expected


def test_what_a_killed_build_left_beside_the_store_goes_with_a_later_one(trained, tmp_path, monkeypatch):
    monkeypatch.setenv("BENTOML_HOME", str(tmp_path / "store"))
    for name, age in (("old", 7200), ("young", 60)):
        left = tmp_path / "store" / f".building-{name}" / "bentos"
        left.mkdir(parents=True)
        os.utime(left.parent, (time.time() - age,) * 2)
    one = trained("breast_cancer")
    bento = package(one.ws, one.run, one.data)
    assert {path.name for path in (tmp_path / "store").iterdir()} == {".building-young", "bentos"}
    assert (bento.path.parent / "latest").read_text() == bento.tag.partition(":")[2]
