"""What a cache entry survives, and what of it is never believed."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import lepton_nb
from lepton_nb.errors import StorageError
from lepton_nb.pipelines.cache import Entry, Store
from lepton_nb.pipelines.cache.contents import digest
from lepton_nb.workspace import file_sha256

KEY = "ab" * 32


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / ".lepton" / "cache", tmp_path)


@pytest.fixture
def kept(store, tmp_path):
    """A result with a notebook and one written file."""
    (tmp_path / "ran.ipynb").write_text('{"cells": []}')
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "made.csv").write_text("1,2")
    digest = file_sha256(tmp_path / "out" / "made.csv")
    entry = Entry(KEY, "train", {"loss": 0.5}, 2.5, 80.0, {"out/made.csv": digest})
    assert store.keep(entry, tmp_path / "ran.ipynb") == ""
    return store


def test_a_result_comes_back_with_its_notebook_its_outputs_and_its_files(kept, tmp_path):
    (tmp_path / "out" / "made.csv").unlink()
    entry, wrong = kept.take(KEY, tmp_path / "run" / "train.ipynb")
    assert wrong == ""
    assert (entry.outputs, entry.seconds, entry.peak_memory_mb) == ({"loss": 0.5}, 2.5, 80.0)
    assert (tmp_path / "run" / "train.ipynb").read_text() == '{"cells": []}'
    assert (tmp_path / "out" / "made.csv").read_text() == "1,2"


def test_a_file_that_is_as_it_was_is_left_alone_and_a_changed_one_is_put_back(kept, tmp_path):
    made = tmp_path / "out" / "made.csv"
    os.utime(made, (1, 1))
    kept.take(KEY, tmp_path / "n.ipynb")
    assert made.stat().st_mtime == 1
    made.write_text("mine")
    kept.take(KEY, tmp_path / "n.ipynb")
    assert made.read_text() == "1,2"


def test_a_folder_comes_back_as_it_was_made(store, tmp_path):
    (tmp_path / "ran.ipynb").write_text('{"cells": []}')
    made = tmp_path / "model"
    (made / "empty").mkdir(parents=True)
    (made / "run.sh").write_text("ls")
    (made / "run.sh").chmod(0o755)
    (made / "same.sh").symlink_to("run.sh")
    wanted = digest(made)
    assert store.keep(Entry(KEY, "train", writes={"model": wanted}), tmp_path / "ran.ipynb") == ""
    (made / "run.sh").write_text("rm")
    (made / "later.txt").write_text("not of the result")
    for _ in range(2):
        assert store.take(KEY, tmp_path / "n.ipynb")[1] == ""
        assert digest(made) == wanted
        assert sorted(path.name for path in made.iterdir()) == ["empty", "run.sh", "same.sh"]
        assert (made / "run.sh").stat().st_mode & 0o777 == 0o755
        shutil.rmtree(made)
        made.write_text("a file")
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".model")]


@pytest.mark.parametrize("target", ["/etc/hosts", "../ran.ipynb", "sub/../../ran.ipynb"])
def test_a_folder_with_a_link_that_leads_outside_has_no_hash(tmp_path, target):
    (tmp_path / "model").mkdir()
    (tmp_path / "model/link").symlink_to(target)
    with pytest.raises(StorageError, match="link is a link that leads outside of its folder"):
        digest(tmp_path / "model")


def test_an_entry_that_a_clean_up_takes_away_meanwhile_is_not_there(kept, tmp_path, monkeypatch):
    read = kept._read

    def taken_away(place):
        found = read(place)
        shutil.rmtree(place)
        return found

    monkeypatch.setattr(kept, "_read", taken_away)
    (tmp_path / "out/made.csv").unlink()
    assert kept.take(KEY, tmp_path / "n.ipynb") == (None, "")


def test_an_unknown_key_is_no_fault(store, tmp_path):
    assert store.take(KEY, tmp_path / "n.ipynb") == (None, "")


def test_the_time_of_last_use_is_kept(kept, tmp_path):
    file = tmp_path / ".lepton" / "cache" / KEY / "entry.json"
    os.utime(file, (1, 1))
    kept.take(KEY, tmp_path / "n.ipynb")
    assert file.stat().st_mtime > 1


def truncate(path):
    path.write_bytes(path.read_bytes()[:-1])


def newer(path):
    path.write_text(path.read_text().replace('"format": 1', '"format": 99'))


def test_an_entry_of_other_files_than_the_step_makes_is_not_put_back(kept, tmp_path):
    entry, wrong = kept.take(KEY, tmp_path / "n.ipynb", {"out/other.csv"})
    assert entry is None
    assert "it holds other files than the step makes" in wrong


@pytest.mark.parametrize(
    ("file", "damage"),
    [
        ("entry.json", truncate),
        ("entry.json", Path.unlink),
        ("entry.json", newer),
        ("entry.json", lambda path: path.write_text('{"format": 1}')),
        ("entry.json", lambda path: path.write_text(path.read_text().replace('"seconds": ', '"seconds": 1'))),
        ("notebook.ipynb", truncate),
        ("notebook.ipynb", Path.unlink),
        ("files/0", truncate),
        ("files/0", Path.unlink),
    ],
)
def test_a_broken_entry_is_put_aside_said_so_and_touches_nothing(kept, tmp_path, file, damage):
    cache = tmp_path / ".lepton" / "cache"
    damage(cache / KEY / file)
    (tmp_path / "out" / "made.csv").write_text("mine")
    entry, wrong = kept.take(KEY, tmp_path / "n.ipynb")
    assert entry is None
    assert wrong.startswith("the cache entry was broken (")
    assert str(next(cache.glob(f".broken-{KEY}-*"))) in wrong
    assert (tmp_path / "out" / "made.csv").read_text() == "mine"
    assert not (tmp_path / "n.ipynb").exists()
    assert kept.take(KEY, tmp_path / "n.ipynb") == (None, "")


def test_a_newer_result_of_the_same_key_takes_the_place_of_the_older(kept, tmp_path):
    (tmp_path / "ran.ipynb").write_text('{"cells": [1]}')
    assert kept.keep(Entry(KEY, "train", {"loss": 0.1}), tmp_path / "ran.ipynb") == ""
    entry, _ = kept.take(KEY, tmp_path / "n.ipynb")
    assert entry.outputs == {"loss": 0.1}
    assert [path.name for path in (tmp_path / ".lepton" / "cache").iterdir()] == [KEY]


def test_what_cannot_be_stored_is_said_and_leaves_nothing_behind(kept, tmp_path):
    changed = Entry("cd" * 32, "train", {}, writes={"out/made.csv": "0"})
    assert kept.keep(changed, tmp_path / "ran.ipynb") == "out/made.csv changed after the step had ended"
    assert "cannot be stored" in kept.keep(Entry("cd" * 32, "train"), tmp_path / "gone.ipynb")
    assert [path.name for path in (tmp_path / ".lepton" / "cache").iterdir()] == [KEY]


HOLDER = """
import sys, time
from pathlib import Path
from lepton_nb.pipelines.cache import Store
store = Store(Path(sys.argv[1]) / ".lepton" / "cache", Path(sys.argv[1]))
print(store.claim(sys.argv[2]), flush=True)
time.sleep(60)
"""


def test_a_key_has_one_owner_and_a_dead_owners_claim_is_free(store, tmp_path):
    source = Path(lepton_nb.__file__).parents[1]
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path), KEY], cwd=source, stdout=subprocess.PIPE, text=True
    )
    try:
        assert holder.stdout.readline() == "True\n"
        assert not store.claim(KEY)
        assert store.claim("cd" * 32)
        assert not store.claim("cd" * 32)
        store.release("cd" * 32)
        assert store.claim("cd" * 32)
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        deadline = time.monotonic() + 10
        while not store.claim(KEY):
            assert time.monotonic() < deadline
    finally:
        holder.kill()
        holder.communicate()
        store.release(KEY)
        store.release("cd" * 32)
