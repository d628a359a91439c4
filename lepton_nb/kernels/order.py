"""What a client asks of a template: which process, and where and how it shall run."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["Foreground", "Order", "interpreter_flags", "resource_limits"]


@dataclass(frozen=True)
class Foreground:
    """What a program in a terminal takes from whoever starts it, and a process of ours that has a log does not.

    Args:
        path: where modules are looked for, as `sys.path`.
        flags: the interpreter's options, as they are written on its command line.
        ignored: signals that it leaves alone.
    """

    path: tuple[str, ...]
    flags: tuple[str, ...]
    ignored: tuple[int, ...]

    @classmethod
    def of_this_process(cls) -> Foreground:
        """As this process has it."""
        ignored = [number for number in signal.valid_signals() if signal.getsignal(number) == signal.SIG_IGN]
        # An empty entry stands for the working folder.
        path = [place or os.getcwd() for place in sys.path]  # noqa: PTH109 -- it is a text
        return cls(tuple(path), interpreter_flags(), tuple(sorted(map(int, ignored))))

    @classmethod
    def read(cls, message: Mapping[str, Any]) -> Foreground:
        """What a message says of it.

        Raises:
            ValueError, KeyError, TypeError: it says nothing of it.
        """
        path, flags = (tuple(map(str, message[name])) for name in ("path", "flags"))
        return cls(path, flags, tuple(map(int, message["ignored"])))


@dataclass(frozen=True)
class Order:
    """A process to fork.

    Args:
        module: the module whose main shall run, as `python -m` does; empty for a kernel.
        argv: its arguments, without the program's name.
        cwd: absolute path of its working folder.
        environment: its whole environment.
        bound: it and its process group end with whoever asked for it.
        umask: of the files it makes.
        nice: its priority.
        affinity: the processors it may use.
        limits: soft and hard resource limits by their number.
        until: monotonic seconds; nobody waits for an answer later than that.
        foreground: it stands for whoever asked for it. It gets no SIGINT and no SIGTERM before it lets them come, and
            what it has started stays when it ends by itself.
    """

    module: str
    argv: tuple[str, ...]
    cwd: str
    environment: dict[str, str]
    bound: bool
    umask: int
    nice: int
    affinity: tuple[int, ...]
    limits: dict[int, tuple[int, int]]
    until: float
    foreground: Foreground | None = None

    @classmethod
    def like_this_process(
        cls,
        module: str,
        argv: Sequence[str],
        *,
        cwd: Path,
        environment: Mapping[str, str],
        bound: bool,
        until: float,
        foreground: Foreground | None = None,
    ) -> Order:
        """A process as this one would spawn it."""
        return cls(
            module=module,
            argv=tuple(map(str, argv)),
            cwd=str(cwd.absolute()),
            environment=dict(environment),
            bound=bound,
            umask=_umask(),
            nice=os.getpriority(os.PRIO_PROCESS, 0),
            affinity=tuple(sorted(os.sched_getaffinity(0))),
            limits=resource_limits(),
            until=until,
            foreground=foreground,
        )

    def message(self) -> dict[str, Any]:
        """As an object for JSON."""
        return dataclasses.asdict(self)

    @classmethod
    def read(cls, message: Mapping[str, Any]) -> Order:
        """The order in a message.

        Raises:
            ValueError, KeyError, TypeError: the message holds none.
        """
        return cls(
            module=str(message["module"]),
            argv=tuple(map(str, message["argv"])),
            cwd=str(message["cwd"]),
            environment={str(name): str(value) for name, value in message["environment"].items()},
            bound=bool(message["bound"]),
            umask=int(message["umask"]),
            nice=int(message["nice"]),
            affinity=tuple(map(int, message["affinity"])),
            limits={int(number): (int(soft), int(hard)) for number, (soft, hard) in message["limits"].items()},
            until=float(message["until"]),
            foreground=Foreground.read(found) if (found := message["foreground"]) else None,
        )


def interpreter_flags() -> tuple[str, ...]:
    """The options of the running interpreter, as they are written on its command line."""
    # That of unbuffered streams is not among them, and shows in nothing else.
    bare = getattr(sys.stdout, "write_through", False) and not os.environ.get("PYTHONUNBUFFERED")
    return (*subprocess._args_from_interpreter_flags(), *(["-u"] if bare else []))  # type: ignore[attr-defined] # noqa: SLF001 -- no public way


def resource_limits() -> dict[int, tuple[int, int]]:
    """This process's resource limits, soft and hard, by their number."""
    import resource

    limits = {}
    for number in [number for name, number in vars(resource).items() if name.startswith("RLIMIT_")]:
        with contextlib.suppress(ValueError, OSError):
            limits[number] = resource.getrlimit(number)
    return limits


def _umask() -> int:
    """Asked of the system: the call that tells it would change it, for other threads too."""
    found = re.search(r"^Umask:\s*([0-7]+)", Path("/proc/self/status").read_text(), re.MULTILINE)
    return int(found[1], 8) if found else 0o022
