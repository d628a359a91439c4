"""Several processes of this machine train together: the trainer is the first one, and starts the others.

They find each other by a file and not by a port, which nobody else can take and where nobody else can listen; what
they tell each other stays on the loopback interface.
"""

from __future__ import annotations

import importlib
import os
import signal
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any

from ... import kernels
from ...errors import TrainingError, UsageError
from ..events import EventLog
from ..job import Job
from .failures import first_failure, forget_failures, is_of_another
from .ranks import Ranks

__all__ = ["MEETING", "join", "lead", "strategy_arguments"]

MEETING = "LEPTON_MEETING"
_MODULE = "lepton_nb.training.trainer.rank"
# How long the first process may go on without one that is gone, how long the others may take to end behind it, and
# how long they all may take to meet.
_GRACE_S, _END_S, _MEET_S = 10.0, 30.0, 300.0
_LOOK_S = 0.2


def lead(job: Job, log: EventLog, fail: Callable[[BaseException], None]) -> tuple[str, str]:
    """Train as the first of `job.fit.devices` processes; the others end with this one.

    Args:
        job: the job.
        log: where the events go.
        fail: tells a failure where this process cannot raise it, since it waits for one that is gone.

    Returns:
        What `fit` returns.

    Raises:
        UsageError: there are not as many GPUs.
        TrainingError: one of the processes failed, with its cause.
        LeptonError: as `fit` raises.
    """
    _on_gpus(job)
    forget_failures(job.folder)
    meeting = job.folder / f"meeting-{os.getpid()}"
    meeting.unlink(missing_ok=True)
    others: dict[int, kernels.Bound] = {}
    try:
        for rank in range(1, job.fit.devices):
            others[rank] = _start(job, rank, meeting)
        os.environ |= _environment(0, job.fit.devices, meeting)
        return _led(job, log, _Watch(job, others, fail))
    finally:
        for one in others.values():
            one.close()
        meeting.unlink(missing_ok=True)


def _led(job: Job, log: EventLog, watch: _Watch) -> tuple[str, str]:
    from .fitting import fit

    try:
        with watch:
            answer = fit(job, log, join(job, 0))
    except Exception as cause:
        if not is_of_another(cause):
            raise
        traceback.print_exc()
        raise watch.cause(_GRACE_S) or cause from None
    if fault := watch.end(_END_S):
        raise fault
    return answer


def join(job: Job, rank: int) -> Ranks:
    """Meet the other processes, where the environment says.

    Args:
        job: the job.
        rank: number of this process.
    """
    from torch import distributed

    on_gpus, world = _on_gpus(job), job.fit.devices
    if on_gpus:
        import torch

        torch.cuda.set_device(rank)
    # Lightning would listen on a port of all interfaces; it takes a group that is there.
    store = distributed.FileStore(os.environ[MEETING], world)  # type: ignore[attr-defined]  # it is not in `__all__`
    distributed.init_process_group(
        "nccl" if on_gpus else "gloo", store=store, rank=rank, world_size=world, timeout=timedelta(seconds=_MEET_S)
    )
    return Ranks(rank, world, world, partial(_arguments, world=world, on_gpus=on_gpus))


def strategy_arguments() -> dict[str, Any]:
    """Arguments of Lightning's DDPStrategy.

    A step may well leave parameters out: each optimizer of a GAN is stepped with those of the other switched off, and
    a network may choose its branch by the batch. DDP would wait for them for ever, or refuse, unless it looks for them
    at each step, which takes one walk over the graph of the loss.
    """
    return {"find_unused_parameters": True}


def _arguments(library: Any, *, world: int, on_gpus: bool) -> dict[str, Any]:
    # Named, since Lightning would else ask the job scheduler that it finds itself in, which knows nothing of these.
    plugins = importlib.import_module(f"{library.__name__}.plugins.environments")
    environment = plugins.LightningEnvironment()
    strategy = library.strategies.DDPStrategy(cluster_environment=environment, **strategy_arguments())
    return {"accelerator": "gpu" if on_gpus else "cpu", "devices": world, "strategy": strategy}


def _on_gpus(job: Job) -> bool:
    import torch

    gpus, wanted = torch.cuda.device_count() if torch.cuda.is_available() else 0, job.fit.devices
    if job.fit.accelerator == "cpu" or (job.fit.accelerator == "auto" and not gpus):
        return False
    if gpus < wanted:
        raise UsageError(
            f"{wanted} devices are too many",
            expected=f"at most the {gpus} GPUs of this machine",
            hint="--accelerator cpu",
        )
    return True


def _start(job: Job, rank: int, meeting: Path) -> kernels.Bound:
    environment = {**os.environ, **_environment(rank, job.fit.devices, meeting)}
    arguments = [str(job.folder), str(rank)]
    return kernels.start_bound(_MODULE, arguments, log=job.folder / "log", cwd=Path.cwd(), env=environment)


def _environment(rank: int, world: int, meeting: Path) -> dict[str, str]:
    loopback = {"GLOO_SOCKET_IFNAME": "lo", "NCCL_SOCKET_IFNAME": "lo"} if Path("/sys/class/net/lo").exists() else {}
    place = {"RANK": str(rank), "LOCAL_RANK": str(rank), "NODE_RANK": "0", "GROUP_RANK": "0"}
    return {**place, "WORLD_SIZE": str(world), MEETING: str(meeting), **loopback}


class _Watch:
    """Sees the other processes end, while its block runs and after it.

    Args:
        job: the job.
        others: each by its number.
        fail: tells a failure when this process waits for one that is gone, and ends without having raised.
    """

    def __init__(self, job: Job, others: Mapping[int, kernels.Bound], fail: Callable[[BaseException], None]) -> None:
        self._job, self._others, self._fail = job, others, fail
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="lepton-ranks", daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Joined, for only one thread at a time may ask how a process ended.
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._failed():
            if self._over.wait(_LOOK_S):
                return
        # gloo notices, and NCCL may wait for ever.
        if not self._over.wait(_GRACE_S):
            self._fail(self.cause(0.0) or TrainingError("one of the processes failed"))
            for one in self._others.values():
                one.kill()
            os._exit(1)

    def _failed(self) -> dict[int, int]:
        """The exit status of each process that ended badly."""
        return {rank: code for rank, one in self._others.items() if (code := one.poll())}

    def cause(self, patience: float) -> Exception | None:
        """Why the processes failed, as soon as it is known, for so many seconds."""
        deadline = time.monotonic() + patience
        while True:
            if failure := first_failure(self._job.folder):
                return failure.error()
            failed = self._failed()
            killed = {rank: code for rank, code in failed.items() if code < 0}
            if killed or len(failed) == len(self._others) or time.monotonic() > deadline:
                return next((self._ended(rank, code) for rank, code in (killed or failed).items()), None)
            time.sleep(_LOOK_S / 4)

    def end(self, patience: float) -> Exception | None:
        """Wait for the ends of the others; why one of them ended badly."""
        deadline = time.monotonic() + patience
        for one in self._others.values():
            one.wait(max(0.0, deadline - time.monotonic()))
        return self.cause(0.0) if self._failed() else None

    def _ended(self, rank: int, code: int) -> TrainingError:
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit status {code}"
        return TrainingError(f"rank {rank} of {self._job.fit.devices} {how}")
