"""The kernel provisioner `lepton-provisioner`: Jupyter's own, whose kernels are forked where that is possible."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from jupyter_client.connect import KernelConnectionInfo
from jupyter_client.provisioning.local_provisioner import LocalProvisioner

from .client import Forked, fork, say_spawned
from .place import NotWarm
from .quick import make_quick

__all__ = ["WarmProvisioner"]

_LAUNCHER = ["-m", "ipykernel_launcher"]
# An idle kernel has ended by then.
_IDLE_END_S = 0.5
_KILLED_S = 5.0
_KNOWN = {"cwd", "env", "stdin", "stdout", "stderr", "extra_arguments", "kernel_id", "independent"}


class WarmProvisioner(LocalProvisioner):
    """Starts a kernel by a fork of the template, or else as every kernel is started."""

    process: Any = None

    async def launch_kernel(self, cmd: list[str], **options: Any) -> KernelConnectionInfo:
        """Start the kernel that `cmd` describes.

        Args:
            cmd: the command of the kernel spec.
            options: of `subprocess.Popen`, and Jupyter's own.
        """
        try:
            # A template that has yet to be started takes seconds, in which a server has others to serve.
            self.process = await asyncio.to_thread(_forked, cmd, options)
        except NotWarm as cause:
            say_spawned("the kernel", cause)
            return await super().launch_kernel(cmd, **options)
        self.pid = self.pgid = self.process.pid
        self.cwd = options.get("cwd") or Path.cwd()
        make_quick(self.parent)
        return self.connection_info

    async def send_signal(self, signum: int) -> None:
        """Signal the kernel's process group; a kernel that is to end is not interrupted unless it is busy."""
        ending = getattr(self.parent, "shutting_down", False)
        if not (ending and signum == signal.SIGINT and isinstance(self.process, Forked)):
            await super().send_signal(signum)

    async def shutdown_requested(self, restart: bool = False) -> None:
        """Wait for the end of the kernel as such: those who look for it look ten times a second."""
        if isinstance(self.process, Forked) and not await _ended(self.process, _IDLE_END_S):
            await super().send_signal(signal.SIGINT)
            await _ended(self.process, self.get_shutdown_wait_time() / 2)

    async def kill(self, restart: bool = False) -> None:
        """Kill the kernel, and wait until it is gone."""
        await super().kill(restart)
        if isinstance(self.process, Forked):
            await _ended(self.process, _KILLED_S)


async def _ended(process: Forked, seconds: float) -> bool:
    """Whether it ends within so many seconds."""
    if process.poll() is not None:
        return True
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    descriptor = os.dup(process.fileno())
    try:
        loop.add_reader(descriptor, ended.set)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(ended.wait(), seconds)
    except NotImplementedError:
        return False
    finally:
        with contextlib.suppress(NotImplementedError):
            loop.remove_reader(descriptor)
        os.close(descriptor)
    return process.poll() is not None


def _forked(cmd: Sequence[str], options: dict[str, Any]) -> Forked:
    if list(cmd[1:3]) != _LAUNCHER or "-f" not in cmd[3:]:
        raise NotWarm("its command is not that of IPython's kernel")
    if not _is_this_interpreter(Path(cmd[0]).expanduser()):
        raise NotWarm(f"it belongs to another interpreter, {cmd[0]}")
    if more := set(options) - _KNOWN:
        raise NotWarm(f"it is to be started with {', '.join(sorted(more))}")
    environment = dict(os.environ if options.get("env") is None else options["env"])
    if not options.get("independent"):
        environment["JPY_PARENT_PID"] = str(os.getpid())
    argv = [*cmd[3:]]
    if any(word == "--HistoryManager.hist_file=:memory:" for word in argv):
        # Nobody will look at a history that ends with the kernel; the cells themselves are kept by IPython.
        argv.append("--HistoryManager.enabled=False")
    with _streams(options) as streams:
        cwd = Path(options.get("cwd") or Path.cwd())
        return fork("", argv, cwd=cwd, environment=environment, streams=streams, bound=not options.get("independent"))


def _is_this_interpreter(path: Path) -> bool:
    """Whether it is, by this name or another (`python3`) of the same environment."""
    mine = Path(sys.executable)
    return path == mine or (path.parent == mine.parent and path.exists() and path.samefile(mine))


@contextlib.contextmanager
def _streams(options: dict[str, Any]) -> Iterator[list[int]]:
    nothing = os.open(os.devnull, os.O_RDWR)
    try:
        streams = [nothing]
        for number, name in ((1, "stdout"), (2, "stderr")):
            streams.append(_descriptor(number, options.get(name), nothing, streams[-1]))
        yield streams
    finally:
        os.close(nothing)


def _descriptor(number: int, wanted: Any, nothing: int, before: int) -> int:
    if wanted is None:
        try:
            os.fstat(number)
        except OSError:
            return nothing
        return number
    if wanted == subprocess.DEVNULL:
        return nothing
    if wanted == subprocess.STDOUT:
        return before
    if isinstance(wanted, int) and wanted < 0:
        raise NotWarm("its output goes into a pipe")
    return wanted if isinstance(wanted, int) else int(wanted.fileno())
