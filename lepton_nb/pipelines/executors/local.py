"""Steps as processes of this machine."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import sysconfig
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from ...errors import LeptonError
from ...workspace import read_json, write_json
from ..outputs import OUTPUT_FILE, read_outputs
from .protocol import StepJob, StepResult

__all__ = ["LocalExecutor"]

_POLL_S = 0.05
_SAMPLE_S = 0.25
_KILL_S = 5.0
_PACKAGE = Path(__file__).resolve().parents[3]


@dataclass
class _Child:
    """A step that runs: its worker, what the worker started, and what they took."""

    job: StepJob
    process: subprocess.Popen[bytes]
    sockets: tempfile.TemporaryDirectory[str]
    started: float
    sampled: float = -_SAMPLE_S
    peak: float = 0.0
    family: dict[int, psutil.Process] = field(default_factory=dict)

    def sample(self) -> None:
        """Look at the process tree once: who is in it, and how much memory it holds."""
        self.sampled = time.monotonic()
        resident = 0
        with contextlib.suppress(psutil.NoSuchProcess):
            worker = psutil.Process(self.process.pid)
            for process in (worker, *worker.children(recursive=True)):
                with contextlib.suppress(psutil.Error):
                    resident += process.memory_info().rss
                    self.family[process.pid] = process
        self.peak = max(self.peak, resident / 2**20)

    def kill(self) -> None:
        """End the worker and what it started; it is held still first, so that nothing starts meanwhile."""
        for _ in range(2):
            self.sample()
            for process in self.family.values():
                with contextlib.suppress(psutil.Error):
                    process.suspend()
        for process in self.family.values():
            # psutil compares start times, so a reused id is never signalled.
            with contextlib.suppress(psutil.Error):
                process.kill()
        self.process.wait()
        deadline = time.monotonic() + _KILL_S
        while any(map(_lives, self.family.values())) and time.monotonic() < deadline:
            time.sleep(_POLL_S / 5)


def _lives(process: psutil.Process) -> bool:
    """Whether it still runs; a zombie, which its new parent has yet to take notice of, does not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


class LocalExecutor:
    """Each step in a child process that runs Papermill, with a kernel of this very interpreter.

    A worker is held by a pipe: it ends, with its kernel, when the process that made this executor dies.
    """

    def __init__(self) -> None:
        self._children: list[_Child] = []

    def start(self, job: StepJob) -> None:
        """Begin a step in a process of its own."""
        # The kernel's sockets: their path must be short, and they go when the step does, however it ends.
        sockets = tempfile.TemporaryDirectory(prefix="lepton-", ignore_cleanup_errors=True)
        order = {"notebook": str(job.notebook), "executed": str(job.executed), "parameters": dict(job.parameters)}
        write_json(job.folder / "job.json", {**order, "sockets": sockets.name}, mode=0o600)
        with (job.folder / "log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "lepton_nb.pipelines.executors.worker", str(job.folder)],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=job.cwd,
                env=_environment(job),
                start_new_session=True,
            )
        self._children.append(_Child(job, process, sockets, time.monotonic()))

    def wait(self, seconds: float) -> StepResult | None:
        """The next step that ended, or None after `seconds`."""
        deadline = time.monotonic() + seconds
        while True:
            for child in self._children:
                if result := _ended(child):
                    self._children.remove(child)
                    return result
            if time.monotonic() >= deadline:
                return None
            time.sleep(_POLL_S)

    def stop(self) -> None:
        """Kill every step that runs, with its kernel and what that started."""
        while self._children:
            child = self._children.pop()
            child.kill()
            _close(child)


def _environment(job: StepJob) -> dict[str, str]:
    environment = {**os.environ, **job.environment, OUTPUT_FILE: str(job.folder / "outputs.jsonl")}
    if Path(sysconfig.get_path("purelib")).resolve() != _PACKAGE:
        # Run from a source tree: the worker and the kernel, which start elsewhere, must find this package too.
        paths = [str(_PACKAGE), environment.get("PYTHONPATH", "")]
        environment["PYTHONPATH"] = os.pathsep.join(path for path in paths if path)
    return environment


def _ended(child: _Child) -> StepResult | None:
    """The result of a child that is over, or has just been ended because its time was up."""
    code = child.process.poll()
    if code is None:
        seconds = time.monotonic() - child.started
        if child.job.timeout is not None and seconds > child.job.timeout:
            child.kill()
            return _result(child, f"TimeoutError: the step took longer than its timeout of {child.job.timeout:g} s")
        if time.monotonic() - child.sampled >= _SAMPLE_S:
            child.sample()
        return None
    try:
        body = read_json(child.job.folder / "result.json")
    except (FileNotFoundError, LeptonError):
        # The kernel and what it started may have outlived the worker.
        child.kill()
        return _result(child, _died(code, child.job.folder / "log"))
    return _result(child, body["error"], body["cell"])


def _result(child: _Child, error: str, cell: int | None = None) -> StepResult:
    _close(child)
    seconds = time.monotonic() - child.started
    try:
        outputs = read_outputs(child.job.folder / "outputs.jsonl")
    except LeptonError as cause:
        outputs, error = {}, error or f"{type(cause).__name__}: {cause}"
    if error and cell is None:
        cell = _running_cell(child.job.folder / "cell")
    status: Any = "failed" if error else "completed"
    return StepResult(child.job.name, status, outputs, seconds, child.peak or None, error, cell if error else None)


def _close(child: _Child) -> None:
    if child.process.stdin:
        child.process.stdin.close()
    child.sockets.cleanup()


def _died(code: int, log: Path) -> str:
    if code < 0:
        return f"ChildProcessError: the step's worker was killed by {signal.Signals(-code).name}"
    lines = log.read_text(errors="replace").strip().splitlines() or ["it wrote nothing"]
    return f"ChildProcessError: the step's worker ended with status {code}: {' '.join(lines[-1].split())[:300]}"


def _running_cell(path: Path) -> int | None:
    with contextlib.suppress(OSError, ValueError):
        return int(path.read_text())
    return None
