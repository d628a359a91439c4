"""The `lepton` shell command.

What a verb needs is imported in `main`, where an interrupt is caught; the interpreter's own start comes before it.
"""

from __future__ import annotations

import atexit
import gc
import os
import signal
import sys

from .warm import run_warm

__all__ = ["main"]

_INTERRUPTED, _TERMINATED = 130, 143
# Set by what `_LEPTON_COMPLETE=bash_source lepton` prints, when Tab is pressed.
_COMPLETE = "_LEPTON_COMPLETE"
# Verbs whose results have statuses of their own, and the highest of them: that of a failure comes behind it.
_OWN_STATUSES = {"monitor": 3}
# Imports make hundreds of thousands of objects that stay: looking through them again and again took a seventh of their
# time.
_YOUNG_OBJECTS = 50_000


class _Terminated(KeyboardInterrupt):
    """SIGTERM: whatever ends well at Ctrl-C ends well when it is stopped from outside."""


def main(words: list[str] | None = None) -> None:
    """Run one verb and exit: 0 done, 1 failed, 2 wrong words, 130 interrupted, 143 terminated.

    A result may have a status of its own: that of `monitor` is 0 healthy, 1 warning, 2 drifting, 3 failing. Where it
    could not look, it is 4, and 5 for wrong words.

    Args:
        words: the arguments (default: this process's).
    """
    if words is not None:
        _main(words, forked=True)
        return
    gc.set_threshold(_YOUNG_OBJECTS)
    ending = _Ending()
    try:
        _main(sys.argv[1:], forked=False)
        ending.status = 0
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            ending.status = end.code or 0
        raise


class _Ending:
    """The end of a process of its own: at once, when all has been done that is to be done at exit.

    What the interpreter does after that, taking apart each module that was imported, is left to the system.
    """

    def __init__(self) -> None:
        # Unknown: the interpreter ends as it finds right, as it does with what nobody caught.
        self.status: int | None = None
        self._owner = os.getpid()
        # What is registered first is called last; of what somebody has registered before us, nothing is left out.
        if not atexit._ncallbacks():  # noqa: SLF001 - nothing else tells it
            atexit.register(self._leave)

    def _leave(self) -> None:
        if self.status is None or os.getpid() != self._owner:
            return
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        except (OSError, ValueError):
            # The interpreter's own status of this is another one.
            return
        os._exit(self.status)


def _main(given: list[str], *, forked: bool) -> None:
    behind = _OWN_STATUSES.get(given[0], 0) if given else 0
    try:
        _terminable()
        _interruptible()
        if not forked:
            run_warm(given)
        _run(given, behind)
    except KeyboardInterrupt as cause:
        terminated = isinstance(cause, _Terminated)
        sys.stderr.write("terminated\n" if terminated else "interrupted\n")
        sys.exit(_TERMINATED if terminated else _INTERRUPTED)
    except Exception:
        if not behind:
            raise
        # A fault of ours: the interpreter's own status would be that of a verdict.
        sys.excepthook(*sys.exc_info())
        sys.exit(1 + behind)


def _terminable() -> None:
    """Have SIGTERM raise in this process, unless somebody has other plans for it."""
    try:
        if signal.getsignal(signal.SIGTERM) != signal.SIG_DFL:
            return
        owner = os.getpid()

        def end(number: int, _: object) -> None:
            if os.getpid() == owner:
                raise _Terminated
            # A copy of this process, such as one that loads data, ends as any process does.
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)

        signal.signal(signal.SIGTERM, end)
    except ValueError:
        # Only the main thread may.
        return


def _interruptible() -> None:
    """Let the signals come that a forked process has had to wait until it can answer them as it should."""
    if sys.platform == "linux":
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGINT, signal.SIGTERM))


def _run(words: list[str], behind: int) -> None:
    from ..commands import PlainHost, invoke, root
    from ..errors import LeptonError, StorageError

    if asked := os.environ.get(_COMPLETE):
        from click.shell_completion import shell_complete

        sys.exit(shell_complete(root(), {}, "lepton", _COMPLETE, asked))
    # Of a verdict that nobody came to.
    status = 1 + behind if behind else 0
    try:
        outcome = invoke(words, PlainHost())
        status = getattr(outcome.result, "exit_status", 0)
        _show(outcome.result, as_json=outcome.as_json)
        sys.stdout.flush()
    except LeptonError as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        sys.exit(error.exit_code + behind)
    except BrokenPipeError:
        # The reader, such as `head`, has seen enough; keep the interpreter from saying so at exit. The verdict stands.
        _mute()
    except OSError as error:
        # A verb's own came as a LeptonError: this one is a full disk behind standard output, or the like.
        _mute()
        told = StorageError(f"standard output: {error.strerror}", hint="write it elsewhere")
        sys.stderr.write(f"{type(told).__name__}: {told}\n")
        sys.exit(told.exit_code + behind)
    if status:
        sys.exit(status)


def _mute() -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _show(result: object, *, as_json: bool) -> None:
    import json

    from ..records import Result, plain

    if result is None:
        return
    if as_json:
        value = result.to_json() if isinstance(result, Result) else plain(result)
        sys.stdout.write(json.dumps(value) + "\n")
    else:
        sys.stdout.write(f"{result.as_text() if isinstance(result, Result) else result}\n")
