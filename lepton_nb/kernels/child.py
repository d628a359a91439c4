"""What a forked process does: it becomes the one that was asked for, as if it had been started by itself."""

from __future__ import annotations

import atexit
import contextlib
import dataclasses
import fcntl
import io
import os
import random
import runpy
import select
import signal
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from ..processes import identify
from .imports import Preloaded
from .libraries import fit_kernel, fit_process
from .order import Order
from .wire import send

__all__ = ["become"]


def become(
    order: Order,
    descriptors: Sequence[int],
    connection: socket.socket,
    path: Sequence[str],
    places: Sequence[str],
    loaded: Preloaded,
) -> NoReturn:
    """Settle in, answer whoever asked, run, and end; never returns.

    Args:
        order: what to run.
        descriptors: standard input, output and error, and one end of the lifeline of a bound process.
        connection: where to answer; it is closed then.
        path: where modules are looked for behind the working folder and `PYTHONPATH`.
        places: the folders of `PYTHONPATH`.
        loaded: the imported modules that may have been edited meanwhile.
    """
    code = 1
    try:
        _settle(order, descriptors, connection)
        _prepare(order, path, places, loaded)
    except BaseException as cause:  # noqa: BLE001 -- nothing may go back into the template's loop
        _refuse(connection, f"{type(cause).__name__}: {cause}")
    try:
        code = _exit_code(lambda: _run(order, connection, loaded))
    except BaseException:  # noqa: BLE001 -- nothing may go back into the template's loop
        traceback.print_exc()
    finally:
        _leave(code, descriptors[3] if order.foreground else -1)
    raise AssertionError


def _answer(connection: socket.socket, order: Order) -> None:
    """Say who this is; whoever asked goes on, or has started another process meanwhile and must not have two."""
    try:
        if time.monotonic() > order.until:
            raise TimeoutError
        connection.setblocking(True)
        send(connection, dataclasses.asdict(identify()), [own := os.pidfd_open(os.getpid())])
    except OSError:
        os._exit(1)
    os.close(own)
    os.close(connection.detach())


def _refuse(connection: socket.socket, why: str) -> NoReturn:
    with contextlib.suppress(OSError):
        connection.setblocking(True)
        send(connection, {"error": f"a forked process cannot be as it was asked for: {why}"})
    os._exit(1)


def _settle(order: Order, descriptors: Sequence[int], connection: socket.socket) -> None:
    """Leave the template: its session, its signals, its descriptors."""
    os.setsid()
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for kind in (signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD, signal.SIGQUIT):
        signal.signal(kind, signal.SIG_DFL)
    if order.foreground:
        # What the terminal says meanwhile waits until the program can answer as it should.
        signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM))
        for number in order.foreground.ignored:
            signal.signal(number, signal.SIG_IGN)
    lifeline = descriptors[3] if order.bound else -1
    for number, descriptor in enumerate(descriptors[:3]):
        os.dup2(descriptor, number)
    for number in [int(path.name) for path in Path("/proc/self/fd").iterdir()]:
        if number > 2 and number not in (lifeline, connection.fileno()):
            with contextlib.suppress(OSError):
                os.close(number)
    if order.bound:
        _hold_on(lifeline)
    _confine(order)
    os.chdir(order.cwd)
    os.environ.clear()
    os.environ.update(order.environment)
    time.tzset()
    os.umask(order.umask)


def _confine(order: Order) -> None:
    """Take priority, processors and limits; what cannot be had is a reason to spawn the process instead."""
    import resource

    os.setpriority(os.PRIO_PROCESS, 0, order.nice)
    os.sched_setaffinity(0, order.affinity)
    for limit, limits in order.limits.items():
        if resource.getrlimit(limit) != limits:
            resource.setrlimit(limit, limits)


def _hold_on(lifeline: int) -> None:
    """Have the system kill this process group when the lifeline's other end is closed.

    A thread could not: C code may hold the interpreter's lock. Nobody ever writes, so the end is all that can happen.
    """
    fcntl.fcntl(lifeline, fcntl.F_SETOWN, -os.getpid())
    fcntl.fcntl(lifeline, fcntl.F_SETSIG, signal.SIGKILL)
    fcntl.fcntl(lifeline, fcntl.F_SETFL, fcntl.fcntl(lifeline, fcntl.F_GETFL) | os.O_ASYNC)
    poll = select.poll()
    poll.register(lifeline, select.POLLIN)
    if poll.poll(0):
        os._exit(1)


def _prepare(order: Order, path: Sequence[str], places: Sequence[str], loaded: Preloaded) -> None:
    """Put right what the interpreter and the libraries took from the template."""
    for name, value in loaded.variables.items():
        os.environ.setdefault(name, value)
    unbuffered = bool(order.environment.get("PYTHONUNBUFFERED"))
    sys.stdin = sys.__stdin__ = open(0, encoding=sys.__stdin__.encoding, closefd=False)  # type: ignore[misc,union-attr] # noqa: SIM115
    sys.stdout = sys.__stdout__ = _stream(1, sys.__stdout__, unbuffered)  # type: ignore[misc]
    # A log shows each word at once; what stands before a terminal comes in lines, as it does everywhere.
    sys.stderr = sys.__stderr__ = _stream(2, sys.__stderr__, unbuffered or not order.foreground)  # type: ignore[misc]
    if order.environment.get("PYTHONFAULTHANDLER"):
        import faulthandler

        faulthandler.enable(file=2)
    sys.path[:] = [*([order.cwd] if order.module and not sys.flags.safe_path else []), *places, *path]
    if order.foreground:
        sys.path[:] = order.foreground.path
    for place in [place for place, finder in sys.path_importer_cache.items() if finder is None]:
        # A folder may be there by now.
        del sys.path_importer_cache[place]
    loaded.forget_edited()
    random.seed()
    if numpy := sys.modules.get("numpy"):
        numpy.random.seed()
    if torch := sys.modules.get("torch"):
        torch.default_generator.seed()
    fit_process(order, loaded.taken)


def _stream(number: int, like: Any, prompt: bool) -> io.TextIOWrapper:
    raw = open(number, "wb", buffering=0 if prompt else -1, closefd=False)  # noqa: SIM115
    lines = number == 2 or os.isatty(number)
    return io.TextIOWrapper(raw, like.encoding, like.errors, line_buffering=lines, write_through=prompt)


@dataclass(slots=True)
class _Module:
    __file__: str


class _Interpreter:
    """The module `sys` while a kernel is made, which lists the files of all modules for its debugger.

    To look at the six thousand modules themselves would copy 40 MiB of the memory that is shared with the template.
    """

    def __init__(self, files: Sequence[str]) -> None:
        self.modules = {file: _Module(file) for file in files}

    def __getattr__(self, name: str) -> Any:
        return getattr(sys, name)


def _run(order: Order, connection: socket.socket, loaded: Preloaded) -> None:
    if order.module:
        _answer(connection, order)
        sys.argv = [order.module, *order.argv]
        sys.modules.pop(order.module, None)
        runpy.run_module(order.module, run_name="__main__", alter_sys=True)
        return
    import ipykernel_launcher  # type: ignore[import-untyped]
    from ipykernel import ipkernel
    from ipykernel.kernelapp import IPKernelApp

    sys.argv = [str(ipykernel_launcher.__file__), *order.argv]
    # Its parent is the template and not who asked for it: the lifeline sees to its end, not ipykernel's poller.
    app = IPKernelApp.instance(parent_handle=1)
    write = app.write_connection_file

    def write_and_answer(**options: Any) -> None:
        write(**options)
        # The sockets are there: a client that connected before would try again 0.1 s later.
        _answer(connection, order)

    make_shell = app.init_shell

    def make_shell_and_fit() -> None:
        make_shell()  # type: ignore[no-untyped-call]
        fit_kernel(app.shell, loaded.taken)

    app.write_connection_file = write_and_answer  # type: ignore[method-assign]
    app.init_shell = make_shell_and_fit  # type: ignore[method-assign]
    vars(ipkernel)["sys"] = _Interpreter(loaded.files)
    app.initialize(list(order.argv))  # type: ignore[no-untyped-call]
    vars(ipkernel)["sys"] = sys
    try:
        app.start()  # type: ignore[no-untyped-call]
    finally:
        for thread in (app.control_thread, app.shell_channel_thread):
            # Closing the sockets while this thread runs can wait for ever.
            if thread and thread.is_alive():
                thread.stop()
                thread.join(5)


def _exit_code(run: Callable[[], None]) -> int:
    try:
        run()
    except SystemExit as leaving:
        if leaving.code is None or isinstance(leaving.code, int):
            return int(leaving.code or 0) & 0xFF
        print(leaving.code, file=sys.stderr)  # noqa: T201
        return 1
    except KeyboardInterrupt:
        traceback.print_exc()
        return -signal.SIGINT
    except BaseException:  # noqa: BLE001 -- the interpreter prints whatever ends a program
        traceback.print_exc()
        return 1
    return 0


def _leave(code: int, lifeline: int) -> NoReturn:
    """End as the interpreter does, but for tearing down modules, which takes two seconds with torch in memory.

    Args:
        code: the exit status, negative for a signal.
        lifeline: its other end is told the status, for the template may be gone by now; -1 for none.
    """
    for step in (threading._shutdown, atexit._run_exitfuncs):  # type: ignore[attr-defined] # noqa: SLF001
        with contextlib.suppress(BaseException):
            step()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(BaseException):
            stream.flush()
    if lifeline >= 0 <= code:
        with contextlib.suppress(OSError):
            os.write(lifeline, bytes([code]))
    if code < 0:
        signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code & 0xFF)
