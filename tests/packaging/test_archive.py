"""A Bento becomes one file, and such a file a Bento of another store."""

from __future__ import annotations

import dataclasses
import json
import random
import zipfile

import pytest

from lepton_nb.errors import ConflictError, FormatError, NotFoundError, PackagingError, UsageError
from lepton_nb.packaging import find, import_package, of_run, write_archive
from lepton_nb.packaging.archive import unpack
from lepton_nb.runtime import verify_manifest
from lepton_nb.workspace import Workspace, file_sha256


@pytest.fixture(autouse=True)
def own_store(monkeypatch):
    monkeypatch.delenv("BENTOML_HOME", raising=False)


@pytest.fixture
def ws(tmp_path):
    return Workspace(tmp_path / "other" / ".lepton")


@pytest.fixture
def file(packaged, tmp_path):
    write_archive(packaged("breast_cancer"), tmp_path / "churn.lepton")
    return tmp_path / "churn.lepton"


@pytest.fixture(scope="module")
def small_file(packaged, tmp_path_factory):
    """A package of text alone, and what lies in its model folder."""
    folder = tmp_path_factory.mktemp("small")
    bento = dataclasses.replace(packaged("breast_cancer"), path=folder / "bento")
    model = {"signature.json": b"{}", "golden.json": b"[1, 2, 3]" * 30}
    for name, content in model.items():
        (folder / "bento" / "src" / "model").mkdir(parents=True, exist_ok=True)
        (folder / "bento" / "src" / "model" / name).write_bytes(content)
    write_archive(bento, folder / "small.lepton")
    return folder / "small.lepton", model


def test_the_same_bento_gives_the_same_bytes_and_lists_every_file_with_its_hash(packaged, file, tmp_path):
    bento = packaged("breast_cancer")
    write_archive(bento, tmp_path / "again.lepton")
    assert (tmp_path / "again.lepton").read_bytes() == file.read_bytes()
    with zipfile.ZipFile(file) as archive:
        assert archive.testzip() is None
        listed = json.loads(archive.read("package.json"))
        assert set(archive.namelist()) == {"package.json", *listed["files"]}
    assert f"{listed['name']}:{listed['version']}" == bento.tag
    for name, one in listed["files"].items():
        assert one == {"size": (bento.path / name).stat().st_size, "sha256": file_sha256(bento.path / name)}
    assert {"bento.yaml", "src/service.py", "src/model/model.onnx", "src/lepton_runtime/app.py"} <= set(listed["files"])


def test_a_file_becomes_a_bento_that_answers_alike_under_our_own_runtime(
    packaged, trained, file, ws, serve_bento, blocked_env, tmp_path
):
    one, bento = trained("breast_cancer"), packaged("breast_cancer")
    taken = import_package(ws, file, name="taken")
    assert taken == find(ws, "taken")
    assert taken.tag == f"taken:{bento.tag.partition(':')[2]}"
    assert (taken.sha256, taken.run, taken.imported) == (bento.sha256, bento.run, True)
    assert set(verify_manifest(taken.model).files) == set(verify_manifest(bento.model).files)
    assert json.loads((taken.model / "sbom.json").read_text())["metadata"]["component"]["name"] == "taken"
    # What only says that it is of a run is not what that run is served by.
    with pytest.raises(NotFoundError, match="has no Bento"):
        of_run(ws, one.run)
    golden = json.loads((taken.model / "golden.json").read_text())
    with serve_bento(taken, tmp_path, extra=blocked_env) as client:
        answer = client.post("/predict", json={"rows": golden["rows"]}).json()
    assert answer["predictions"][0]["probabilities"] == pytest.approx(golden["probabilities"][0], abs=1e-4)
    with pytest.raises(ConflictError, match=rf"Bento {taken.tag} is in the store already.*--name"):
        import_package(ws, file, name="taken")


@pytest.mark.parametrize("name", ["../x", "Upper", "ends-"])
def test_a_name_that_is_not_allowed_is_refused(name, file, ws):
    with pytest.raises(UsageError, match="is not allowed"):
        import_package(ws, file, name=name)
    assert not ws.home.exists()


def test_a_file_that_is_not_there_or_is_no_file_is_refused(ws, tmp_path):
    with pytest.raises(NotFoundError, match=r"no\.lepton does not exist"):
        import_package(ws, tmp_path / "no.lepton")
    with pytest.raises((FormatError, IsADirectoryError)):
        import_package(ws, tmp_path)


def test_answers_that_are_not_the_golden_ones_are_refused(packaged, repack, ws, tmp_path):
    def shift(files):
        golden = json.loads(files["golden.json"])
        golden["probabilities"][3] = [0.123, 0.877]
        files["golden.json"] = json.dumps(golden).encode()

    bad = repack(packaged("breast_cancer"), tmp_path / "bad.lepton", shift)
    with pytest.raises(PackagingError, match=r"bad\.lepton was not imported.*on 1 of 16 rows"):
        import_package(ws, bad)
    assert not ws.home.exists()


@pytest.mark.parametrize("seed", range(150))
def test_bytes_that_were_changed_anywhere_are_refused_or_mean_the_same(seed, small_file, tmp_path):
    file, model = small_file
    rng = random.Random(seed)
    content = bytearray(file.read_bytes())
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(max(len(content) - 3000, 0) if rng.random() < 0.5 else 0, len(content))
        content[at] = rng.randrange(256)
    changed = tmp_path / "changed.lepton"
    changed.write_bytes(content)
    try:
        unpack(changed, tmp_path / "out")
    except FormatError:
        return
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == model
