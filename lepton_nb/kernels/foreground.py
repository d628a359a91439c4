"""A program in a terminal whose work is done by a process that was forked for it."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from .client import Forked, fork
from .order import Foreground
from .place import NotWarm

__all__ = ["run_in_foreground"]

# Not every system knows them all.
_PASSED_ON = ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGWINCH", "SIGTSTP", "SIGCONT", "SIGIO")
# Where the template has gone meanwhile, nobody tells the end of what it had forked.
_LOOK_S = 1.0
# The sender is the system: a key was pressed, and the whole process group is meant.
_FROM_TERMINAL = 0x80


def run_in_foreground(module: str, argv: Sequence[str]) -> None:
    """Have a process forked from a running template do the work of this one, and end as it ends.

    It has this process's arguments, folder, environment, limits and standard streams, and gets the signals that come
    here. It ends when this one is killed. Where no template can do it, nothing has happened, and this returns.

    Args:
        module: run as `python -m` runs it. SIGINT and SIGTERM are blocked until it lets them come.
        argv: its arguments.
    """
    try:
        for stream in range(3):
            os.fstat(stream)
        if signal.pthread_sigmask(signal.SIG_BLOCK, ()):
            return
        foreground = Foreground.of_this_process()
    except (OSError, AttributeError):
        return
    awaited = {getattr(signal, name) for name in _PASSED_ON}
    # The forked process may be at work before this one knows: what comes meanwhile waits for either.
    signal.pthread_sigmask(signal.SIG_BLOCK, awaited)
    try:
        forked = fork(
            module,
            argv,
            cwd=Path.cwd(),
            environment=dict(os.environ),
            streams=(0, 1, 2),
            bound=True,
            foreground=foreground,
        )
    except (NotWarm, OSError):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, awaited)
        return
    _stand_for(forked, awaited)


def _stand_for(forked: Forked, awaited: set[signal.Signals]) -> NoReturn:
    forked.announce_end()
    while (code := forked.poll()) is None:
        if found := signal.sigtimedwait(awaited, _LOOK_S):
            _pass_on(forked, found)
    _end(code)


def _pass_on(forked: Forked, found: signal.struct_siginfo) -> None:
    match found.si_signo:
        case signal.SIGIO:
            pass
        case signal.SIGTSTP:
            # Its own default would be lost on a process whose parent is in another session.
            forked.send_signal(signal.SIGSTOP, group=True)
            signal.raise_signal(signal.SIGTSTP)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTSTP})
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTSTP})
            forked.send_signal(signal.SIGCONT, group=True)
        case number:
            forked.send_signal(number, group=found.si_code == _FROM_TERMINAL or number == signal.SIGCONT)


def _end(code: int) -> NoReturn:
    if code < 0:
        import resource

        # What there is to be dumped is not here.
        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
        if -code not in (signal.SIGKILL, signal.SIGSTOP):
            signal.signal(-code, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {-code})
        os.kill(os.getpid(), -code)
    os._exit(code & 0xFF)
