"""The process that Ray connects: `python -m lepton_nb.pipelines.executors.driver FOLDER [ADDRESS]`.

Orders come in as lines of JSON, and answers go out so: nothing that Ray prints, installs or ends reaches the process
that runs the pipeline. When that closes the pipe or dies, the steps are cancelled and our own cluster ends.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import queue
import shutil
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ...errors import LeptonError, PipelineError
from ...processes.cluster import LIGHT, connected
from ..engine import Ending, settle
from .node import execute, unpacked
from .protocol import StepJob, StepResult
from .share import Share, share_at

__all__ = ["main"]

_POLL_S = 0.1
_LOOK_S = 5.0
_GRACE_S = 60.0
_STOP_S = 15.0
_RETRIES = 3

Say = Callable[..., None]
Orders = queue.Queue[dict[str, Any] | None]


def main(folder: Path, address: str | None) -> None:
    """Connect, and execute what is ordered until the pipe closes.

    Args:
        folder: private, for what a cluster of our own writes.
        address: of the cluster; None starts one.
    """
    say, orders = _output(), _orders()
    try:
        with connected(address, folder) as found:
            say(ready=found)
            _Driver(say, orders, str(folder / LIGHT)).work()
    except LeptonError as error:
        say(refused=[type(error).__name__, error.what, error.expected, error.got, error.hint])
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _output() -> Say:
    """Standard output, kept for answers; what others print goes where errors go."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def say(**answer: Any) -> None:
        # Nobody listens any more when the pipeline's process died; the next order says so.
        with contextlib.suppress(BrokenPipeError):
            print(json.dumps(answer), file=answers, flush=True)

    return say


def _orders() -> Orders:
    orders: Orders = queue.Queue()

    def listen() -> None:
        for line in sys.stdin:
            orders.put(json.loads(line))
        orders.put(None)

    threading.Thread(target=listen, name="lepton-orders", daemon=True).start()
    return orders


class _Task:
    """A step that Ray has: its job, and since when no node could hold it."""

    def __init__(self, job: StepJob, text: str, share: Share, name: str) -> None:
        self.job, self.text, self.share, self.name = job, text, share, name
        self.started = time.monotonic()
        self.homeless: float | None = None


class _Driver:
    def __init__(self, say: Say, orders: Orders, light: str) -> None:
        import ray

        self.ray: Any = ray
        self.say, self.orders, self.light = say, orders, light
        self.tasks: dict[Any, _Task] = {}
        self.looked = time.monotonic()
        self.execute = ray.remote(execute)

    def work(self) -> None:
        try:
            while (order := self._order()) is not None:
                if order:
                    self._start(order)
                if self.tasks:
                    ended, _ = self.ray.wait(list(self.tasks), timeout=_POLL_S)
                    for reference in ended:
                        self._end(reference, self.tasks.pop(reference))
                self._look()
        finally:
            self._cancel()

    def _order(self) -> dict[str, Any] | None:
        """The next order, an empty one when there is none but steps run, or None at the end."""
        try:
            return self.orders.get(block=not self.tasks)
        except queue.Empty:
            return {}

    def _start(self, order: dict[str, Any]) -> None:
        text, url = order["job"], order["share"]
        job = unpacked(text)
        if lack := self._lack(job):
            self._fail(job, lack)
            return
        try:
            share = share_at(url)
            task = _Task(job, text, share, share.send(job))
        except Exception as cause:  # noqa: BLE001 - whatever the store refuses is the step's failure, named
            self._fail(job, cause)
            return
        wanted = _wanted(job)
        options = {"num_cpus": wanted["CPU"], "num_gpus": wanted.get("GPU"), "memory": wanted.get("memory")}
        # A lost node or worker is Ray's to make good; a notebook that failed is not.
        remote = self.execute.options(**options, max_retries=_RETRIES, name=f"lepton {job.name}")
        self.tasks[remote.remote(text, task.name, url, self.light)] = task

    def _end(self, reference: Any, task: _Task) -> None:
        errors = self.ray.exceptions
        attempt = None
        try:
            attempt, fields = self.ray.get(reference)
            result = StepResult(**fields)
        except errors.RayTaskError as cause:
            result = _failed(task, cause.cause if isinstance(cause.cause, BaseException) else cause)
        except errors.OutOfMemoryError:
            result = _failed(task, MemoryError("the node had no memory left"), "kernel_died")
        except errors.RayError as cause:
            lost = f"the step was lost with its node or its worker {_RETRIES + 1} times ({type(cause).__name__})"
            result = _failed(task, ChildProcessError(lost))
        try:
            task.share.collect(task.job, task.name, attempt)
        except Exception as cause:  # noqa: BLE001 - the step's notebook did not come back, whatever the reason
            result = _failed(task, cause)
        if attempt is None:
            settle(task.job.executed, Ending(result.status, result.error))
        self.say(result=asdict(result))

    def _fail(self, job: StepJob, cause: BaseException) -> None:
        self.say(result=asdict(StepResult(job.name, "failed", error=_line(cause))))

    def _look(self) -> None:
        """End what no node can hold since a while: nodes go, and some come back."""
        if time.monotonic() - self.looked < _LOOK_S:
            return
        self.looked = time.monotonic()
        for reference, task in tuple(self.tasks.items()):
            lack = self._lack(task.job)
            task.homeless = (task.homeless or self.looked) if lack else None
            if lack and task.homeless and self.looked - task.homeless > _GRACE_S:
                del self.tasks[reference]
                self.ray.cancel(reference, force=True)
                self._clean(task)
                self._fail(task.job, lack)

    def _lack(self, job: StepJob) -> PipelineError | None:
        """Why no node, of those that are there or that may be added, can hold a step."""
        wanted = _wanted(job)
        nodes = [node["Resources"] for node in self.ray.nodes() if node["Alive"]]
        with contextlib.suppress(Exception):
            # Of clusters that grow: what their configuration allows. There is no public way to ask.
            nodes.append(self.ray._private.state.state.get_max_resources_from_cluster_config() or {})  # noqa: SLF001
        if any(all(node.get(name, 0) >= amount for name, amount in wanted.items()) for node in nodes):
            return None
        most = {name: max(node.get(name, 0) for node in nodes) for name in wanted}
        return PipelineError(
            f"no node of the Ray cluster can hold step {job.name!r}",
            expected=f"at most {_amounts(most)}",
            got=_amounts(wanted),
            hint="lower the step's resources, or add a node that has them",
        )

    def _cancel(self) -> None:
        """End every step: by an interrupt, which lets the node clean up, else by force."""
        left = list(self.tasks)
        for force in (False, True):
            for reference in left:
                with contextlib.suppress(Exception):
                    self.ray.cancel(reference, force=force)
            if left:
                _, left = self.ray.wait(left, num_returns=len(left), timeout=_STOP_S)
        for task in self.tasks.values():
            self._clean(task)

    @staticmethod
    def _clean(task: _Task) -> None:
        # A store that fails now must not keep the others from being ended.
        with contextlib.suppress(Exception):
            task.share.collect(task.job, task.name, None)


def _wanted(job: StepJob) -> dict[str, float]:
    """Ray's resources of a job; more than one of a kind must be whole."""
    asked = {"CPU": job.resources.cpus, "GPU": job.resources.gpus, "memory": job.resources.memory_mb * 2**20}
    whole = {name: float(math.ceil(amount)) if amount > 1 else amount for name, amount in asked.items()}
    return {name: amount for name, amount in whole.items() if amount or name == "CPU"}


def _amounts(amounts: dict[str, float]) -> str:
    words = {"CPU": "{:g} cpus", "GPU": "{:g} gpus", "memory": "{:.0f} MiB memory"}
    return ", ".join(
        words[name].format(amount / 2**20 if name == "memory" else amount) for name, amount in amounts.items()
    )


def _failed(task: _Task, cause: BaseException, status: Any = "failed") -> StepResult:
    return StepResult(task.job.name, status, {}, time.monotonic() - task.started, None, _line(cause))


def _line(cause: BaseException) -> str:
    return " ".join(f"{type(cause).__name__}: {cause}".split())[:500]


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else None)
