"""Lightning's Trainer at work. This module imports torch, so it is itself imported late."""

from __future__ import annotations

import contextlib
import importlib
import logging
import os
import warnings
from typing import Any

import torch

from ... import tracking
from ...kernels.waiting import spinning_where_free
from ...models import Spec, is_agent, load_weights, save_weights, write_seen
from ...models.layers import large_products
from ...records import Curve, Epoch, Event, better
from ...workspace import Workspace
from ..checkpoints import checkpoint_folder, good_checkpoint
from ..events import EventLog, Tail
from ..job import Job, forget_shipped, is_asked_to_stop
from .feeding import Feeding, feed
from .finite import Finite
from .gathering import Gatherer
from .lean import make_lean
from .metrics import MetricsWriter, Told, average_epochs
from .ranks import ALONE, Ranks
from .recorder import Recorder
from .sender import Sender
from .shortage import is_shortage, told
from .threads import CPUS, cpu_count, threads
from .transferring import Moved, Transfer, transfer

__all__ = ["fit"]


def fit(job: Job, log: EventLog, ranks: Ranks = ALONE) -> tuple[str, str]:
    """Fit the job's network to its data, from its last checkpoint on when there is one.

    Args:
        job: the job.
        log: where the events go.
        ranks: the processes that share the batches.

    Returns:
        The status, `finished` or `stopped`, and a closing line.

    Raises:
        TrainingError: the loss is not finite, or there is no memory; the message says more.
        StorageError: a checkpoint could not be written.
    """
    ws = Workspace(job.home)
    log = log if ranks.first else _Silent(job.folder)
    spec = job.spec()
    library = _library_of(spec.source)
    # What Lightning announces about itself would be all that a failure's last lines say.
    if (announcer := logging.getLogger(library.__name__)).level != logging.WARNING:
        announcer.setLevel(logging.WARNING)
    library.seed_everything(job.fit.seed, workers=True, verbose=False)
    module = spec.build()
    moved = transfer(job, module, log)
    writer: Any = _joined(MetricsWriter, _logger_base(library))(job, log, said := _told(ws, job), ranks)
    recorder: Any = _joined(Recorder, library.callbacks.Checkpoint)(job, log, said, writer, ranks)
    weights = job.folder / "weights.safetensors"
    if is_asked_to_stop(job.folder) and ranks.alone:
        if not weights.exists():
            save_weights(weights, module)
        recorder.stopped = True
    else:
        _run(job, spec, log, ranks, library, module, recorder, writer, moved)
    if ranks.first and weights.exists() and is_agent(spec.name):
        load_weights(weights, module)
        write_seen(job.folder / "job", module.environment, module.cpu().best)
    if ranks.first and weights.exists():
        tracking.log_files(ws, job.id, [weights], send=False)
    if ranks.first and ranks.sends and not recorder.stopped:
        forget_shipped(ws, job.folder)
    return ("stopped" if recorder.stopped else "finished"), _closing_line(recorder)


def _run(
    job: Job,
    spec: Spec,
    log: EventLog,
    ranks: Ranks,
    library: Any,
    module: Any,
    recorder: Any,
    writer: Any,
    moved: Moved | None,
) -> None:
    ws = Workspace(job.home)
    feeding = feed(job, library, module, recorder, ranks)
    if "OMP_NUM_THREADS" not in os.environ:
        _share_processors(job, spec, module, feeding, ranks)
    if not ranks.alone:
        average_epochs(module)
    # A bar would be drawn into the log; the events tell the same.
    own = [one for one in job.shipped_callbacks() if not isinstance(one, library.callbacks.ProgressBar)]
    callbacks = [recorder, *own]
    if job.loaders and ranks.first:
        callbacks.append(_joined(Gatherer, library.Callback)(job))
    if moved:
        moved.apply(module)
        callbacks.append(_joined(Transfer, library.Callback)(moved))
    if not job.fit.allow_nan:
        callbacks.append(_joined(Finite, library.Callback)(feeding.current, lambda: recorder.done))
    trainer = library.Trainer(callbacks=callbacks, logger=writer, **_arguments(job, ranks, library))
    make_lean(library, module, trainer)
    found, _ = good_checkpoint(job.folder)
    path = checkpoint_folder(job.folder) / found.file if found else None
    sends = ranks.first and ranks.sends
    waiting = spinning_where_free(torch.get_num_threads())
    with warnings.catch_warnings(), waiting, Sender(ws, job.id, log) if sends else contextlib.nullcontext():
        # The loaders go on by themselves.
        warnings.filterwarnings("ignore", message=".*your dataloader is not resumable.*")
        # Lightning's own affair with torch's names.
        warnings.filterwarnings("ignore", message=".*LeafSpec.*is deprecated")
        # The recorder sets it to the length of an epoch, once that is known.
        warnings.filterwarnings("ignore", message=".*smaller than the logging interval.*")
        try:
            trainer.fit(module, **feeding.arguments, ckpt_path=path, weights_only=True if path else None)
        except Exception as cause:
            if is_shortage(cause):
                raise told(cause, module, feeding.current(), job.fit.batch_size // ranks.world) from None
            raise


def _share_processors(job: Job, spec: Spec, module: Any, feeding: Feeding, ranks: Ranks) -> None:
    """Have torch use as many threads as there is work for."""
    cpus, rows = max(1, cpu_count() // ranks.here), job.fit.batch_size // ranks.world
    if feeding.values_per_row:
        products = 0
        # One that somebody wrote may not like to be asked for an answer before it is trained.
        if spec.kind == "zoo" and not is_agent(spec.name) and cpus > 1:
            products = large_products(module, spec.feature_shape, rows, reads_tokens="vocabulary" in spec.options)
        torch.set_num_threads(threads(cpus, rows * feeding.values_per_row, products))
    elif not ranks.alone or CPUS in os.environ:
        torch.set_num_threads(cpus)


class _Silent(EventLog):
    """What the processes beside the first one tell: nothing."""

    def write(self, event: Event) -> None:
        """Tell nobody."""


def _arguments(job: Job, ranks: Ranks, library: Any) -> dict[str, Any]:
    fit = job.fit
    return {
        "max_epochs": fit.epochs,
        "max_steps": fit.steps or -1,
        "accelerator": fit.accelerator,
        "devices": 1,
        "precision": _precision(fit.precision, fit.accelerator),
        "gradient_clip_val": fit.clip or None,
        "accumulate_grad_batches": fit.accumulate,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "num_sanity_val_steps": 0,
        "use_distributed_sampler": False,
        "default_root_dir": job.folder,
        **ranks.arguments(library),
        **fit.trainer,
    }


def _precision(asked: str, accelerator: str) -> str:
    if asked != "auto":
        return asked
    on_gpu = accelerator != "cpu" and torch.cuda.is_available()
    return "bf16-mixed" if on_gpu and torch.cuda.is_bf16_supported(including_emulation=False) else "32-true"


def _told(ws: Workspace, job: Job) -> Told:
    """What was told before the run went on."""
    steps, curve, epoch = tracking.last_steps(ws, job.id), -1, -1
    for event in Tail(job.folder).read():
        if isinstance(event, Epoch):
            epoch = max(epoch, event.epoch)
        elif isinstance(event, Curve) and "loss" in event.metrics:
            curve = max(curve, event.step)
    return Told(steps, curve, epoch)


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
    value = -recorder.best if better(recorder.monitor) == "higher" else recorder.best
    return f"best epoch {recorder.best_epoch + 1}: {recorder.monitor} {value:.4g}"
