"""What the system refuses a verb is one line with the path, the reason and the next step."""

import errno
import os
import sys
from pathlib import Path

import pytest

from lepton_nb.commands import invoke, refusals
from lepton_nb.errors import MissingError, ServingError, StorageError


@pytest.fixture
def refused(fake_host):
    def run(words, kind=StorageError, **variables):
        with pytest.raises(kind) as caught:
            invoke(words, fake_host(**variables))
        assert "\n" not in str(caught.value)
        assert "; next: " in str(caught.value)
        return caught.value

    return run


@pytest.mark.parametrize("words", [["data", "load", "digits"], ["train", "cnn", "--data", "digits"]])
def test_a_workspace_that_is_a_file_is_named_and_left_as_it_is(words, refused, tmp_path, monkeypatch) -> None:
    (tmp_path / "file").write_text("mine")
    monkeypatch.setenv("LEPTON_HOME", str(tmp_path / "file"))
    error = refused(words)
    assert f"{tmp_path}/file" in str(error)
    assert "Not a directory" in str(error)
    assert isinstance(error.__cause__, NotADirectoryError)
    assert (tmp_path / "file").read_text() == "mine"


def test_a_workspace_in_a_place_where_nothing_can_be_made_is_named(refused, monkeypatch) -> None:
    monkeypatch.setenv("LEPTON_HOME", "/proc/nowhere/.lepton")
    error = refused(["data", "load", "digits"])
    assert "/proc/nowhere" in str(error)
    assert "LEPTON_HOME" in error.hint


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_a_workspace_that_may_not_be_written_is_named(refused, tmp_path, monkeypatch) -> None:
    tmp_path.chmod(0o500)
    monkeypatch.setenv("LEPTON_HOME", str(tmp_path / ".lepton"))
    assert "Permission denied" in str(refused(["data", "load", "digits"]))


@pytest.fixture
def places(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "afile").write_text("mine")
    (tmp_path / "folder.csv").mkdir()
    return tmp_path


@pytest.mark.parametrize("out", ["afile/x.csv", "afile/deep/x.parquet", "folder.csv"])
def test_answers_that_cannot_be_written_are_refused_before_anything_is_predicted(out, refused, places) -> None:
    before = sorted(places.rglob("*"))
    # Neither the model nor the rows are looked for: both would have been told instead.
    error = refused(["predict", "no-model", "--data", "no-rows", "--out", out])
    assert out.split("/")[0] in str(error)
    assert sorted(places.rglob("*")) == before


def test_a_file_in_folders_that_will_be_made_is_allowed(places) -> None:
    refusals.require_writable(places / "new" / "deep" / "x.csv")
    assert not (places / "new").exists()


@pytest.mark.parametrize(
    ("number", "hint"),
    [
        (errno.ENOSPC, "free some space"),
        (errno.EACCES, "may write"),
        (errno.EROFS, "may write"),
        (errno.EEXIST, "move what lies there away"),
        (errno.EMFILE, "open files"),
        (errno.EIO, "check the path"),
    ],
)
def test_each_reason_has_a_next_step(number, hint) -> None:
    told = refusals.of_system(OSError(number, os.strerror(number), "/some/file"))
    assert type(told) is StorageError
    assert told.what == f"/some/file: {os.strerror(number)}"
    assert hint in told.hint


def test_a_full_disk_is_told_by_the_verb_that_met_it(refused, tmp_path) -> None:
    class Frame:
        def __getattr__(self, name):
            Path("/dev/full").write_text("x")

    assert "No space left on device" in str(refused(["data", "load", "thing"], thing=Frame()))


def test_a_connection_that_fails_is_no_matter_of_storage() -> None:
    told = refusals.of_system(ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused"))
    assert type(told) is ServingError
    assert "Connection refused" in str(told)


class _Raises:
    def __init__(self, kind):
        self.__dict__["kind"] = kind

    def __getattr__(self, name):
        raise self.__dict__["kind"]


@pytest.mark.parametrize("kind", [KeyboardInterrupt, BrokenPipeError])
def test_an_interrupt_and_a_closed_pipe_pass_as_they_are(kind, fake_host) -> None:
    with pytest.raises(kind):
        invoke(["data", "load", "thing"], fake_host(thing=_Raises(kind)))


def test_a_package_that_is_gone_is_told_with_what_installs_it(refused, monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("LEPTON_HOME", str(tmp_path / ".lepton"))
    for module in [name for name in sys.modules if name.split(".")[0] == "sklearn"]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "sklearn", None)
    error = refused(["data", "load", "digits"], MissingError)
    assert str(error) == "scikit-learn is not installed; next: pip install scikit-learn"
    assert isinstance(error.__cause__, ModuleNotFoundError)


def test_a_part_that_an_installed_package_lacks_asks_for_another_version() -> None:
    told = refusals.of_module(ModuleNotFoundError("No module named 'click.nothing'", name="click.nothing"))
    assert str(told) == "click.nothing of click is not installed; next: pip install --upgrade click"


def test_a_module_of_the_users_own_is_named_as_it_is_imported() -> None:
    told = refusals.of_module(ModuleNotFoundError("No module named 'my_nets.deep'", name="my_nets.deep"))
    assert "'my_nets.deep'" in str(told)
    assert "my_nets.py" in str(told)
    assert "pip install my" not in str(told)


def test_a_module_of_the_users_own_that_imports_what_is_not_there_is_named(fake_host, tmp_path, monkeypatch) -> None:
    from lepton_nb.commands import import_object
    from lepton_nb.errors import NotFoundError

    (tmp_path / "my_own_nets.py").write_text("import no_such_thing_at_all\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(NotFoundError, match=r"my_own_nets:Net.*no_such_thing_at_all"):
        import_object("my_own_nets:Net")
