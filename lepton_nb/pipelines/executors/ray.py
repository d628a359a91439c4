"""Steps as tasks of a Ray cluster."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import weakref
from pathlib import Path
from typing import IO, Any

import psutil

from ... import errors
from ...errors import LeptonError, PipelineError
from .node import packed
from .protocol import StepJob, StepResult
from .share import SHARE, share_at

__all__ = ["RayExecutor"]

_CONNECT_S = 120.0
_END_S = 45.0
# Ray puts a socket below it, whose path may have 107 bytes.
_LONGEST = 20
_PACKAGE = Path(__file__).resolve().parents[3]


class RayExecutor:
    """Each step as a task of a Ray cluster, with its resources, on whichever node has them.

    A step whose node is lost is executed again on another; what the lost one had begun is never seen. The nodes need
    this package and, under the same paths, the project with its workspace; without shared folders, notebooks, the
    project's modules, and declared inputs and writes travel through `LEPTON_SHARE`, an fsspec URL. Then the workspace
    does not travel: what a step keeps in it, such as a run, stays on the node.

    Our own cluster listens on the loopback interface only and asks for a token. Ray pickles what its own processes send
    each other; what comes from a node otherwise is JSON, notebooks and declared files.

    Args:
        address: `host:port`, `ray://host:port`, `auto` or `local` (default: `RAY_ADDRESS`; when that is not set, a
            cluster of this machine, which ends with this executor).
        share: an fsspec URL that all nodes reach (default: `LEPTON_SHARE`; when that is not set, shared folders).
    """

    def __init__(self, address: str | None = None, share: str | None = None) -> None:
        self._address = address or os.environ.get("RAY_ADDRESS") or None
        self._share = share or os.environ.get(SHARE) or None
        self._driver: _Driver | None = None

    @property
    def address(self) -> str | None:
        """Of the cluster, once a step was started."""
        return self._driver.address if self._driver else None

    def start(self, job: StepJob) -> None:
        """Hand a step to the cluster; the first one connects to it, which takes seconds.

        Raises:
            MissingError: Ray, or what the share needs, is not installed.
            UsageError: the share is no place that two machines see.
            PipelineError: the cluster does not answer or does not let us in, or the connection ended.
        """
        if self._driver is None:
            share_at(self._share)
            self._driver = _Driver(self._address)
            try:
                self._driver.connect()
            except BaseException:
                self.stop()
                raise
        self._driver.order({"job": packed(job), "share": self._share})

    def wait(self, seconds: float) -> StepResult | None:
        """The next step that ended, or None after `seconds`.

        Raises:
            PipelineError: the connection to the cluster ended.
        """
        if self._driver is None:
            time.sleep(seconds)
            return None
        answer = self._driver.answer(seconds)
        return StepResult(**answer["result"]) if answer else None

    def stop(self) -> None:
        """Cancel every step, with its processes on the nodes, and disconnect; our own cluster ends."""
        if self._driver:
            self._driver.end()
            self._driver = None


class _Driver:
    """The process that is connected; it ends when this object goes, or the process that holds it."""

    def __init__(self, address: str | None) -> None:
        self.address = address
        self._place = address or "this machine"
        short = tempfile.gettempdir()
        self._folder = tempfile.mkdtemp(prefix="lepton-ray-", dir=short if len(short) <= _LONGEST else "/tmp")  # noqa: S108 - mkdtemp makes it private
        self._log = Path(self._folder) / "log"
        paths = [str(_PACKAGE), os.environ.get("PYTHONPATH", "")]
        command = [sys.executable, "-m", "lepton_nb.pipelines.executors.driver", self._folder]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [*command, address] if address else command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))},
                start_new_session=True,
            )
        self._answers: queue.Queue[dict[str, Any] | None] = queue.Queue()
        threading.Thread(
            target=_listen, args=(self._process.stdout, self._answers), name="lepton-ray", daemon=True
        ).start()
        self.end = weakref.finalize(self, _end, self._process, self._folder)

    def connect(self) -> None:
        answer = self.answer(_CONNECT_S)
        if answer is None:
            raise PipelineError(f"Ray on {self._place} did not come up in {_CONNECT_S:g} s", got=self._last_line())
        if "refused" in answer:
            kind, what, expected, got, hint = answer["refused"]
            made = getattr(errors, kind, LeptonError)
            raise made(what, expected=expected, got=got, hint=hint)
        self.address = str(answer["ready"])

    def order(self, order: dict[str, Any]) -> None:
        if self._process.stdin is None:
            raise self._lost()
        try:
            self._process.stdin.write(json.dumps(order).encode() + b"\n")
            self._process.stdin.flush()
        except OSError as cause:
            raise self._lost() from cause

    def answer(self, seconds: float) -> dict[str, Any] | None:
        try:
            answer = self._answers.get(timeout=seconds)
        except queue.Empty:
            return None
        if answer is None:
            raise self._lost()
        return answer

    def _lost(self) -> PipelineError:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(1.0)
        return PipelineError(
            f"the connection to Ray on {self._place} ended",
            got=self._last_line(),
            hint="see that the cluster runs, and run the pipeline again: it goes on from where it was",
        )

    def _last_line(self) -> str:
        with contextlib.suppress(OSError):
            lines = self._log.read_text(errors="replace").split("\n")
            return next((line[-300:] for line in reversed(lines) if line.strip()), "")
        return ""


def _listen(stream: IO[bytes], answers: queue.Queue[dict[str, Any] | None]) -> None:
    with stream:
        for line in stream:
            answers.put(json.loads(line))
    answers.put(None)


def _end(process: subprocess.Popen[bytes], folder: str) -> None:
    """Let the process end what it started, and see that it did."""
    family: list[psutil.Process] = []
    with contextlib.suppress(psutil.Error):
        family = psutil.Process(process.pid).children(recursive=True)
    if process.stdin:
        with contextlib.suppress(OSError):
            process.stdin.close()
    try:
        process.wait(_END_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for child in family:
        # psutil compares start times, so a reused id is never signalled.
        with contextlib.suppress(psutil.Error):
            child.kill()
    shutil.rmtree(folder, ignore_errors=True)
