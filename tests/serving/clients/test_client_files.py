"""Which files a client is, and what happens to files that are there already."""

import dataclasses
import json
import shutil

import pytest

from lepton_nb.commands import invoke
from lepton_nb.errors import ConflictError, FormatError, NotFoundError, ServingError, UsageError
from lepton_nb.records import Deployment
from lepton_nb.runtime import CHAMPION, Slot, slots_object
from lepton_nb.serving import handing
from lepton_nb.serving.clients import LANGUAGES, make_client
from lepton_nb.serving.deployed import write
from lepton_nb.workspace import write_atomic


@pytest.fixture
def stopped(ws, make_tiny_bento, tmp_path):
    """A deployment that was stopped."""
    bento = make_tiny_bento(tmp_path / "tiny" / "v1", "tiny:v1")
    folder = ws.deployment("0.tiny_1")
    folder.mkdir(parents=True)
    (folder / "token").write_text("the-very-token")
    (folder / "slots.json").write_text(json.dumps(slots_object({CHAMPION: Slot(bento.tag, bento.model)})))
    url = "http://127.0.0.1:3000"
    return write(Deployment("0.tiny_1", "stopped", url, bento.tag, 1, 1.0, 1, 1.0, folder))


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_client_of_a_stopped_deployment_is_made_and_holds_no_token(stopped, language, tmp_path):
    written = make_client(stopped, language, tmp_path / "out")
    found = sorted(path for path in (tmp_path / "out").rglob("*") if path.is_file())
    assert sorted([*written.files, tmp_path / "out" / f".lepton-{language}.json"]) == found
    assert not [path for path in found if "the-very-token" in path.read_text()]
    assert not any("the-very-token" in text for text in (str(written), written.as_text(), str(written.to_json())))
    assert "LEPTON_TOKEN" in written.next[0]


def test_the_command_writes_where_it_is_told_and_shows_what_comes_next(stopped, tmp_path, monkeypatch):
    monkeypatch.setenv("LEPTON_HOME", str(stopped.path.parents[1]))
    monkeypatch.chdir(tmp_path)
    from lepton_nb.commands import PlainHost

    written = invoke(["client", "0.tiny_1", "--lang", "java"], PlainHost()).result
    assert str(written) == "0.tiny_1-client-java"
    assert (tmp_path / written.folder / "model_0_tiny_1_client" / "Client.java").is_file()
    assert "java 0.tiny_1-client-java/model_0_tiny_1_client/Client.java" in written.as_text()
    assert written.to_json()["files"] == ["0.tiny_1-client-java/model_0_tiny_1_client/Client.java"]
    with pytest.raises(UsageError, match="python"):
        invoke(["client", "0.tiny_1", "--lang", "cobol"], PlainHost())
    with pytest.raises(NotFoundError, match=r"0\.tiny_1"):
        invoke(["client", "other"], PlainHost())


def test_what_was_written_before_is_replaced(stopped, tmp_path):
    first = make_client(stopped, "python", tmp_path)
    first.files[0].chmod(0o600)
    again = make_client(stopped, "python", tmp_path)
    assert again == first
    # Another client may lie beside it.
    assert make_client(stopped, "java", tmp_path).files[0].is_file()
    assert first.files[0].is_file()


def test_a_file_of_somebody_else_is_left_as_it_is(stopped, tmp_path):
    (tmp_path / "example.json").write_text("mine")
    with pytest.raises(ConflictError, match="not written by lepton"):
        make_client(stopped, "curl", tmp_path)
    assert [path.name for path in tmp_path.glob("*.*") if path.is_file()] == ["example.json"]
    assert (tmp_path / "example.json").read_text() == "mine"


def test_a_file_that_was_changed_since_is_left_as_it_is(stopped, tmp_path):
    written = make_client(stopped, "curl", tmp_path)
    written.files[1].write_text('{"rows": []}')
    with pytest.raises(ConflictError, match=r"example\.json was changed"):
        make_client(stopped, "curl", tmp_path)
    assert written.files[1].read_text() == '{"rows": []}'


def test_what_a_kill_left_half_done_is_done_again(stopped, tmp_path, monkeypatch):
    make_client(stopped, "curl", tmp_path)
    again = write(dataclasses.replace(stopped, url="http://127.0.0.1:4000"))

    def killed(path, *args, **options):
        if path.name == "example.json":
            raise KeyboardInterrupt
        write_atomic(path, *args, **options)

    with monkeypatch.context() as patch:
        patch.setattr(handing, "write_atomic", killed)
        with pytest.raises(KeyboardInterrupt):
            make_client(again, "curl", tmp_path)
    assert "4000" in (tmp_path / "client.sh").read_text()
    assert make_client(again, "curl", tmp_path).files[1].is_file()


def test_links_are_not_followed(stopped, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    out = tmp_path / "out"
    out.mkdir()
    (out / "model_0_tiny_1_client").symlink_to(elsewhere)
    with pytest.raises(ConflictError, match="in the way"):
        make_client(stopped, "java", out)
    (elsewhere / "example.json").write_text("mine")
    (out / "example.json").symlink_to(elsewhere / "example.json")
    with pytest.raises(ConflictError, match=r"example\.json"):
        make_client(stopped, "curl", out)
    assert (elsewhere / "example.json").read_text() == "mine"


def test_a_list_of_files_that_names_other_places_is_refused(stopped, tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("mine")
    out = tmp_path / "out"
    out.mkdir()
    for name in ("../victim", str(victim)):
        (out / ".lepton-curl.json").write_text(json.dumps({"format": 1, "files": {name: "0"}}))
        with pytest.raises(FormatError, match="outside"):
            make_client(stopped, "curl", out)
    assert victim.read_text() == "mine"


def test_a_file_in_the_place_of_the_folder_is_an_error(stopped, tmp_path):
    (tmp_path / "out").write_text("mine")
    with pytest.raises(UsageError, match="not a folder"):
        make_client(stopped, "python", tmp_path / "out")


def test_a_deployment_whose_model_is_gone_is_told(stopped, tmp_path):
    shutil.rmtree(tmp_path / "tiny")
    with pytest.raises(ServingError, match="does not tell what it takes"):
        make_client(stopped, "python", tmp_path / "out")
    assert not (tmp_path / "out").exists()
