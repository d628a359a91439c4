"""Ask a template for a process; a template that does not run yet is started first."""

from __future__ import annotations

import contextlib
import logging
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..processes import Identity
from .leftovers import sweep
from .order import Foreground, Order
from .place import NotWarm, Place, locate, preload_path, surroundings
from .wire import Inbox, peer_user, receive, send

__all__ = ["Forked", "fork", "say_spawned"]

_ROOT = Path(__file__).resolve().parents[2]
_PROGRAM = "from lepton_nb.kernels.template import main; main()"
_log = logging.getLogger("lepton_nb.kernels")
# Importing everything takes ten seconds, and many times that on a machine that is short of processors.
_START_S = 120.0
_ANSWER_S = 10.0
_READY_S = 30.0
_READING_S = 5.0
_FRONT_S = 5.0
_FRONT_READING_S = 2.0
_BROKEN_S = 300.0
_IDLE_S = 900.0
_UNKNOWN = 255
# Dropping a Popen warns, and a template that ended has to be waited for.
_templates: list[subprocess.Popen[bytes]] = []


class Forked:
    """A forked process, to be handled as `subprocess.Popen` is.

    Args:
        identity: its process id, which is that of its process group, and its start.
        pidfd: a descriptor of it, which stays with it when the id is given to another.
        connection: tells its exit status.
        lifeline: whose closing kills it and its process group; None for a process that is bound to nobody.
    """

    stdin = stdout = stderr = None

    def __init__(
        self, identity: Identity, pidfd: int, connection: socket.socket, lifeline: socket.socket | None
    ) -> None:
        self.identity, self.pid, self._pidfd = identity, identity.pid, pidfd
        self._connection: socket.socket | None = connection
        self._lifeline = lifeline
        self.returncode: int | None = None

    def fileno(self) -> int:
        """A descriptor that is readable when the process has ended."""
        return self._pidfd

    def poll(self) -> int | None:
        """The exit status, negative for a signal, or None while it runs; 255 when the template is gone, too."""
        return self.wait(0)

    def wait(self, timeout: float | None = None) -> int | None:
        """Wait for the end, for `timeout` seconds at most; the exit status, or None when it still runs."""
        if self.returncode is None and _readable(self._pidfd, timeout):
            self.returncode = self._told()
            self.close()
        return self.returncode

    def announce_end(self) -> None:
        """Have the system send SIGIO to this process when the end is told."""
        import fcntl

        if self._connection:
            number = self._connection.fileno()
            fcntl.fcntl(number, fcntl.F_SETOWN, os.getpid())
            fcntl.fcntl(number, fcntl.F_SETFL, fcntl.fcntl(number, fcntl.F_GETFL) | os.O_ASYNC)

    def send_signal(self, number: int, *, group: bool = False) -> None:
        """Send a signal to the process alone, or to its group."""
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                if group:
                    os.killpg(self.pid, number)
                else:
                    signal.pidfd_send_signal(self._pidfd, number)

    def kill(self) -> None:
        """End the process and its group for good."""
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)

    def terminate(self) -> None:
        """Ask the process to end."""
        self.send_signal(signal.SIGTERM)

    def close(self) -> None:
        """Let go of it: a bound process that still runs is killed by this, with its group."""
        for end in (self._lifeline, self._connection):
            if end:
                end.close()
        self._lifeline = self._connection = None
        if self._pidfd >= 0 and self.returncode is not None:
            os.close(self._pidfd)
            self._pidfd = -1

    def __del__(self) -> None:
        self.close()
        if self._pidfd >= 0:
            os.close(self._pidfd)
            self._pidfd = -1

    def _told(self) -> int:
        """The status as the template tells it or, where that is gone, as a process in the foreground tells its own."""
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            if self._connection:
                self._connection.settimeout(_ANSWER_S)
                return int(receive(Inbox(self._connection))[0]["exit"])
        with contextlib.suppress(OSError):
            if self._lifeline and (told := self._lifeline.recv(1, socket.MSG_DONTWAIT)):
                return told[0]
        return _UNKNOWN


def fork(
    module: str,
    argv: Sequence[str],
    *,
    cwd: Path,
    environment: Mapping[str, str],
    streams: Sequence[int],
    bound: bool,
    start_template: bool = True,
    foreground: Foreground | None = None,
) -> Forked:
    """Fork a process from the template of this interpreter and environment.

    Args:
        module: whose main shall run; empty for a kernel.
        argv: its arguments.
        cwd: its working folder.
        environment: its whole environment.
        streams: descriptors of its standard input, output and error.
        bound: it ends with this process, and with the object that is returned.
        start_template: a template that does not run yet is started first.
        foreground: it stands for this process; no template is started for that, and none is waited for long.

    Raises:
        NotWarm: there is no template that can do it.
    """
    if environment.get("LEPTON_WARM", "") == "0":
        raise NotWarm("LEPTON_WARM=0")
    if sys.platform != "linux":
        raise NotWarm(f"processes are forked on Linux only, and this is {sys.platform}")
    if not cwd.is_dir():
        raise NotWarm(f"there is no folder {cwd}")
    try:
        place = locate(environment)
        connection = _connected(place.socket)
        if connection is None and (foreground or not start_template):
            raise NotWarm("no template is running")
        connection = connection or _started(place, environment)
        # An answer that was sent in time is read in time.
        until = time.monotonic() + _wait(foreground) - (_FRONT_READING_S if foreground else _READING_S)
        order = Order.like_this_process(
            module, argv, cwd=cwd, environment=environment, bound=bound, until=until, foreground=foreground
        )
        return _asked(connection, order, streams)
    except (OSError, ValueError, KeyError, TypeError) as cause:
        raise NotWarm(f"the template does not answer as it should: {type(cause).__name__}: {cause}") from cause


def say_spawned(what: str, cause: NotWarm) -> None:
    """Log that something is started in the ordinary way."""
    _log.warning("%s is spawned and not forked: %s", what, cause)


def _asked(connection: socket.socket, order: Order, streams: Sequence[int]) -> Forked:
    ours, theirs = socket.socketpair() if order.bound else (None, None)
    try:
        # A kernel answers when its sockets are there; on a busy machine that takes a while.
        connection.settimeout(_wait(order.foreground))
        send(connection, order.message(), [*streams, *([theirs.fileno()] if theirs else [])])
        answer, descriptors = receive(Inbox(connection))
        if "pid" not in answer or len(descriptors) != 1:
            raise NotWarm(str(answer.get("error", "the process ended at once")))  # noqa: TRY301 -- what is open is closed
        identity = Identity(int(answer["pid"]), float(answer["started"]))
        return Forked(identity, descriptors[0], connection, ours)
    except BaseException:
        connection.close()
        if ours:
            ours.close()
        raise
    finally:
        if theirs:
            theirs.close()


def _wait(foreground: Foreground | None) -> float:
    """Seconds for an answer; a person at a terminal is not kept waiting for a template that hangs."""
    return _FRONT_S if foreground else _READY_S


def _connected(path: Path) -> socket.socket | None:
    """A connection to a template of this very user, or None when nobody listens there."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.settimeout(_ANSWER_S)
        connection.connect(str(path))
        if peer_user(connection) != os.geteuid():
            raise NotWarm(f"{path} belongs to another user")  # noqa: TRY301 -- what is open is closed
    except (FileNotFoundError, ConnectionRefusedError):
        connection.close()
        return None
    except BaseException:
        connection.close()
        raise
    return connection


def _started(place: Place, environment: Mapping[str, str]) -> socket.socket:
    """A connection to a template that somebody has started meanwhile, or that is started now."""
    from filelock import FileLock, Timeout

    try:
        with FileLock(place.lock, timeout=_START_S, mode=0o600):
            if connection := _connected(place.socket):
                return connection
            with contextlib.suppress(FileNotFoundError):
                if time.time() - place.broken.stat().st_mtime < _BROKEN_S:
                    raise NotWarm(f"the template is broken: {place.broken.read_text()}")
            _start(place, environment)
    except Timeout as cause:
        raise NotWarm(f"no template was ready within {_START_S:g} s") from cause
    if connection := _connected(place.socket):
        return connection
    raise NotWarm("the template has ended already")


def _start(place: Place, environment: Mapping[str, str]) -> None:
    """Start a template and wait until it listens."""
    code = f"import sys; sys.path[0] = {str(_ROOT)!r}; {_PROGRAM}"
    stay = environment.get("LEPTON_WARM_IDLE", "") or str(_IDLE_S)
    reader, writer = os.pipe()
    sweep(place.socket.parent, place)
    place.log.unlink(missing_ok=True)
    place.log.touch(mode=0o600)
    try:
        with place.log.open("ab") as log:
            template = subprocess.Popen(
                [sys.executable, "-c", code, str(place.socket), str(writer), stay, preload_path(environment)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=place.socket.parent,
                env=surroundings(environment),
                pass_fds=[writer],
                start_new_session=True,
            )
        os.close(writer)
        _templates[:] = [one for one in _templates if one.poll() is None] + [template]
        if not _readable(reader, _START_S):
            template.kill()
            raise NotWarm(f"the template was not ready within {_START_S:g} s")
        if not (told := os.read(reader, select.PIPE_BUF)):
            lines = place.log.read_text(errors="replace").strip().splitlines() or ["it wrote nothing"]
            place.broken.write_text(lines[-1])
            raise NotWarm(f"the template is broken: {lines[-1]}")
        for line in told.decode(errors="replace").splitlines()[1:]:
            _log.warning("%s", line)
    finally:
        os.close(reader)


def _readable(descriptor: int, timeout: float | None) -> bool:
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(None if timeout is None else int(1000 * timeout)))
