"""Where the files of a step may travel through."""

import os
import shutil
import subprocess
import sys
import tempfile

import pytest

from lepton_nb.errors import LeptonError, UsageError
from lepton_nb.pipelines import StepJob
from lepton_nb.pipelines.executors.share import share_at


def test_a_share_that_one_process_sees_is_refused():
    with pytest.raises(UsageError, match="LEPTON_SHARE=memory://x is seen by one process only; expected an fsspec URL"):
        share_at("memory://x")


def test_a_share_of_an_unknown_kind_is_refused_by_name():
    with pytest.raises(LeptonError, match="LEPTON_SHARE=nowhere://x cannot be used"):
        share_at("nowhere://x")


def test_declared_folders_travel_both_ways(tmp_path, notebook):
    (tmp_path / "raw/in").mkdir(parents=True)
    (tmp_path / "raw/in/a.txt").write_text("1")
    (tmp_path / "step").mkdir()
    source = notebook("s", "x = 1")
    paths = {"inputs": (tmp_path / "raw",), "writes": (tmp_path / "out", tmp_path / "one.txt")}
    job = StepJob("s", source, tmp_path / "step.ipynb", tmp_path / "step", tmp_path, **paths)
    share = share_at(str(tmp_path / "store"))
    name = share.send(job)
    with share.attempt(job, name) as (here, attempt):
        shutil.copytree(here.cwd / "raw", here.cwd / "out")
        (here.cwd / "one.txt").write_text("2")
        (here.cwd / "other.txt").write_text("3")
        here.executed.write_text("{}")
    share.collect(job, name, attempt)
    assert (tmp_path / "out/in/a.txt").read_text() == "1"
    assert (tmp_path / "one.txt").read_text() == "2"
    assert not (tmp_path / "other.txt").exists()


def test_what_a_killed_task_left_on_a_node_goes_with_the_next_one(tmp_path, monkeypatch, notebook):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    left, held = tmp_path / f"lepton-node-{ended.pid}-a", tmp_path / f"lepton-node-{os.getpid()}-b"
    other = tmp_path / f"lepton-node-{ended.pid}-thesis"
    for folder in (left, held, other):
        folder.mkdir()
    for folder in (left, held):
        (folder / ".lepton-node").touch()
    share, job = share_at(str(tmp_path / "store")), StepJob("s", notebook("s", "x = 1"), tmp_path, tmp_path, tmp_path)
    with share.attempt(job, share.send(job)) as (here, _):
        assert here.notebook.exists()
        assert not left.exists()
    assert held.exists()
    assert other.exists()
    assert not here.notebook.exists()
