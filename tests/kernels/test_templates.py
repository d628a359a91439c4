"""Templates come, go, and are not in anybody's way."""

from __future__ import annotations

import logging
import os
import signal
import socket
import stat
import struct
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from lepton_nb import kernels
from lepton_nb.kernels import client
from lepton_nb.kernels.client import Forked
from lepton_nb.kernels.place import locate

from .conftest import gone, parent, small_template, template_pids, wait_until


def test_clients_that_come_at_once_share_one_template_behind_a_private_door(small, sleeper):
    with ThreadPoolExecutor(6) as pool:
        started = [future.result() for future in [pool.submit(sleeper) for _ in range(6)]]
    assert {parent(one) for one in started} == set(template_pids(small))
    (door,) = small.rglob("*.sock")
    assert stat.S_IMODE(door.stat().st_mode) == 0o600
    assert stat.S_IMODE(door.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(door.with_suffix(".log").stat().st_mode) == 0o600


def test_a_killed_template_leaves_its_kernels_alive_and_the_next_start_makes_another(small, start_kernel, sleeper):
    one = start_kernel()
    (first,) = template_pids(small)
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: gone(first))
    assert one.says("print(6 * 7)") == "42"
    assert parent(sleeper()) not in (first, os.getpid())
    process = one.process
    one.client.stop_channels()
    one.manager.shutdown_kernel()
    assert process.returncode == 255
    assert gone(process.pid)


def test_a_kernel_ends_with_its_owner_even_when_the_template_was_killed(small, sleeper):
    bound = sleeper()
    (template,) = template_pids(small)
    os.kill(template, signal.SIGKILL)
    wait_until(lambda: gone(template))
    assert bound.poll() is None
    bound._process._lifeline.close()
    wait_until(lambda: gone(bound.pid), 10)


def test_a_child_that_ends_with_its_owner_in_one_moment_ends_nobody_else(small, sleeper):
    one, other = sleeper(), sleeper()
    (template,) = template_pids(small)
    os.kill(template, signal.SIGSTOP)
    os.kill(one.pid, signal.SIGKILL)
    wait_until(lambda: psutil.Process(one.pid).status() == psutil.STATUS_ZOMBIE)
    one._process._connection.close()
    one._process._connection = None
    os.kill(template, signal.SIGCONT)
    wait_until(lambda: not psutil.pid_exists(one.pid))
    os.kill(other.pid, signal.SIGTERM)
    assert other.wait(10) == -signal.SIGTERM
    assert template_pids(small) == [template]


def test_a_job_that_a_slow_template_got_too_late_runs_once(small, sleeper, modules, tmp_path, monkeypatch, caplog):
    modules(once="open('ran', 'a').write('x')")
    sleeper()
    (template,) = template_pids(small)
    os.kill(template, signal.SIGSTOP)
    with monkeypatch.context() as patch:
        patch.setattr(client, "_READY_S", 1.0)
        patch.setattr(client, "_READING_S", 0.5)
        kernels.start_detached("once", [], log=tmp_path / "log", cwd=tmp_path)
    assert "spawned and not forked" in caplog.text
    os.kill(template, signal.SIGCONT)
    wait_until((tmp_path / "ran").exists)
    # Orders are taken one after the other: behind this one there is none that was left.
    assert parent(sleeper()) == template
    assert (tmp_path / "ran").read_text() == "x"


def test_an_idle_template_ends_and_takes_its_files_along(small, sleeper, monkeypatch):
    monkeypatch.setenv("LEPTON_WARM_IDLE", "0.3")
    bound = sleeper()
    template = parent(bound)
    time.sleep(0.8)
    assert not gone(template)
    bound.close()
    wait_until(lambda: gone(template))
    assert list(small.rglob("*.*")) == []


def test_silent_and_senseless_clients_are_let_go_and_others_are_served(small, sleeper):
    sleeper()
    (door,) = small.rglob("*.sock")
    talks = []
    for first in (b"", struct.pack("!I", 1 << 30), struct.pack("!I", 2) + b"[]", struct.pack("!I", 2) + b"{}"):
        talks.append(socket.socket(socket.AF_UNIX))
        talks[-1].connect(str(door))
        talks[-1].sendall(first)
    assert isinstance(sleeper()._process, Forked)
    for talk in talks[1:]:
        talk.settimeout(10)
        while talk.recv(4096):
            pass
    for talk in talks:
        talk.close()


@pytest.mark.parametrize("side", ["template", "client"])
def test_another_user_at_the_other_end_is_refused(monkeypatch, sleeper, caplog, side):
    more = "template.os = type('Os', (), {**vars(template.os), 'geteuid': staticmethod(lambda: 12345)})"
    with small_template(monkeypatch, more if side == "template" else ""):
        if side == "client":
            monkeypatch.setattr(client, "peer_user", lambda connection: 12345)
        assert not isinstance(sleeper()._process, Forked)
    assert "is spawned and not forked" in caplog.text


def test_a_broken_template_is_said_once_and_the_process_is_spawned(monkeypatch, sleeper, caplog):
    with small_template(monkeypatch, "raise RuntimeError('cannot be warmed')"):
        with caplog.at_level(logging.WARNING):
            bounds = [sleeper(), sleeper()]
        assert [parent(one) for one in bounds] == [os.getpid()] * 2
    lines = [record.getMessage() for record in caplog.records if record.name == "lepton_nb.kernels"]
    assert len(lines) == 2
    assert all("sleeper is spawned and not forked" in line and "cannot be warmed" in line for line in lines)


def test_without_warmth_the_kernel_is_spawned_and_a_log_line_says_so(start_kernel, caplog):
    one = start_kernel(env={**os.environ, "LEPTON_WARM": "0"})
    assert psutil.Process(one.pid).ppid() == os.getpid()
    assert "the kernel is spawned and not forked: LEPTON_WARM=0" in caplog.text
    one.stop()


def test_modules_named_for_preloading_are_there_and_one_that_fails_is_left_out_and_told(
    small, modules, tmp_path, monkeypatch, caplog
):
    look = "import sys; print(sys.argv[1] in sys.modules, {'wave', 'mine'} <= set(sys.modules))"
    modules(look=look, mine="value = 1")
    monkeypatch.setenv("LEPTON_PRELOAD", "wave, mine, no_such_module")
    with_log = tmp_path / "log"
    bound = kernels.start_bound("look", ["no_such_module"], log=with_log, cwd=tmp_path)
    assert isinstance(bound._process, Forked)
    assert bound.wait(30) == 0
    assert with_log.read_text().strip() == "False True"
    assert "no_such_module is not preloaded: ModuleNotFoundError" in caplog.text
    (said,) = small.rglob("*.log")
    assert "no_such_module is not preloaded: ModuleNotFoundError" in said.read_text()


def test_what_killed_templates_have_left_goes_when_another_starts(small, sleeper):
    folder = locate(os.environ).socket.parent
    left = [folder / f"{16 * 'a'}{end}" for end in (".sock", ".log", ".lock")]
    with socket.socket(socket.AF_UNIX) as dead, socket.socket(socket.AF_UNIX) as live:
        dead.bind(str(left[0]))
        live.bind(str(folder / "live.sock"))
        live.listen()
        for path in (*left[1:], folder / "live.log"):
            path.touch()
        dead.close()
        sleeper()
        assert [path for path in left if path.exists()] == []
        assert sorted(path.name for path in folder.glob("live.*")) == ["live.log", "live.sock"]


def test_a_module_that_was_edited_after_the_template_started_is_imported_anew(tmp_path, modules, monkeypatch, small):
    place = tmp_path / "preloaded"
    place.mkdir()
    (place / "edited.py").write_text("value = 1\n")
    monkeypatch.setattr(client, "_PROGRAM", f"sys.path.insert(1, {str(place)!r}); {client._PROGRAM}")
    monkeypatch.setenv("LEPTON_PRELOAD", "edited")
    modules(tell="import edited; print(edited.value)")
    for value in (1, 22):
        (place / "edited.py").write_text(f"value = {value}\n")
        bound = kernels.start_bound("tell", [], log=tmp_path / "log", cwd=tmp_path)
        assert bound.wait(30) == 0
        time.sleep(0.02)
    assert (tmp_path / "log").read_text().split() == ["1", "22"]


def test_the_kernel_spec_and_the_provisioner_are_installed():
    from importlib.metadata import entry_points

    from jupyter_client.kernelspec import KernelSpecManager

    spec = KernelSpecManager().get_kernel_spec("lepton")
    assert spec.display_name == "Python 3 (Lepton)"
    assert spec.argv[1:] == ["-m", "ipykernel_launcher", "-f", "{connection_file}"]
    name = spec.metadata["kernel_provisioner"]["provisioner_name"]
    (found,) = entry_points(group="jupyter_client.kernel_provisioners", name=name)
    assert found.load().__name__ == "WarmProvisioner"
    assert Path(sys.executable).exists()
    assert subprocess.DEVNULL
