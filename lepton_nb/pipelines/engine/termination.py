"""SIGTERM while a notebook is executed: container engines, service managers and batch systems stop processes so."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import threading
from collections.abc import Iterator
from typing import Any

__all__ = ["terminable"]

_STATUS = 128 + signal.SIGTERM


@contextlib.contextmanager
def terminable() -> Iterator[None]:
    """Have SIGTERM interrupt what is done here as Ctrl-C would; afterwards the process exits with status 143.

    It is left alone where somebody else handles it already, outside the main thread, and where an event loop runs,
    as in a notebook.

    Raises:
        SystemExit: SIGTERM came.
    """
    if not _is_ours():
        yield
        return
    came: list[int] = []

    def interrupt(number: int, frame: Any) -> None:
        came.append(number)
        # An event loop has its own way to be interrupted; in the background of a shell there is none.
        ctrl_c = signal.getsignal(signal.SIGINT)
        if not callable(ctrl_c):
            raise KeyboardInterrupt
        ctrl_c(signal.SIGINT, frame)

    signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    except KeyboardInterrupt:
        if came:
            raise SystemExit(_STATUS) from None
        raise
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _is_ours() -> bool:
    if threading.current_thread() is not threading.main_thread():
        return False
    with contextlib.suppress(RuntimeError):
        asyncio.get_running_loop()
        return False
    return signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
