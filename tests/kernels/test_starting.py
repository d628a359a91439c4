"""Forked and spawned processes cannot be told apart by what they run."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import stat
import subprocess
import sys
import time

import psutil
import pytest

from lepton_nb import kernels, processes
from lepton_nb.kernels import wire
from lepton_nb.kernels.client import Forked

from .conftest import gone, template_pids, wait_until

ABOUT = """
import json, os, sys
places = [place for place in sys.path if "lepton" not in place]
print(json.dumps([__name__, sys.argv[1:], os.getcwd(), sys.path, os.environ.get("COLOUR"), os.getsid(0) == os.getpid(),
                  sys.stdin.read(), sys.stdout.encoding, os.nice(0), sys.modules["__main__"].__spec__.name]))
"""


@pytest.fixture(params=["forked", "spawned"])
def way(request, monkeypatch, small):
    if request.param == "spawned":
        monkeypatch.setenv("LEPTON_WARM", "0")
    return request.param


def test_a_module_sees_the_same_world_either_way(small, tmp_path, modules, monkeypatch):
    modules(about=ABOUT)
    seen = []
    for warm in ("1", "0"):
        monkeypatch.setenv("LEPTON_WARM", warm)
        bound = kernels.start_bound(
            "about", ["a", "ü"], log=tmp_path / f"log{warm}", cwd=tmp_path, env={**os.environ, "COLOUR": "red"}
        )
        assert isinstance(bound._process, Forked) == (warm == "1")
        assert bound.wait(30) == 0
        seen.append(json.loads((tmp_path / f"log{warm}").read_text()))
        assert stat.S_IMODE((tmp_path / f"log{warm}").stat().st_mode) == 0o600
    assert seen[0] == seen[1]
    assert seen[0][:3] == ["__main__", ["a", "ü"], str(tmp_path)]


@pytest.mark.parametrize(
    ("source", "status"),
    [
        ("", 0),
        ("raise SystemExit(7)", 7),
        ("raise SystemExit('no')", 1),
        ("1 / 0", 1),
        ("import os; os.kill(os.getpid(), 11)", -signal.SIGSEGV),
        ("raise KeyboardInterrupt", -signal.SIGINT),
        ("import threading, time; threading.Thread(target=time.sleep, args=(0.2,)).start()", 0),
    ],
)
def test_exit_statuses_are_the_same_either_way(way, tmp_path, modules, source, status):
    modules(ending=source)
    bound = kernels.start_bound("ending", [], log=tmp_path / "log", cwd=tmp_path)
    assert select.select([bound], [], [], 30)[0]
    assert bound.wait(1) == bound.poll() == status
    assert gone(bound.pid)
    bound.close()


def test_who_wants_no_template_started_takes_one_that_runs_or_does_without_and_without_a_word(
    small, tmp_path, modules, caplog
):
    modules(parent="import os; print(os.getppid(), flush=True)")
    how = {"log": tmp_path / "log", "cwd": tmp_path}
    for start in (kernels.start_bound, kernels.start_detached):
        spawned = start("parent", [], **how, start_template=False)
        wait_until(lambda pid=spawned.pid: gone(pid))
    assert (template_pids(small), caplog.text) == ([], "")
    assert kernels.start_bound("parent", [], **how).wait(60) == 0
    for start in (kernels.start_bound, kernels.start_detached):
        forked = start("parent", [], **how, start_template=False)
        wait_until(lambda pid=forked.pid: gone(pid))
    lines = [int(line) for line in (tmp_path / "log").read_text().split()]
    assert lines == [*[os.getpid()] * 2, *template_pids(small) * 3]


def test_what_a_process_says_and_registers_last_is_not_lost(small, tmp_path, modules):
    modules(last="import atexit; atexit.register(print, 'last'); print('first')")
    bound = kernels.start_bound("last", [], log=tmp_path / "log", cwd=tmp_path)
    assert bound.wait(30) == 0
    assert (tmp_path / "log").read_text().split() == ["first", "last"]


FAMILY = """
import subprocess, sys, time
print(subprocess.Popen(["sleep", "600"]).pid, flush=True)
time.sleep(600)
"""
OWNER = """
import sys, time
from pathlib import Path
from lepton_nb import kernels
bound = kernels.start_bound("family", [], log=Path(sys.argv[1]), cwd=Path.cwd())
print(bound.pid, flush=True)
time.sleep(600)
"""


def test_a_bound_process_and_its_children_go_with_their_owner(way, tmp_path, modules):
    modules(family=FAMILY, owner=OWNER)
    environment = {**os.environ}
    if way == "forked":
        # The owner finds the template that is here already.
        kernels.start_bound("this", [], log=tmp_path / "first", cwd=tmp_path).wait(30)
    with subprocess.Popen(
        [sys.executable, "-m", "owner", str(tmp_path / "log")], stdout=subprocess.PIPE, text=True, env=environment
    ) as owner:
        pid = int(owner.stdout.readline())
        wait_until(lambda: (tmp_path / "log").read_text().strip())
        child = int((tmp_path / "log").read_text())
        assert (psutil.Process(pid).ppid() == owner.pid) == (way == "spawned")
        owner.send_signal(signal.SIGKILL)
    wait_until(lambda: gone(pid) and gone(child), 10)


def test_closing_a_bound_process_ends_its_whole_group(way, tmp_path, modules):
    modules(family=FAMILY)
    bound = kernels.start_bound("family", [], log=tmp_path / "log", cwd=tmp_path)
    wait_until(lambda: (tmp_path / "log").read_text().strip())
    child = int((tmp_path / "log").read_text())
    assert bound.wait(0.01) is None
    bound.close()
    wait_until(lambda: gone(bound.pid) and gone(child), 10)


DETACHER = """
import sys
from pathlib import Path
from lepton_nb import kernels
identity = kernels.start_detached("stays", [], log=Path(sys.argv[1]), cwd=Path.cwd())
print(identity.pid, identity.started, flush=True)
"""


def test_a_detached_process_outlives_whoever_started_it(way, tmp_path, modules):
    modules(stays="import time; time.sleep(600)", detacher=DETACHER)
    if way == "forked":
        kernels.start_bound("this", [], log=tmp_path / "first", cwd=tmp_path).wait(30)
    said = subprocess.run([sys.executable, "-m", "detacher", str(tmp_path / "log")], capture_output=True, text=True)
    pid, started = said.stdout.split()
    identity = processes.Identity(int(pid), float(started))
    time.sleep(0.2)
    # Which of the two fails tells whether it has ended, or whether a clock was set.
    assert psutil.pid_exists(identity.pid), (tmp_path / "log").read_text()
    assert processes.is_alive(identity), (identity, processes.identify(identity.pid))
    assert os.getsid(identity.pid) == identity.pid
    processes.stop(identity, grace=0.0)
    assert gone(identity.pid)


def test_how_a_detached_process_ended_is_told_to_whoever_started_it(way, tmp_path, modules):
    modules(fails="import time; time.sleep(0.2); raise SystemExit(3)")
    identity = kernels.start_detached("fails", [], log=tmp_path / "log", cwd=tmp_path)
    assert kernels.exit_status(identity, 30) == 3


def test_a_module_that_does_not_exist_fails_as_it_does_elsewhere(way, tmp_path):
    bound = kernels.start_bound("no_such_module_here", [], log=tmp_path / "log", cwd=tmp_path)
    assert bound.wait(30) == 1
    assert "no_such_module_here" in (tmp_path / "log").read_text()


def test_an_answer_that_came_whole_was_sent_though_the_receiver_is_gone_by_then():
    ours, theirs = socket.socketpair()

    class Quick:
        """The end of a connection whose other end reads at once what comes, and closes."""

        def sendmsg(self, *args):
            sent = ours.sendmsg(*args)
            assert wire.receive(wire.Inbox(theirs)) == ({"pid": 1}, [])
            theirs.close()
            return sent

        sendall = ours.sendall

    wire.send(Quick(), {"pid": 1})
    ours.close()
