"""How the threads of torch's operators wait for each other: by spinning where they have the machine alone, else asleep.

Between two operators libgomp's threads spin for some milliseconds. That saves up to half of a small step's time on
an idle machine, and where another process wants the processors too, it makes the step two to ten times as long: who
spins keeps the processor from the one that is waited for. How to wait is read from the environment when the library
is loaded, once for all that a template forks. But libgomp spins hardly at all (a hundred rounds) while it has more
threads than there are processors, whether these do anything or not. So a team that sleeps in a thread of its own is
a switch, which changes how threads wait and nothing of what they compute.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import importlib.util
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

__all__ = ["asleep", "may_spin", "sleeping", "spinning_where_free"]

_TASKS = Path("/proc/self/task")
_LOOK_S = 0.25
# Seconds that threads stand in line for a processor, in a second: below 0.02 alone, above 0.4 beside one busy process.
_BUSY = 0.1
# Looks in a row without a line: a neighbour that comes and goes is one that is there.
_FREE_LOOKS = 4
# A team has more threads than the machine has processors, in each process: on larger ones they would be too many.
_MOST_CPUS = 16
# Libgomp ends the whole process where it cannot make a thread, so there must be far more room than is taken.
_ROOM = 64


class _Team:
    """A team of libgomp that is larger than the machine and sleeps, in a thread that ends with `dismiss`."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self._library, self._over = library, threading.Event()
        self._thread = threading.Thread(target=self._sleep, name="lepton-waiting", daemon=True)
        _start(self._thread)

    def _sleep(self) -> None:
        # What a compiler calls for a parallel region, around a function that does nothing and may be called anywhere.
        # The library has counted the processors when it was loaded: in a forked process, those of its template.
        self._library.GOMP_parallel(self._library.omp_get_thread_num, None, (os.cpu_count() or 1) + 1, 0)
        self._over.wait()

    def dismiss(self) -> None:
        self._over.set()
        self._thread.join()


_teams: list[_Team] = []


def asleep() -> None:
    """From now on, threads of this process wait without spinning; nothing happens where libgomp is not loaded."""
    if not _teams and (library := _library()) and _has_room():
        # Where no thread can be made, threads wait as they did.
        with contextlib.suppress(RuntimeError):
            _teams.append(_Team(library))


def may_spin() -> None:
    """Take `asleep` back: threads of this process wait as the library has been told to."""
    while _teams:
        _teams.pop().dismiss()


@contextlib.contextmanager
def spinning_where_free(threads: int) -> Iterator[None]:
    """Let this process's threads spin for as long as none of them stands in line for a processor.

    Args:
        threads: how many the operators use; one waits for nobody.
    """
    if threads < 2 or _in_line() is None or not _library():
        yield
        return
    over = threading.Event()
    watching = threading.Thread(target=_watch, args=(over,), name="lepton-spinning", daemon=True)
    _start(watching)
    try:
        yield
    finally:
        over.set()
        watching.join()
        asleep()


def _start(thread: threading.Thread) -> None:
    """Start a thread that no signal reaches: one that it took would not wake the thread that waits for it."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        thread.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _watch(over: threading.Event) -> None:
    may_spin()
    before, then, free = _in_line(), time.monotonic(), 0
    while not over.wait(_LOOK_S):
        waited, now = _in_line(), time.monotonic()
        if waited is None or before is None or (waited - before) / (now - then) > _BUSY:
            asleep()
            free = 0
        elif (free := free + 1) == _FREE_LOOKS:
            may_spin()
        before, then = waited, now


def _in_line() -> float | None:
    """Seconds for which threads of this process have been ready and not running; None where the system does not say."""
    waited = 0
    try:
        for task in _TASKS.iterdir():
            # A thread may end meanwhile.
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                waited += int((task / "schedstat").read_text().split()[1])
    except (OSError, IndexError, ValueError):
        return None
    return waited / 1e9


def sleeping() -> dict[str, str]:
    """What the environment says to a library that is yet to be loaded: to sleep, where `asleep` can do nothing."""
    return {} if _can_switch() else {"OMP_WAIT_POLICY": "PASSIVE"}


@functools.cache
def _can_switch() -> bool:
    """Whether threads can be sent to sleep later: torch's own libgomp, a small machine, a Linux that tells of lines."""
    torch = importlib.util.find_spec("torch")
    own = [Path(place, "lib", "libgomp.so.1") for place in (torch and torch.submodule_search_locations) or ()]
    is_small = (os.cpu_count() or 1) <= _MOST_CPUS
    return is_small and any(path.exists() for path in own) and _in_line() is not None and hasattr(os, "RTLD_NOLOAD")


def _has_room() -> bool:
    """Whether this process may have more threads, and more addresses for them."""
    import resource

    if resource.getrlimit(resource.RLIMIT_AS)[0] != resource.RLIM_INFINITY:
        return False
    most = resource.getrlimit(resource.RLIMIT_NPROC)[0]
    if most != resource.RLIM_INFINITY and most < _ROOM * _MOST_CPUS:
        return False
    try:
        place = Path("/sys/fs/cgroup", Path("/proc/self/cgroup").read_text().strip().rpartition("::/")[2])
        limit = (place / "pids.max").read_text().strip()
        return limit == "max" or int(limit) - int((place / "pids.current").read_text()) > _ROOM * _MOST_CPUS
    except (OSError, ValueError):
        return True


def _library() -> ctypes.CDLL | None:
    """The libgomp that torch has loaded, unless somebody has said how its threads wait."""
    if "OMP_WAIT_POLICY" in os.environ or "GOMP_SPINCOUNT" in os.environ or not _can_switch():
        return None
    try:
        return ctypes.CDLL("libgomp.so.1", mode=os.RTLD_NOLOAD)
    except OSError:
        return None
