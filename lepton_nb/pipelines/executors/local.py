"""Steps as processes of this machine."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sysconfig
import time
from pathlib import Path

from ... import kernels
from ...errors import LeptonError
from ...workspace import mask, read_json, resolve_secret, secret_names, write_atomic, write_json
from ..engine import Ending, SocketFolder, Status, settle
from ..outputs import OUTPUT_FILE, read_outputs
from .family import Family
from .protocol import StepJob, StepResult

__all__ = ["LocalExecutor"]

# A short step is looked at once, too.
_FIRST_SAMPLE_S, _SAMPLE_S = 0.15, 0.5
_POLL_S = 0.05
_WORKER = "lepton_nb.pipelines.executors.worker"
_PACKAGE = Path(__file__).resolve().parents[3]


class _Child:
    """A step that runs: its worker, and what it took so far."""

    def __init__(self, job: StepJob, sockets: SocketFolder, process: kernels.Bound) -> None:
        self.job, self.sockets, self.process = job, sockets, process
        self.started = time.monotonic()
        self.next_sample = self.started + _FIRST_SAMPLE_S
        self.family = Family(process.pid)

    def due(self) -> float:
        """When it has to be looked at again, if nothing happens before."""
        limit = self.job.timeout
        return min(self.next_sample, float("inf") if limit is None else self.started + limit)

    def sample(self) -> None:
        """Look at its processes."""
        self.next_sample = time.monotonic() + _SAMPLE_S
        self.family.look(_numbers(self.job.folder / "kernel"))

    def end(self) -> None:
        """End the worker, its kernel, and what they started."""
        self.sample()
        self.family.kill()
        self.close()

    def close(self) -> None:
        """Let go of the worker."""
        self.process.close()
        self.sockets.cleanup()


class LocalExecutor:
    """Each step in a process that runs Papermill, with a kernel of this very interpreter.

    A worker ends, with its kernel, when the process that made this executor dies.
    """

    def __init__(self) -> None:
        self._children: list[_Child] = []

    def start(self, job: StepJob) -> None:
        """Begin a step in a process of its own."""
        sockets = SocketFolder()
        order = {"notebook": str(job.notebook), "executed": str(job.executed), "parameters": dict(job.parameters)}
        write_json(job.folder / "job.json", {**order, "sockets": sockets.name}, mode=0o600)
        process = kernels.start_bound(
            _WORKER, [str(job.folder)], log=job.folder / "log", cwd=job.cwd, env=_environment(job)
        )
        self._children.append(_Child(job, sockets, process))

    def wait(self, seconds: float) -> StepResult | None:
        """The next step that ended, or None after `seconds`."""
        deadline = time.monotonic() + seconds
        while True:
            for child in self._children:
                if result := _ended(child):
                    self._children.remove(child)
                    return result
            left = min([deadline, *(child.due() for child in self._children)]) - time.monotonic()
            if time.monotonic() >= deadline:
                return None
            _sleep(self._children, max(0.0, left))

    def stop(self) -> None:
        """Kill every step that runs, with its kernel and what that started."""
        while self._children:
            child = self._children.pop()
            child.end()
            _hide_secrets(child.job)


def _sleep(children: list[_Child], seconds: float) -> None:
    """Sleep until a worker ends, or for some seconds at most."""
    numbers = [child.process.fileno() for child in children]
    if any(number < 0 for number in numbers) or not hasattr(select, "poll"):
        time.sleep(min(seconds, _POLL_S))
        return
    poll = select.poll()
    for number in numbers:
        poll.register(number, select.POLLIN)
    poll.poll(int(1000 * seconds) + 1)


def _environment(job: StepJob) -> dict[str, str]:
    environment = {**os.environ, **job.environment, OUTPUT_FILE: str(job.folder / "outputs.jsonl")}
    if Path(sysconfig.get_path("purelib")).resolve() != _PACKAGE:
        # Run from a source tree: the worker and the kernel, which start elsewhere, must find this package too.
        paths = [str(_PACKAGE), environment.get("PYTHONPATH", "")]
        environment["PYTHONPATH"] = os.pathsep.join(path for path in paths if path)
    return environment


def _ended(child: _Child) -> StepResult | None:
    """The result of a child that is over, or has just been ended because its time was up."""
    job, code = child.job, child.process.poll()
    if code is None:
        if job.timeout is not None and time.monotonic() - child.started > job.timeout:
            error = f"TimeoutError: the step took longer than its timeout of {job.timeout:g} s"
            return _cut_short(child, "timeout", error)
        if time.monotonic() >= child.next_sample:
            child.sample()
        return None
    try:
        body = read_json(job.folder / "result.json")
    except (FileNotFoundError, LeptonError):
        # The kernel and what it started may have outlived the worker.
        return _cut_short(child, "failed", _died(code, job.folder / "log"))
    child.family.told(_numbers(job.folder / "kernel"))
    child.close()
    return _result(child, Ending(body["status"], body["error"], body["cell"]))


def _cut_short(child: _Child, status: Status, error: str) -> StepResult:
    """The result of a step whose worker did not live to tell."""
    child.end()
    ending = Ending(status, error, next(iter(_numbers(child.job.folder / "cell")), None))
    settle(child.job.executed, ending)
    return _result(child, ending)


def _result(child: _Child, ending: Ending) -> StepResult:
    job, seconds = child.job, time.monotonic() - child.started
    _hide_secrets(job)
    try:
        outputs = read_outputs(job.folder / "outputs.jsonl")
    except LeptonError as cause:
        outputs = {}
        if ending.status == "completed":
            ending = Ending("failed", f"{type(cause).__name__}: {cause}")
    error = mask(ending.error)
    return StepResult(job.name, ending.status, outputs, seconds, child.family.peak, error, ending.cell)


def _hide_secrets(job: StepJob) -> None:
    """What went past the notebook, such as the last words of a crash, holds no secret either."""
    names = set(secret_names(dict(job.parameters)))
    if not names:
        return
    for name in names:
        with contextlib.suppress(LeptonError):
            resolve_secret(name)
    for file in ("log", "outputs.jsonl"):
        path = job.folder / file
        if path.exists() and (text := path.read_text(errors="surrogateescape")) != mask(text):
            write_atomic(path, mask(text).encode(errors="surrogateescape"), mode=0o600)


def _died(code: int, log: Path) -> str:
    if code < 0:
        return f"ChildProcessError: the step's worker was killed by {signal.Signals(-code).name}"
    lines = log.read_text(errors="replace").strip().splitlines() or ["it wrote nothing"]
    return f"ChildProcessError: the step's worker ended with status {code}: {' '.join(lines[-1].split())[:300]}"


def _numbers(path: Path) -> list[int]:
    with contextlib.suppress(OSError, ValueError):
        return [int(word) for word in path.read_text().split()]
    return []
