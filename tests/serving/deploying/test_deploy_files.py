"""What the verb writes, and what it refuses."""

import dataclasses
import re

import pytest

from lepton_nb.commands import PlainHost, invoke
from lepton_nb.errors import ConflictError, ServingError, UsageError
from lepton_nb.serving.deploying import TARGETS, deploy


@pytest.fixture(scope="module")
def bento(deployable):
    return deployable()


@pytest.mark.parametrize("target", TARGETS)
def test_the_files_and_the_next_commands_are_told(bento, target, tmp_path):
    written = deploy(bento, target, tmp_path / "it's here")
    found = {path for path in written.folder.rglob("*") if path.is_file()}
    assert found == {*written.files, written.folder / f".lepton-{target}.json"}
    assert all(command in written.as_text() for command in written.next)
    assert f"'{tmp_path}/it'\"'\"'s here'" in " ".join(written.next)
    assert written.to_json()["next"] == list(written.next)
    assert str(written) == str(written.folder)


def test_a_folder_of_many_files_is_one_line(bento, tmp_path):
    text = deploy(bento, "docker", tmp_path).as_text()
    assert "Dockerfile" in text
    assert re.search(r"^bento/ \(\d\d files\) +[\d,]+$", text, re.MULTILINE)
    assert "lepton_runtime" not in text


@pytest.mark.parametrize("target", TARGETS)
def test_what_was_written_before_is_replaced_and_what_is_gone_is_removed(deployable, target, tmp_path):
    old = deployable("tiny:v1")
    extra = old.path / "src" / "extra.py"
    extra.write_text("")
    deploy(old, target, tmp_path)
    extra.unlink()
    deploy(old, target, tmp_path)
    assert not list(tmp_path.rglob("extra.py"))
    new = deploy(deployable("tiny:v2"), target, tmp_path)
    assert any("tiny:v2" in path.read_text(errors="replace") for path in new.files)
    assert not any("tiny:v1" in path.read_text(errors="replace") for path in new.files)


@pytest.mark.parametrize(
    ("target", "name"), [("docker", "Dockerfile"), ("kubernetes", "service.yaml"), ("systemd", "install.sh")]
)
def test_a_file_of_somebody_else_is_left_as_it_is(bento, target, name, tmp_path):
    (tmp_path / name).write_text("mine")
    with pytest.raises(ConflictError, match="not written by lepton"):
        deploy(bento, target, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text() == "mine"


@pytest.mark.parametrize(
    "image", ["", "UPPER", "a b", "-x", "a:", "a;touch pwned", "a\nUSER root", "$(x)", "https://a/b", "a@sha256:12"]
)
def test_what_is_no_name_of_an_image_is_refused(bento, image, tmp_path):
    with pytest.raises(UsageError, match="no name of an image"):
        deploy(bento, "docker", tmp_path / "out", image=image)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("image", "wanted"),
    [
        ("registry.example/team/model", "registry.example/team/model:v1"),
        ("localhost:5000/model", "localhost:5000/model:v1"),
        ("model:2", "model:2"),
        ("model@sha256:" + "0" * 64, "model@sha256:" + "0" * 64),
    ],
)
def test_an_image_without_a_tag_gets_the_version_of_the_bento(bento, image, wanted, tmp_path):
    written = deploy(bento, "docker", tmp_path, image=image)
    assert f"image: {wanted}\n" in (written.folder / "compose.yaml").read_text()


def test_what_cannot_be_deployed_is_refused(bento, deployable, tmp_path):
    out = tmp_path / "out"
    with pytest.raises(UsageError, match="docker, kubernetes, systemd"):
        deploy(bento, "nomad", out)
    with pytest.raises(UsageError, match="0 replicas"):
        deploy(bento, "docker", out, replicas=0)
    old = deployable()
    (old.path / "src/lepton_runtime/__main__.py").unlink()
    with pytest.raises(ServingError, match="package the run again"):
        deploy(old, "docker", out)
    changed = deployable()
    (changed.model / "signature.json").write_text("{}")
    with pytest.raises(ServingError, match="SHA-256"):
        deploy(changed, "systemd", out)
    with pytest.raises(ServingError, match="load_model"):
        deploy(dataclasses.replace(bento, code=True), "docker", out)
    assert not out.exists()


def test_the_command_takes_a_bento_by_its_tag(bento, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    written = invoke(["deploy", "tiny", "--to", "kubernetes", "--replicas", "5"], _Host(bento)).result
    assert str(written) == "tiny-kubernetes"
    assert "minReplicas: 5" in (tmp_path / "tiny-kubernetes" / "autoscaler.yaml").read_text()
    with pytest.raises(UsageError, match="--to"):
        invoke(["deploy", "tiny"], _Host(bento))


class _Host(PlainHost):
    """A notebook in which `tiny` is a Bento."""

    def __init__(self, bento):
        super().__init__()
        self._bento = bento

    def knows(self, name):
        return name == "tiny"

    def resolve(self, name):
        return self._bento
