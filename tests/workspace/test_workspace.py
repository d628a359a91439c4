import json
import multiprocessing
import os

import pytest

from lepton_nb.errors import ConflictError, FormatError, UsageError
from lepton_nb.workspace import check_name, current, locked, read_json, write_atomic, write_json


def test_the_nearest_lepton_folder_is_the_workspace(tmp_path, monkeypatch) -> None:
    monkeypatch.delenv("LEPTON_HOME", raising=False)
    (tmp_path / ".lepton").mkdir()
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    (tmp_path / "a" / ".git").mkdir()
    assert current(inner).root == tmp_path


def test_without_a_lepton_folder_the_repository_is_the_root(tmp_path, monkeypatch) -> None:
    monkeypatch.delenv("LEPTON_HOME", raising=False)
    (tmp_path / "a" / ".git").mkdir(parents=True)
    inner = tmp_path / "a" / "b"
    inner.mkdir()
    assert current(inner).root == tmp_path / "a"


def test_the_environment_variable_names_the_folder_itself(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("LEPTON_HOME", str(tmp_path / "x" / ".lepton"))
    assert current().home == tmp_path / "x" / ".lepton"
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("name", ["../up", "a/b", "", ".hidden", "A", "x" * 64, "a\n", "a b", "ü"])
def test_a_name_that_could_leave_the_workspace_is_refused(name) -> None:
    with pytest.raises(UsageError, match="not allowed"):
        check_name(name)


def test_a_name_of_legal_characters_is_itself() -> None:
    assert check_name("churn-2.1_b") == "churn-2.1_b"


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path, monkeypatch) -> None:
    path = tmp_path / "f"
    write_atomic(path, b"old")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_atomic(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_json_is_stamped_with_its_format(tmp_path) -> None:
    write_json(tmp_path / "a.json", {"x": 1}, mode=0o600)
    assert json.loads((tmp_path / "a.json").read_text()) == {"format": 1, "x": 1}
    assert (tmp_path / "a.json").stat().st_mode & 0o777 == 0o600
    assert read_json(tmp_path / "a.json")["x"] == 1


def test_a_newer_format_is_refused_with_the_next_step(tmp_path) -> None:
    write_json(tmp_path / "a.json", {}, version=9)
    with pytest.raises(FormatError, match=r"format 9.*format 1 or older.*upgrade"):
        read_json(tmp_path / "a.json")


@pytest.mark.parametrize("content", ["", "{", "[]", '{"x": 1}', '{"format": "new"}'])
def test_a_broken_file_is_named(tmp_path, content) -> None:
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(FormatError, match=r"a\.json"):
        read_json(tmp_path / "a.json")


def _hold(path, held, done) -> None:
    with locked(path):
        held.set()
        done.wait(20)


def test_a_lock_that_another_process_holds_is_reported_and_then_free_again(tmp_path) -> None:
    context = multiprocessing.get_context("spawn")
    held, done = context.Event(), context.Event()
    other = context.Process(target=_hold, args=(tmp_path / "lock", held, done))
    other.start()
    try:
        assert held.wait(20)
        with pytest.raises(ConflictError, match="held by another process"), locked(tmp_path / "lock", timeout=0.1):
            pass
    finally:
        done.set()
        other.join()
    with locked(tmp_path / "lock", timeout=1):
        pass
