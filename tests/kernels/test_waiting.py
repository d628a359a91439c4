"""Threads that wait for each other: asleep, or spinning where no one else wants the processor."""

import itertools
import os
import signal
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest

from lepton_nb.kernels import waiting

from .conftest import wait_until

# Prints the seconds of processor time that the other threads of two have spent, of 100 operators with pauses between.
_SPENT = """
import os, resource, sys, threading, time, torch
from lepton_nb.kernels import waiting

torch.set_num_threads(2)
values = torch.zeros(1 << 18)

def spent():
    found = 0
    for _ in range(100):
        values.add_(1)
        time.sleep(0.005)
    for task in os.listdir("/proc/self/task"):
        if int(task) != os.getpid():
            found += int(open(f"/proc/self/task/{task}/schedstat").read().split()[0])
    return found

values.add_(1)
before = spent()
spinning = spent() - before
waiting.asleep()
asleep = -spent() + spent()
waiting.may_spin()
before = spent()
again = spent() - before
# A library that finds no room for a thread would end the process.
resource.setrlimit(resource.RLIMIT_AS, (1 << 40, 1 << 40))
waiting.asleep()
print(spinning, asleep, again, [thread.name for thread in threading.enumerate()])
"""
_TASKS = Path("/proc/self/task")
_LIBGOMP = "with torch's libgomp, which only has it on Linux"


def tasks(folder, seconds):
    (folder / "1").mkdir(exist_ok=True)
    (folder / "1" / "schedstat").write_text(f"1000000000 {int(seconds * 1e9)} 100\n")


@pytest.fixture
def line(tmp_path, monkeypatch):
    """The folder of this process's threads, as the system would show it; none of them has stood in line yet."""
    if waiting._library() is None:
        import torch  # noqa: F401 -- it loads the library
    if waiting._library() is None:
        pytest.skip(_LIBGOMP)
    tasks(tmp_path, 0.0)
    monkeypatch.setattr(waiting, "_TASKS", tmp_path)
    monkeypatch.setattr(waiting, "_LOOK_S", 0.02)
    yield tmp_path
    waiting.may_spin()


def test_threads_that_are_asleep_leave_the_processor_to_others():
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("OMP_", "GOMP_"))}
    said = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(_SPENT)], env=environment, capture_output=True, text=True, check=True
    ).stdout
    spinning, asleep, again, names = said.split(maxsplit=3)
    assert int(spinning) > 4 * int(asleep), said
    assert int(again) > 4 * int(asleep), said
    assert "lepton-waiting" not in names


def test_a_line_for_the_processor_sends_threads_to_sleep_and_they_spin_again_behind_it(line):
    lines = itertools.count(1)

    def grown():
        tasks(line, next(lines) * 100.0)
        return waiting._teams

    with waiting.spinning_where_free(2):
        wait_until(lambda: not waiting._teams)
        wait_until(grown)
        wait_until(lambda: not waiting._teams)
    assert waiting._teams, "what is not watched is asleep"
    assert [one.name for one in threading.enumerate()].count("lepton-waiting") == 1


@pytest.mark.parametrize(
    ("threads", "environment", "told"),
    [(1, {}, True), (2, {"OMP_WAIT_POLICY": "ACTIVE"}, True), (2, {"GOMP_SPINCOUNT": "10"}, True), (2, {}, False)],
    ids=["one thread", "a policy that was set", "rounds that were set", "a system that does not say"],
)
def test_nobody_watches_where_there_is_nothing_to_choose(line, monkeypatch, threads, environment, told):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    if not told:
        (line / "1" / "schedstat").write_text("")
    waiting.asleep()
    before = list(waiting._teams)
    assert bool(before) == (not environment)
    with waiting.spinning_where_free(threads):
        assert waiting._teams == before
        assert "lepton-spinning" not in [one.name for one in threading.enumerate()]


def test_a_library_that_cannot_be_told_later_is_told_to_sleep_when_it_is_loaded(monkeypatch):
    monkeypatch.setattr(waiting, "_MOST_CPUS", 0)
    waiting._can_switch.cache_clear()
    try:
        assert waiting.sleeping() == {"OMP_WAIT_POLICY": "PASSIVE"}
        waiting.asleep()
        assert not waiting._teams
    finally:
        monkeypatch.undo()
        waiting._can_switch.cache_clear()


def test_no_signal_reaches_a_team(line):
    before = set(_TASKS.iterdir())
    waiting.asleep()
    wait_until(lambda: len(set(_TASKS.iterdir()) - before) > (os.cpu_count() or 1))
    for task in set(_TASKS.iterdir()) - before:
        status = (task / "status").read_text()
        blocked = int(status.partition("SigBlk:")[2].split()[0], 16)
        assert all(blocked >> (one - 1) & 1 for one in (signal.SIGINT, signal.SIGTERM, signal.SIGWINCH, signal.SIGHUP))


def test_a_forked_kernel_is_asleep(kernel):
    names = kernel.says("import threading; print([one.name for one in threading.enumerate()])")
    assert "lepton-waiting" in names
