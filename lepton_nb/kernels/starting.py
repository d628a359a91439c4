"""Processes that run a module: forked from the template where that is possible, else spawned."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import psutil

from .. import processes
from ..processes import Identity
from .client import Forked, fork, say_spawned
from .place import NotWarm

__all__ = ["Bound", "exit_status", "start_bound", "start_detached"]

# Detached processes that were forked for this one: only its template can wait for them, and tells how they ended.
_detached: dict[Identity, Forked] = {}

# It follows a pipe whose other end only our caller holds, and ends the process group when that end is closed.
_GUARD = """
import os, signal, sys
while os.read(0, 1): pass
try: os.killpg(int(sys.argv[1]), signal.SIGKILL)
except OSError: pass
"""


def start_detached(
    module: str,
    argv: Sequence[str],
    *,
    log: Path,
    cwd: Path,
    env: Mapping[str, str] | None = None,
    start_template: bool = True,
) -> Identity:
    """Start a process that outlives this one, in a session of its own.

    Args:
        module: run as `python -m` runs it.
        argv: its arguments.
        log: the file that receives standard output and error, appended; made with mode 0600.
        cwd: its working folder.
        env: its whole environment (default: this process's).
        start_template: a template that does not run yet is started first; else it is spawned then, without a word.

    Returns:
        The identity of the new process, which leads its process group.
    """
    environment = dict(os.environ if env is None else env)
    with _streams(log) as streams:
        forked = _forked(module, argv, cwd, environment, streams, bound=False, start_template=start_template)
    if forked is None:
        return processes.start([sys.executable, "-m", module, *argv], log=log, cwd=cwd, env=environment)
    for identity in [identity for identity, one in _detached.items() if one.poll() is not None]:
        del _detached[identity]
    _detached[forked.identity] = forked
    return forked.identity


def exit_status(identity: Identity, timeout: float = 1.0) -> int | None:
    """How a process that this one started by `start_detached` ended, negative for a signal.

    Args:
        identity: the process.
        timeout: seconds to wait for its end.

    Returns:
        None when it still runs, or when nobody can tell.
    """
    if forked := _detached.get(identity):
        return forked.wait(timeout)
    with contextlib.suppress(psutil.Error, ChildProcessError):
        process = psutil.Process(identity.pid)
        if process.ppid() == os.getpid():
            return process.wait(timeout)
    return None


def start_bound(
    module: str,
    argv: Sequence[str],
    *,
    log: Path,
    cwd: Path,
    env: Mapping[str, str] | None = None,
    start_template: bool = True,
) -> Bound:
    """Start a process that ends, with its whole process group, when this one does, even when this one is killed.

    Args:
        module: run as `python -m` runs it.
        argv: its arguments.
        log: the file that receives standard output and error, appended; made with mode 0600.
        cwd: its working folder.
        env: its whole environment (default: this process's).
        start_template: a template that does not run yet is started first; else it is spawned then, without a word.

    Returns:
        The process; keep it for as long as it shall run.
    """
    environment = dict(os.environ if env is None else env)
    with _streams(log) as streams:
        forked = _forked(module, argv, cwd, environment, streams, bound=True, start_template=start_template)
        if forked is not None:
            return Bound(forked)
        child = subprocess.Popen(
            [sys.executable, "-m", module, *argv],
            stdin=streams[0],
            stdout=streams[1],
            stderr=streams[2],
            cwd=cwd,
            env=environment,
            start_new_session=True,
        )
    guard = subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", _GUARD, str(child.pid)], stdin=subprocess.PIPE, start_new_session=True
    )
    return Bound(child, guard)


def _forked(
    module: str,
    argv: Sequence[str],
    cwd: Path,
    environment: Mapping[str, str],
    streams: Sequence[int],
    *,
    bound: bool,
    start_template: bool,
) -> Forked | None:
    """A process that was forked from the template; None, and why is said, where it has to be spawned."""
    try:
        return fork(
            module,
            argv,
            cwd=cwd,
            environment=environment,
            streams=streams,
            bound=bound,
            start_template=start_template,
        )
    except NotWarm as cause:
        # Nobody is told that there is none where none was wanted.
        if start_template:
            say_spawned(module, cause)
        return None


class Bound:
    """A process that ends when this one does.

    Args:
        process: the process itself.
        guard: ends a spawned process group; a forked one needs none.
    """

    def __init__(self, process: Forked | subprocess.Popen[bytes], guard: subprocess.Popen[bytes] | None = None) -> None:
        self._process, self._guard = process, guard
        self.pid = process.pid
        # A forked one may be gone already; a spawned one stays until it is waited for.
        self.identity = process.identity if isinstance(process, Forked) else processes.identify(process.pid)
        self._pidfd = os.pidfd_open(self.pid) if guard and hasattr(os, "pidfd_open") else -1

    def poll(self) -> int | None:
        """Its exit status, negative for a signal, or None while it runs."""
        return self.wait(0)

    def wait(self, timeout: float | None = None) -> int | None:
        """Its exit status when it ends within `timeout` seconds, else None."""
        try:
            return self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            return None

    def fileno(self) -> int:
        """A descriptor that is readable once the process has ended; -1 where the system has none."""
        return self._process.fileno() if isinstance(self._process, Forked) else self._pidfd

    def kill(self) -> None:
        """End the whole process group for good, and wait for the process."""
        if self._process.poll() is None:
            with contextlib.suppress(OSError):
                os.killpg(self.pid, signal.SIGKILL)
            self._process.wait(10)

    def close(self) -> None:
        """Let go of it: what still runs of its group is killed."""
        self.kill()
        if isinstance(self._process, Forked):
            self._process.close()
        if self._guard and self._guard.stdin:
            self._guard.stdin.close()
            self._guard.wait()
            self._guard = None
        if self._pidfd >= 0:
            os.close(self._pidfd)
            self._pidfd = -1


@contextlib.contextmanager
def _streams(log: Path) -> Iterator[tuple[int, int, int]]:
    log.parent.mkdir(parents=True, exist_ok=True)
    log.touch(mode=0o600)
    with log.open("ab") as out, Path(os.devnull).open("rb") as nothing:
        yield (nothing.fileno(), out.fileno(), out.fileno())
