"""Which processes share a template, and which must not."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from lepton_nb import kernels
from lepton_nb.kernels import client
from lepton_nb.kernels.client import Forked
from lepton_nb.kernels.order import Order
from lepton_nb.kernels.place import NotWarm, locate

from .conftest import gone, parent, small_template, template_pids, wait_until


def test_changed_packages_bring_another_template_and_the_old_one_ends_with_its_last_child(
    monkeypatch, tmp_path, sleeper
):
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.setattr("lepton_nb.kernels.place._site_folders", lambda: (str(site),))
    with small_template(monkeypatch, f"place._site_folders = lambda: ({str(site)!r},)"):
        old = sleeper()
        first = parent(old)
        (site / "torch-99.dist-info").mkdir()
        assert parent(sleeper()) != first
        assert not gone(first)
        old.close()
        wait_until(lambda: gone(first), 40)


def test_a_folder_that_others_can_enter_is_not_used(tmp_path, monkeypatch, sleeper, caplog):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    (tmp_path / f"lepton-warm-{os.geteuid()}").mkdir(mode=0o755)
    if len(str(tmp_path)) < 60:
        assert not isinstance(sleeper()._process, Forked)
        assert "is not a private folder" in caplog.text


def test_a_folder_in_which_others_can_write_holds_no_template(tmp_path, monkeypatch, small, sleeper):
    open_to_all = Path(tempfile.mkdtemp(prefix="lepton-t-"))
    open_to_all.chmod(0o777)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(open_to_all))
    monkeypatch.setattr(tempfile, "tempdir", str(small))
    assert isinstance(sleeper()._process, Forked)
    assert list(open_to_all.iterdir()) == []
    assert len(template_pids(small)) == 1
    open_to_all.rmdir()


def test_what_a_module_named_for_preloading_may_read_makes_another_template(small):
    def door(**more):
        return locate({**os.environ, **more}).socket

    assert door(MY_LIBRARY_HOME="a") == door(MY_LIBRARY_HOME="b")
    assert door(TQDM_DISABLE="1") != door()
    assert door(LEPTON_PRELOAD="wave", MY_LIBRARY_HOME="a") != door(LEPTON_PRELOAD="wave", MY_LIBRARY_HOME="b")
    assert door(LEPTON_PRELOAD="wave", JPY_PARENT_PID="1") == door(LEPTON_PRELOAD="wave", JPY_PARENT_PID="2")


def test_processes_of_another_priority_or_with_other_hard_limits_have_another_template(small):
    tell = "import os; from lepton_nb.kernels.place import locate; print(locate(os.environ).socket)"
    commands = [
        '"$0" -c "$1"',
        'nice -n 3 "$0" -c "$1"',
        'ulimit -n 200; "$0" -c "$1"',
        'ulimit -S -n 200; "$0" -c "$1"',
    ]
    doors = [
        subprocess.run(["bash", "-c", command, sys.executable, tell], capture_output=True, text=True, check=True).stdout
        for command in commands
    ]
    assert doors[0] == doors[3]
    assert len(set(doors)) == 3


def test_a_process_that_cannot_have_its_processors_is_not_forked(small, sleeper):
    sleeper()
    until = time.monotonic() + 60
    order = Order.like_this_process("sleeper", [], cwd=small, environment=os.environ, bound=False, until=until)
    connection = client._connected(locate(os.environ).socket)
    with pytest.raises(NotWarm, match="cannot be as it was asked for"):
        client._asked(connection, dataclasses.replace(order, affinity=(4000,)), [0, 1, 2])


def test_a_pythonpath_that_would_replace_an_imported_module_is_respected(tmp_path, modules, small, caplog):
    modules(tornado="name = 'mine'", tell="import tornado; print(tornado.name)")
    bound = kernels.start_bound("tell", [], log=tmp_path / "log", cwd=tmp_path)
    assert bound.wait(30) == 0
    assert (tmp_path / "log").read_text().split() == ["mine"]
    assert "PYTHONPATH has another tornado" in caplog.text
