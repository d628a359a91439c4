"""Real templates and real kernels; the small template imports IPython's kernel and nothing else."""

from __future__ import annotations

import os
import signal
import socket
import tempfile
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest
from jupyter_client.manager import KernelManager

from lepton_nb import kernels
from lepton_nb.kernels import client
from lepton_nb.kernels.client import Forked

SMALL = """
import lepton_nb.kernels.imports as imports
imports._MODULES = ("ipykernel.kernelapp", "ipykernel.debugger")
from lepton_nb.kernels import place, template
{more}
template.main()
"""


@dataclass
class Ran:
    """What came of a cell."""

    status: str = ""
    text: str = ""
    error: str = ""
    shown: list[dict[str, Any]] = field(default_factory=list)


class Kernel:
    """A running kernel `lepton` and a client of it."""

    def __init__(self, **options: Any) -> None:
        self.manager = KernelManager(kernel_name="lepton")
        # ipykernel leaves file descriptors alone when it finds this variable of pytest's.
        environment = {**options.pop("env", os.environ)}
        environment.pop("PYTEST_CURRENT_TEST", None)
        self.manager.start_kernel(env=environment, **options)
        self.connect()

    def connect(self) -> None:
        self.client = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=60)

    @property
    def process(self) -> Forked:
        return self.manager.provisioner.process

    @property
    def pid(self) -> int:
        return self.manager.provisioner.pid

    def start(self, code: str) -> str:
        return self.client.execute(textwrap.dedent(code), allow_stdin=True)

    def finish(self, asked: str, answer: str | None = None, timeout: float = 60) -> Ran:
        ran = Ran()
        deadline = time.monotonic() + timeout
        if answer is not None:
            assert self.client.get_stdin_msg(timeout=timeout)["msg_type"] == "input_request"
            self.client.input(answer)
        while True:
            message = self.client.get_iopub_msg(timeout=max(0.1, deadline - time.monotonic()))
            if message["parent_header"].get("msg_id") != asked:
                continue
            kind, content = message["msg_type"], message["content"]
            if kind == "stream":
                ran.text += content["text"]
            elif kind in ("display_data", "execute_result"):
                ran.shown.append(content["data"])
            elif kind == "error":
                ran.error = content["ename"]
            elif kind == "status" and content["execution_state"] == "idle":
                break
        while True:
            reply = self.client.get_shell_msg(timeout=timeout)
            if reply["parent_header"].get("msg_id") == asked:
                ran.status = reply["content"]["status"]
                return ran

    def run(self, code: str, answer: str | None = None, timeout: float = 60) -> Ran:
        return self.finish(self.start(code), answer, timeout)

    def says(self, code: str) -> str:
        ran = self.run(code)
        assert ran.status == "ok", ran
        return ran.text.strip()

    def stop(self) -> None:
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)


@pytest.fixture(scope="session")
def start_kernel() -> Iterator[Callable[..., Kernel]]:
    started: list[Kernel] = []

    def start(**options: Any) -> Kernel:
        started.append(Kernel(**options))
        return started[-1]

    yield start
    for kernel in started:
        if kernel.manager.has_kernel:
            kernel.stop()


@pytest.fixture(scope="session")
def kernel(start_kernel: Callable[..., Kernel]) -> Kernel:
    """A kernel of the whole template, shared: leave it idle."""
    one = start_kernel()
    assert isinstance(one.process, Forked)
    return one


def template_pids(folder: Path) -> list[int]:
    """The templates that listen below a folder."""
    found = []
    for path in folder.rglob("*.sock"):
        with socket.socket(socket.AF_UNIX) as connection:
            try:
                connection.connect(str(path))
            except OSError:
                continue
            found.append(int.from_bytes(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)[:4], "little"))
    return found


@contextmanager
def small_template(monkeypatch: pytest.MonkeyPatch, more: str = "") -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="lepton-t-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        monkeypatch.setenv("XDG_RUNTIME_DIR", name)
        monkeypatch.setattr(client, "_PROGRAM", f"exec({SMALL.format(more=more)!r})")
        try:
            yield folder
        finally:
            for pid in template_pids(folder):
                os.kill(pid, signal.SIGKILL)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of a template of its own that is quick to start."""
    with small_template(monkeypatch) as folder:
        yield folder


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Writes modules that processes find."""
    place = tmp_path / "modules"
    place.mkdir()
    # The package itself may be found by this variable alone.
    monkeypatch.setenv("PYTHONPATH", str(place), prepend=os.pathsep)

    def write(**sources: str) -> None:
        for name, source in sources.items():
            (place / f"{name}.py").write_text(textwrap.dedent(source))

    return write


def wait_until(true: Callable[[], Any], seconds: float = 30.0) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := true()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)
    return found


def gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@pytest.fixture
def sleeper(tmp_path, modules):
    """Starts processes that wait."""
    modules(sleeper="import time; time.sleep(600)")
    started = []

    def start():
        started.append(kernels.start_bound("sleeper", [], log=tmp_path / "log", cwd=tmp_path))
        return started[-1]

    yield start
    for one in started:
        one.close()


def parent(bound):
    return psutil.Process(bound.pid).ppid()
