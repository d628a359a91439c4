"""Processes that outlive the one that started them."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil

from .identity import Identity, identify, is_alive

__all__ = ["start", "stop"]

# Popen objects of children still running: dropping one warns, and keeping it lets `poll` reap the child.
_children: dict[int, subprocess.Popen[bytes]] = {}


def start(command: Sequence[str], *, log: Path, cwd: Path, env: Mapping[str, str] | None = None) -> Identity:
    """Start a command in a session of its own.

    Args:
        command: the program and its arguments.
        log: the file that receives standard output and error, appended; made with mode 0600.
        cwd: its working folder.
        env: its whole environment (default: this process's).

    Returns:
        The identity of the new process, which leads its process group.
    """
    for pid in [pid for pid, child in _children.items() if child.poll() is not None]:
        del _children[pid]
    log.parent.mkdir(parents=True, exist_ok=True)
    log.touch(mode=0o600)
    with log.open("ab") as stream:
        child = subprocess.Popen(
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            cwd=cwd,
            env=None if env is None else dict(env),
            start_new_session=True,
        )
    _children[child.pid] = child
    return identify(child.pid)


def stop(identity: Identity, *, grace: float = 10.0) -> None:
    """End a process and what it started: politely first, then for good.

    Args:
        identity: the process; one that is gone already is left alone.
        grace: seconds between SIGTERM and SIGKILL.
    """
    if not is_alive(identity):
        return
    family = [psutil.Process(identity.pid)]
    with contextlib.suppress(psutil.NoSuchProcess):
        family += family[0].children(recursive=True)
    with contextlib.suppress(ProcessLookupError):
        os.kill(identity.pid, signal.SIGTERM)
    deadline = time.monotonic() + grace
    while is_alive(identity) and time.monotonic() < deadline:
        time.sleep(0.05)
    for process in family:
        # psutil checks the start time, so a reused id is never signalled.
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    deadline = time.monotonic() + 5
    # One that has ended and whose parent does not ask for its status, such as the first process of a container, stays.
    while any(map(_runs, family)) and time.monotonic() < deadline:
        time.sleep(0.02)
    psutil.wait_procs(family, timeout=0)


def _runs(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
