import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from lepton_nb.processes import Identity, free_port, identify, is_alive, port_owner, start, stop

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]


@pytest.fixture
def sleeper(tmp_path):
    identity = start(SLEEP, log=tmp_path / "log", cwd=tmp_path)
    yield identity
    stop(identity, grace=1)


def test_a_started_process_leads_a_session_of_its_own(sleeper) -> None:
    assert is_alive(sleeper)
    assert os.getsid(sleeper.pid) == sleeper.pid


def test_a_stopped_process_is_dead(sleeper) -> None:
    stop(sleeper)
    assert not is_alive(sleeper)
    stop(sleeper)


def test_a_reused_process_id_is_another_process(sleeper) -> None:
    assert not is_alive(Identity(sleeper.pid, sleeper.started - 1000))


def test_a_process_that_ignores_sigterm_is_killed_with_its_children(tmp_path) -> None:
    child = "import signal,subprocess,sys,time; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    child += f"p = subprocess.Popen({SLEEP!r}); print(p.pid, flush=True); time.sleep(60)"
    identity = start([sys.executable, "-c", child], log=tmp_path / "log", cwd=tmp_path)
    deadline = time.monotonic() + 20
    while not (tmp_path / "log").read_text().strip() and time.monotonic() < deadline:
        time.sleep(0.02)
    grandchild = identify(int((tmp_path / "log").read_text()))
    stop(identity, grace=0.3)
    assert not is_alive(identity)
    assert not is_alive(grandchild)


def test_a_dead_process_whose_parent_never_asks_for_its_status_is_not_waited_for(tmp_path) -> None:
    # The shell becomes a program that knows nothing of its child, as the first process of a container may be.
    parent = start(["sh", "-c", "sleep 60 & echo $!; exec sleep 4"], log=tmp_path / "log", cwd=tmp_path)
    deadline = time.monotonic() + 20
    while not (tmp_path / "log").read_text().strip() and time.monotonic() < deadline:
        time.sleep(0.02)
    child = identify(int((tmp_path / "log").read_text()))
    stop(child)
    assert psutil.Process(child.pid).status() == psutil.STATUS_ZOMBIE
    assert is_alive(parent)
    stop(parent)


def test_a_detached_process_outlives_the_one_that_started_it(tmp_path) -> None:
    code = (
        "import sys; from pathlib import Path; from lepton_nb.processes import start\n"
        f"print(start({SLEEP!r}, log=Path({str(tmp_path / 'log')!r}), cwd=Path('.')).pid)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    identity = identify(int(done.stdout))
    try:
        assert is_alive(identity)
    finally:
        stop(identity)


def test_the_log_can_be_read_by_its_owner_alone(sleeper, tmp_path) -> None:
    assert (tmp_path / "log").stat().st_mode & 0o777 == 0o600


def test_the_owner_of_a_port_is_named() -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        held.listen()
        owner = port_owner(held.getsockname()[1])
    assert owner is not None
    assert str(os.getpid()) in owner
    assert psutil.Process().name() in owner


def test_a_free_port_has_no_owner() -> None:
    assert port_owner(free_port()) is None


def test_a_missing_program_is_an_error_of_the_caller() -> None:
    with pytest.raises(FileNotFoundError):
        start(["/nonexistent/program"], log=Path(os.devnull), cwd=Path.cwd())
