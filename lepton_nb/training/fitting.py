"""Lightning's Trainer at work. This module imports torch, so it is itself imported late."""

from __future__ import annotations

import importlib
import math
import os
from pathlib import Path
from typing import Any

import torch

from .. import data, tracking
from ..models import save_weights
from ..workspace import Workspace
from .events import EventLog
from .job import Job, is_asked_to_stop
from .recorder import MetricsWriter, Recorder
from .sender import Sender

__all__ = ["cpu_count", "fit", "threads"]


def fit(job: Job, log: EventLog) -> tuple[str, str]:
    """Fit the job's network to its data.

    Args:
        job: the job.
        log: where the events go.

    Returns:
        The status, `finished` or `stopped`, and a closing line.
    """
    ws = Workspace(job.home)
    handle = data.find(ws, job.data)
    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(threads(cpu_count(), job.fit.batch_size * math.prod(handle.feature_shape)))
    spec = job.spec()
    library = _library_of(spec.source)
    library.seed_everything(job.fit.seed, workers=True, verbose=False)
    module = spec.build()
    recorder: Any = _joined(Recorder, library.callbacks.Checkpoint)(job, log)
    weights = job.folder / "weights.safetensors"
    if is_asked_to_stop(job.folder):
        save_weights(weights, module)
        recorder.stopped = True
    else:
        batches = data.module(handle, job.fit.batch_size, job.fit.seed)
        trainer = library.Trainer(
            max_epochs=job.fit.epochs,
            devices=1,
            logger=_joined(MetricsWriter, _logger_base(library))(job),
            callbacks=[recorder],
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            # At least once per epoch, so that what a network logs at each step is never lost on small data.
            log_every_n_steps=max(1, min(50, len(batches.train_dataloader()))),
            default_root_dir=job.folder,
        )
        with Sender(ws, job.id, log):
            _fit(trainer, module, batches, library, recorder)
    if weights.exists():
        tracking.log_files(ws, job.id, [weights], send=False)
    return ("stopped" if recorder.stopped else "finished"), _closing_line(recorder)


def threads(cpus: int, batch_values: int) -> int:
    """How many threads a network's operators should use.

    On small batches a second thread wins a fifth on an idle machine, and loses a factor of thirty on a busy one,
    where each of the many barriers waits for a thread that is not running.

    Args:
        cpus: as `cpu_count` says.
        batch_values: numbers in one batch of features.

    Example:
        >>> threads(8, 64 * 64), threads(8, 64 * 784), threads(2, 64 * 784)
        (1, 3, 2)
    """
    return max(1, min(cpus, batch_values // 16384))


def cpu_count() -> int:
    """How many CPUs this process may use: its affinity and its container's quota (cgroup v2 `cpu.max`)."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        return count if quota == "max" else max(1, min(count, -(-int(quota) // int(period))))
    except (OSError, ValueError):
        return count


def _fit(trainer: Any, module: Any, batches: Any, library: Any, recorder: Any) -> None:
    # A data module of the one library is a stranger to the other; loaders are welcome to both.
    own = isinstance(batches, library.LightningDataModule)
    loaders = {"datamodule": batches} if own else {
        "train_dataloaders": batches.train_dataloader(), "val_dataloaders": batches.val_dataloader()
    }  # fmt: skip
    try:
        trainer.fit(module, **loaders)
    except SystemExit as ending:
        if type(ending).__name__ != "SIGTERMException":
            raise
        recorder.stopped = True
        if not (Path(trainer.default_root_dir) / "weights.safetensors").exists():
            save_weights(Path(trainer.default_root_dir) / "weights.safetensors", module)


def _library_of(source: Any) -> Any:
    """The Lightning that the network is made of; ours for the zoo."""
    kind = source if isinstance(source, type) else type(source)
    names = {".".join(base.__module__.split(".")[:2]) for base in kind.__mro__ if base.__name__ == "LightningModule"}
    return importlib.import_module("lightning.pytorch" if "lightning.pytorch" in names else "pytorch_lightning")


def _logger_base(library: Any) -> type:
    """Lightning's logger that takes any call: a network may ask its experiment for what TensorBoard has."""
    base: type = importlib.import_module(f"{library.__name__}.loggers.logger").DummyLogger
    return base


def _joined(ours: type, theirs: type) -> Any:
    return type(ours.__name__, (ours, theirs), {})


def _closing_line(recorder: Any) -> str:
    if recorder.best_epoch < 0:
        return "stopped before the first epoch ended" if recorder.stopped else "no epoch was better than none"
    if recorder.monitor is None:
        return "no loss was logged: the weights of the last epoch are kept"
    return f"best epoch {recorder.best_epoch + 1}: {recorder.monitor} {recorder.best:.4g}"
