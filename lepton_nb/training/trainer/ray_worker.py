"""What a worker of a Ray cluster does for a training. This module imports Ray."""

from __future__ import annotations

import importlib
import os
import platform
import sys
import time
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import ray.train
from ray.train import UserCallback

from ...errors import TrainingError
from ...records import Note
from ..checkpoints import good_checkpoint
from ..events import EventLog
from ..job import Job
from .devices import strategy_arguments
from .failures import first_failure, is_of_another, tell_failure
from .ranks import Ranks

__all__ = ["Losses", "work"]


def work(config: Mapping[str, Any]) -> tuple[str, str] | None:
    """Do the job of a run's folder as one of the workers.

    Args:
        config: `folder`, the run's; `on_gpus`, whether each worker has a GPU.

    Returns:
        What `fit` returns; None when an earlier attempt failed for a reason that stays.

    Raises:
        TrainingError: this node does not see the folder.
        LeptonError: as `fit` raises.
    """
    folder = Path(config["folder"])
    if not folder.is_dir():
        raise TrainingError(f"node {platform.node()} does not see {folder}", hint="mount it there under the same path")
    if first_failure(folder):
        # Ray starts workers again whatever they ended of; what a network or its data is to blame for comes again.
        return None
    _speak_into(folder / "log")
    from .fitting import fit

    context = ray.train.get_context()
    rank, job = context.get_world_rank(), Job.read(folder)
    if job.cwd and Path(job.cwd).is_dir():
        os.chdir(job.cwd)
    arguments = partial(_arguments, on_gpus=bool(config["on_gpus"]))
    ranks = Ranks(rank, context.get_world_size(), context.get_local_world_size(), arguments, sends=False)
    try:
        return fit(job, EventLog(folder), ranks)
    except Exception as cause:
        tell_failure(folder, rank, cause)
        if not is_of_another(cause):
            traceback.print_exc()
        raise


class Losses(UserCallback):
    """Tells those who watch the run that a worker was lost.

    Args:
        folder: the run's folder.
        most: how often workers are replaced.
    """

    def __init__(self, folder: Path, most: int) -> None:
        self._folder, self._left = folder, most

    def after_exception(self, run_context: Any, worker_exceptions: Mapping[int, Exception]) -> None:
        """Some workers have ended; Ray ends the others, and starts all of them again."""
        self._left -= 1
        if first_failure(self._folder) or self._left < 0:
            return
        lost = [rank for rank, cause in worker_exceptions.items() if not is_of_another(cause)] or [*worker_exceptions]
        names = " and ".join(f"worker {rank}" for rank in sorted(lost))
        found, _ = good_checkpoint(self._folder)
        where = f"behind batch {found.batches}" if found else "from its beginning, for want of a checkpoint"
        text = f"{names} of the Ray cluster was lost and is replaced; the training goes on {where}"
        EventLog(self._folder).write(Note(time.time(), text))


def _arguments(library: Any, *, on_gpus: bool) -> dict[str, Any]:
    with _only(library):
        parts: Any = importlib.import_module("ray.train.lightning")
    strategy = parts.RayDDPStrategy(cluster_environment=parts.RayLightningEnvironment(), **strategy_arguments())
    return {"accelerator": "gpu" if on_gpus else "cpu", "devices": 1, "strategy": strategy}


@contextmanager
def _only(library: ModuleType) -> Iterator[None]:
    """Have Ray take the Lightning that the network is made of; it prefers `lightning.pytorch` where that is installed.

    The two are strangers to each other, and to import both takes twice as long.
    """
    name = "lightning.pytorch"
    if library.__name__ == name:
        yield
        return
    there = sys.modules.get(name)
    sys.modules[name] = None  # type: ignore[assignment]  # marks a module as not importable
    try:
        yield
    finally:
        del sys.modules[name]
        if there is not None:
            sys.modules[name] = there


def _speak_into(log: Path) -> None:
    """What a worker says goes to the run's log: its own is on its node, where nobody looks."""
    handle = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.dup2(handle, 1)
    os.dup2(handle, 2)
    os.close(handle)
