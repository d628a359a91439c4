"""The template: a process that has the imports done, and forks kernels, trainers and workers.

It has one thread, runs no operator of torch and opens no context of zmq: what is forked from it starts clean.
"""

from __future__ import annotations

import contextlib
import gc
import os
import select
import selectors
import signal
import socket
import sys
import time
import traceback
from dataclasses import dataclass
from pathlib import Path

from .child import become
from .imports import Preloaded, preload, shadowed
from .order import Order, interpreter_flags
from .place import installed
from .wire import Inbox, peer_user, send

__all__ = ["main"]

_SILENCE_S = 5.0
_LOOK_S = 20.0


@dataclass
class _Caller:
    """A connection whose order is not whole yet."""

    connection: socket.socket
    inbox: Inbox
    deadline: float


@dataclass
class _Child:
    """A process that was forked and has not been waited for; `whole`: its group ends when it has ended by itself."""

    pid: int
    pidfd: int
    bound: bool
    whole: bool
    connection: socket.socket | None


def main() -> None:
    """Import, listen on the socket that the first argument names, and fork until nobody asks any more.

    Arguments are the socket's path, a descriptor that is told when to connect and what could not be imported, the
    seconds to stay idle, and the folders of modules that `LEPTON_PRELOAD` names.
    """
    path, ready, stay = Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    state, began, before = installed(), time.time(), dict(os.environ)
    missed = preload(os.environ.get("LEPTON_PRELOAD", ""), sys.argv[4])
    del sys.path[0]
    loaded = Preloaded(began, before)
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        os.umask(0o177)
        listener.bind(str(path))
        os.umask(0o022)
        listener.listen(128)
        inode = path.stat().st_ino
        gc.collect()
        gc.freeze()
        os.write(ready, "\n".join(["ready", *missed]).encode()[: select.PIPE_BUF])
        os.close(ready)
        with contextlib.suppress(KeyboardInterrupt):
            _Template(listener, loaded, state, stay).serve()
        with contextlib.suppress(OSError):
            if path.stat().st_ino == inode:
                for name in (path, path.with_suffix(".log"), path.with_suffix(".lock")):
                    name.unlink(missing_ok=True)


class _Template:
    def __init__(self, listener: socket.socket, loaded: Preloaded, state: str, stay: float) -> None:
        self._listener, self._loaded, self._state, self._stay = listener, loaded, state, stay
        self._selector = selectors.DefaultSelector()
        self._callers: dict[int, _Caller] = {}
        self._children: dict[int, _Child] = {}
        self._used = time.monotonic()
        self._path = tuple(sys.path)
        listener.setblocking(False)
        self._selector.register(listener, selectors.EVENT_READ, self._accept)

    def serve(self) -> None:
        """Answer until there is no child left and either nobody asked for long or the packages have changed."""
        while True:
            for key, _ in self._selector.select(min(_LOOK_S, self._stay, 1.0 if self._callers else _LOOK_S)):
                try:
                    key.data(key.fd)
                except Exception:  # noqa: BLE001 -- one caller never ends what all others' processes hang on
                    traceback.print_exc()
            now = time.monotonic()
            for number in [number for number, caller in self._callers.items() if caller.deadline < now]:
                self._drop(number)
            if self._children or self._callers:
                self._used = now
            elif now - self._used >= self._stay or installed() != self._state:
                return

    def _accept(self, _: int) -> None:
        with contextlib.suppress(OSError):
            connection, _ = self._listener.accept()
            if peer_user(connection) != os.geteuid():
                connection.close()
                return
            connection.setblocking(False)
            caller = _Caller(connection, Inbox(connection), time.monotonic() + _SILENCE_S)
            self._callers[connection.fileno()] = caller
            self._selector.register(connection, selectors.EVENT_READ, self._listen)

    def _listen(self, number: int) -> None:
        if not (caller := self._callers.get(number)):
            return
        try:
            found = caller.inbox.read()
        except BlockingIOError:
            return
        except (OSError, ValueError):
            self._drop(number)
            return
        if found is None:
            return
        message, descriptors = found
        try:
            self._answer(caller, Order.read(message), descriptors)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as cause:
            print(f"refused: {type(cause).__name__}: {cause}", file=sys.stderr, flush=True)  # noqa: T201
            with contextlib.suppress(OSError):
                send(caller.connection, {"error": f"{type(cause).__name__}: {cause}"})
            self._drop(number)
        finally:
            for descriptor in descriptors:
                os.close(descriptor)

    def _answer(self, caller: _Caller, order: Order, descriptors: list[int]) -> None:
        """Fork. The child itself answers, once it stands in its own session."""
        if len(descriptors) != 3 + order.bound:
            raise ValueError("the order does not fit its descriptors")
        if time.monotonic() > order.until:
            raise ValueError("whoever asked has given up")
        places = [place for place in order.environment.get("PYTHONPATH", "").split(os.pathsep) if place]
        if order.foreground and order.foreground.flags != interpreter_flags():
            raise ValueError("the interpreter runs with other options")
        if name := shadowed(order.foreground.path if order.foreground else places, sys.modules):
            raise ValueError(f"PYTHONPATH has another {name}")
        connection = caller.connection
        sys.stdout.flush()
        sys.stderr.flush()
        pid = os.fork()
        if pid == 0:
            become(order, descriptors, connection, self._path, places, self._loaded)
        try:
            pidfd = os.pidfd_open(pid)
        except OSError:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            raise
        self._forget(connection.fileno())
        child = _Child(pid, pidfd, order.bound, order.bound and not order.foreground, connection)
        self._children[child.pidfd] = child
        self._selector.register(child.pidfd, selectors.EVENT_READ, self._reap)
        self._selector.register(connection, selectors.EVENT_READ, lambda _: self._abandoned(child))

    def _abandoned(self, child: _Child) -> None:
        """The connection has ended, or what came is nothing we know: whoever asked is gone."""
        if self._children.get(child.pidfd) is not child:
            # It ended in the same moment, and its number may be another's already.
            return
        if child.connection:
            self._selector.unregister(child.connection)
            child.connection.close()
            child.connection = None
        if child.bound:
            _kill(child)

    def _reap(self, pidfd: int) -> None:
        child = self._children.pop(pidfd)
        self._selector.unregister(pidfd)
        ended = os.waitid(os.P_PIDFD, pidfd, os.WEXITED | os.WNOWAIT)
        if child.whole:
            # What it started goes with it, while its id cannot be another's yet.
            _kill(child)
        os.waitpid(child.pid, 0)
        os.close(pidfd)
        if child.connection:
            self._selector.unregister(child.connection)
            code = ended.si_status if ended and ended.si_code == os.CLD_EXITED else -(ended.si_status if ended else 9)
            with contextlib.suppress(OSError):
                send(child.connection, {"exit": code})
            child.connection.close()
            child.connection = None

    def _forget(self, number: int) -> None:
        caller = self._callers.pop(number)
        self._selector.unregister(caller.connection)
        caller.inbox.close()

    def _drop(self, number: int) -> None:
        if caller := self._callers.get(number):
            self._forget(number)
            caller.connection.close()


def _kill(child: _Child) -> None:
    """Kill a child and its process group, which it leads as soon as it has answered."""
    with contextlib.suppress(OSError):
        signal.pidfd_send_signal(child.pidfd, signal.SIGKILL)
    with contextlib.suppress(OSError):
        os.killpg(child.pid, signal.SIGKILL)
