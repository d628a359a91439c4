"""A training on a Ray cluster, led from here: the trainer's process is the cluster's driver.

The nodes see the project's folder, with its workspace, under the same path as this machine: the first worker writes
the events there, and all of them find the data and the checkpoints there. When this process ends, however it does, the
workers end as well, since Ray binds them to it.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

from ...errors import MissingError, PipelineError, TrainingError, UsageError
from ...processes.cluster import connected
from ...workspace import Workspace
from ..events import EventLog
from ..job import Job, ask_to_stop, forget_shipped
from .failures import first_failure, forget_failures
from .sender import Sender

__all__ = ["drive", "private_folder"]

# How often workers are replaced: what fails again and again would do so for ever. A cluster that has no room for the
# workers is asked so many times, for a minute each.
_LOSSES, _STARTS = 3, 5
# Ray puts a socket below it, whose path may have 107 bytes.
_LONGEST = 20
_PREFIX, _MARK = "lepton-r", ".lepton-ray"


def drive(job: Job, log: EventLog) -> tuple[str, str]:
    """Train on the cluster of `RAY_ADDRESS`, or on one of this machine that ends with the training.

    A worker that is lost is replaced, and all of them go on from the last checkpoint.

    Args:
        job: the job.
        log: where the events go.

    Returns:
        What `fit` returns.

    Raises:
        MissingError: Ray is not installed.
        UsageError: the cluster has no room for the workers.
        TrainingError: the cluster cannot be reached, or lost its workers too often.
        LeptonError: as `fit` raises on a worker.
    """
    forget_failures(job.folder)
    address = os.environ.get("RAY_ADDRESS") or None
    own = address in (None, "local")
    if own:
        # Nobody takes this machine away while it works; to look for that takes a process.
        os.environ |= {"RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": "0", **_loopback()}
    # Else a worker's folder would be one of Ray's.
    os.environ["RAY_CHDIR_TO_TRIAL_DIR"] = "0"
    with contextlib.ExitStack() as stack:
        place = stack.enter_context(private_folder())
        try:
            at = stack.enter_context(connected(address, place))
        except PipelineError as cause:
            raise TrainingError(cause.what, expected=cause.expected, got=cause.got, hint=cause.hint) from None
        # Ray's own handler would end the process within a step.
        signal.signal(signal.SIGTERM, lambda *_: ask_to_stop(job.folder))
        with Sender(Workspace(job.home), job.id, log):
            status, text = _fitted(job, {} if own or not _is_here(at) else _loopback(), own=own)
    if status == "finished":
        forget_shipped(Workspace(job.home), job.folder)
    return status, text


def _fitted(job: Job, environment: dict[str, str], *, own: bool) -> tuple[str, str]:
    try:
        train: Any = importlib.import_module("ray.train")
        torch: Any = importlib.import_module("ray.train.torch")
        from .ray_worker import Losses, work
    except ModuleNotFoundError as cause:
        raise MissingError(f"{cause.name} is not installed", hint="pip install 'lepton_nb[ray]'") from cause
    on_gpus, resources = _share(job, own=own)
    place = job.folder / "ray"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(mode=0o700)
    trainer = torch.TorchTrainer(
        work,
        train_loop_config={"folder": str(job.folder), "on_gpus": on_gpus},
        torch_config=torch.TorchConfig(backend="nccl" if on_gpus else "gloo"),
        scaling_config=train.ScalingConfig(
            num_workers=job.fit.workers, use_gpu=on_gpus, resources_per_worker=resources
        ),
        run_config=train.RunConfig(
            name="train",
            storage_path=str(place),
            failure_config=train.FailureConfig(max_failures=_LOSSES, controller_failure_limit=_STARTS),
            callbacks=[Losses(job.folder, _LOSSES)],
            worker_runtime_env={"env_vars": environment} if environment else None,
        ),
    )
    try:
        answer: Any = trainer.fit().return_value
    except train.TrainingFailedError as cause:
        if failure := first_failure(job.folder):
            raise failure.error() from None
        text = " ".join(str(cause).split())[-300:]
        raise TrainingError("the workers of the Ray cluster were lost too often", got=text) from cause
    if failure := first_failure(job.folder):
        raise failure.error()
    status, text = answer
    return str(status), str(text)


def _share(job: Job, *, own: bool) -> tuple[bool, dict[str, float]]:
    """Whether the workers are to use GPUs, and what each takes of the cluster."""
    ray: Any = importlib.import_module("ray")
    there: dict[str, float] = ray.cluster_resources()
    with contextlib.suppress(Exception):
        # Of clusters that grow: what their configuration allows. There is no public way to ask.
        most = ray._private.state.state.get_max_resources_from_cluster_config() or {}  # noqa: SLF001
        there = {name: max(most.get(name, 0), there.get(name, 0)) for name in {*most, *there}}
    cpus, gpus, wanted = there.get("CPU", 0.0), there.get("GPU", 0.0), job.fit.workers
    on_gpus = job.fit.accelerator == "gpu" or (job.fit.accelerator == "auto" and gpus > 0)
    if on_gpus and gpus < wanted:
        raise UsageError(
            f"{wanted} workers are too many",
            expected=f"at most the {gpus:g} GPUs of the cluster",
            hint="--accelerator cpu",
        )
    if cpus < wanted and not own:
        raise UsageError(f"{wanted} workers are too many", expected=f"at most the {cpus:g} CPUs of the cluster")
    # The processes of this machine may share its CPUs, as with --devices.
    each = {"CPU": min(1.0, cpus / wanted) if own else 1.0}
    return on_gpus, {**each, "GPU": 1.0} if on_gpus else each


@contextlib.contextmanager
def private_folder() -> Iterator[Path]:
    """A folder with a short path, for what a cluster of this machine writes; what others left that were killed goes."""
    root = tempfile.gettempdir()
    root = root if len(root) <= _LONGEST else "/tmp"  # noqa: S108 -- mkdtemp makes a private folder there
    for left in Path(root).glob(f"{_PREFIX}*"):
        # What a driver left that was killed. Other users' folders stay: they cannot be removed.
        owner = left.name.removeprefix(_PREFIX).partition("-")[0]
        if owner.isdecimal() and len(owner) < 10 and (left / _MARK).exists() and not psutil.pid_exists(int(owner)):
            shutil.rmtree(left, ignore_errors=True)
    place = tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-", dir=root)
    (Path(place) / _MARK).touch()
    try:
        yield Path(place)
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _is_here(address: str) -> bool:
    return address.rpartition("://")[2].startswith(("127.0.0.1:", "localhost:", "[::1]:"))


def _loopback() -> dict[str, str]:
    """What keeps the workers' messages on this machine, where all of them are on it."""
    there = Path("/sys/class/net/lo").exists()
    return {"GLOO_SOCKET_IFNAME": "lo", "NCCL_SOCKET_IFNAME": "lo"} if there else {}
