"""Where the files of a step may travel through."""

import os
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


def test_what_a_killed_task_left_on_a_node_goes_with_the_next_one(tmp_path, monkeypatch, notebook):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    left, held = tmp_path / f"lepton-node-{ended.pid}-a", tmp_path / f"lepton-node-{os.getpid()}-b"
    left.mkdir()
    held.mkdir()
    share, job = share_at(str(tmp_path / "store")), StepJob("s", notebook("s", "x = 1"), tmp_path, tmp_path, tmp_path)
    with share.attempt(job, share.send(job)) as (here, _):
        assert here.notebook.exists()
        assert not left.exists()
    assert held.exists()
    assert not here.notebook.exists()
