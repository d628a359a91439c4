import os
import tempfile
from pathlib import Path

import pytest

from lepton_nb.workspace import Workspace, discard, leftovers, size_of


@pytest.fixture
def ws(tmp_path):
    (tmp_path / ".lepton").mkdir()
    return Workspace(tmp_path / ".lepton")


def filled(folder, name="run"):
    (folder / name / "deep").mkdir(parents=True)
    (folder / name / "deep" / "file").write_bytes(b"12345")
    return folder / name


def test_what_is_discarded_is_gone_with_all_that_it_holds_and_the_trash_is_empty(ws, tmp_path) -> None:
    one, other = filled(tmp_path, "one"), filled(tmp_path, "other")
    assert size_of(one) == 5
    discard(ws, one, tmp_path / "never there", other)
    assert not one.exists()
    assert not other.exists()
    assert leftovers(ws) == ()
    assert (ws.home / "trash").stat().st_mode & 0o777 == 0o700


def test_what_is_gone_already_makes_no_trash(ws, tmp_path) -> None:
    discard(ws, tmp_path / "never there")
    assert list(ws.home.iterdir()) == []
    assert size_of(tmp_path / "never there") == 0


def test_a_link_is_discarded_and_what_it_means_stays(ws, tmp_path) -> None:
    kept = filled(tmp_path)
    (tmp_path / "link").symlink_to(kept)
    assert size_of(tmp_path / "link") < 5 + len(str(kept))
    discard(ws, tmp_path / "link")
    assert not os.path.lexists(tmp_path / "link")
    assert (kept / "deep" / "file").exists()


@pytest.mark.skipif(not os.access("/dev/shm", os.W_OK), reason="no other file system to write to")
def test_a_folder_of_another_file_system_goes_too(ws) -> None:
    with tempfile.TemporaryDirectory(dir="/dev/shm") as other:
        folder = filled(Path(other))
        discard(ws, folder)
        assert not folder.exists()
    assert leftovers(ws) == ()


def test_what_a_killed_process_left_in_the_trash_is_listed_until_it_is_discarded(ws) -> None:
    left = filled(ws.home / "trash", "0-run")
    assert leftovers(ws) == (left,)
    discard(ws, left)
    assert leftovers(ws) == ()
