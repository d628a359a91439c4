"""What is done at each batch and each epoch: progress, the best weights, early stopping, metrics.

The classes know no Lightning: `fitting` joins them with the base classes of the library that the network is made
of, `pytorch_lightning` or `lightning.pytorch`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from typing import Any

from ..models import save_weights
from ..records import Epoch, Metric, Progress, Started
from ..tracking import spool_metrics
from ..workspace import Workspace
from .events import EventLog
from .job import Job, is_asked_to_stop

__all__ = ["MetricsWriter", "Recorder", "monitored"]

_TICK_S = 0.1
_CHECKPOINT_S = 2.0


class Recorder:
    """A callback that keeps the best weights and says how far the training is.

    Args:
        job: the job.
        log: where the events go.
    """

    def __init__(self, job: Job, log: EventLog) -> None:
        super().__init__()
        self._job, self._log, self._folder = job, log, job.folder
        self._done, self._total = 0, 0
        self._ticked, self._saved = 0.0, 0.0
        self._waited = 0
        self.monitor: str | None = None
        self.best, self.best_epoch = math.inf, -1
        self.stopped = False

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Say how much there is to do."""
        batches = trainer.num_training_batches
        self._total = int(batches) * self._job.fit.epochs if math.isfinite(batches) else 0
        self._log.write(Started(time.time(), self._job.name, self._total))

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Ten times a second at most: say how far it is, and look whether to stop."""
        self._done += 1
        now = time.monotonic()
        if now - self._ticked < _TICK_S:
            return
        self._ticked = now
        loss: Any = outputs.get("loss") if isinstance(outputs, Mapping) else outputs
        value = f", loss {float(loss):.4g}" if hasattr(loss, "item") and loss.numel() == 1 else ""
        text = f"epoch {trainer.current_epoch + 1}/{self._job.fit.epochs}{value}"
        self._log.write(Progress(time.time(), self._done, self._total, text))
        if is_asked_to_stop(self._folder):
            self.stopped = trainer.should_stop = True

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """Keep the weights when they are the best so far; end when they have not been for long."""
        if self.stopped:
            # A part of an epoch is not compared with whole ones.
            return
        metrics = {name: float(value) for name, value in trainer.callback_metrics.items()}
        if self.monitor is None and (found := monitored(metrics)) is not None:
            self.monitor, self.best = found, math.inf
        value = metrics.get(self.monitor, math.nan) if self.monitor else -float(trainer.current_epoch)
        best = value < self.best
        if best:
            self.best, self.best_epoch, self._waited = value, trainer.current_epoch, 0
            save_weights(self._folder / "weights.safetensors", pl_module)
        else:
            self._waited += 1
        if self._job.fit.patience and self._waited >= self._job.fit.patience:
            trainer.should_stop = True
        self._log.write(Epoch(time.time(), trainer.current_epoch, self._done, metrics, best))
        self._checkpoint(trainer)
        if is_asked_to_stop(self._folder):
            self.stopped = trainer.should_stop = True

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        """Say that all is done; weights there are in any case."""
        if not (self._folder / "weights.safetensors").exists():
            save_weights(self._folder / "weights.safetensors", pl_module)
        self._checkpoint(trainer, last=True)
        self._log.write(Progress(time.time(), self._done, self._total or self._done, "done"))

    def on_save_checkpoint(self, trainer: Any, pl_module: Any, checkpoint: dict[str, Any]) -> None:
        """Leave out hyper-parameters: they may hold objects, and the job knows how to build the network."""
        for name in [name for name in checkpoint if "hyper_parameters" in name or "hparams" in name]:
            del checkpoint[name]

    def _checkpoint(self, trainer: Any, *, last: bool = False) -> None:
        """Lightning's own state, from which training could go on; not more often than its writing deserves."""
        now = time.monotonic()
        if last or now - self._saved >= _CHECKPOINT_S:
            self._saved = now
            trainer.save_checkpoint(self._folder / "checkpoints" / "last.ckpt")


class MetricsWriter:
    """A logger that keeps what the network logs in the job folder, from where it is sent.

    Args:
        job: the job.
    """

    def __init__(self, job: Job) -> None:
        super().__init__()
        self._ws, self._id = Workspace(job.home), job.id
        self._folder = job.folder

    @property
    def name(self) -> str:
        """The run's id."""
        return self._id

    @property
    def version(self) -> str:
        """There is one."""
        return ""

    @property
    def save_dir(self) -> str:
        """The run's folder."""
        return str(self._folder)

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Keep a batch of values; Lightning adds the epoch as one, which is none."""
        now = time.time()
        spool_metrics(
            self._ws,
            self._id,
            [Metric(name, float(value), step or 0, now) for name, value in metrics.items() if name != "epoch"],
        )

    def log_hyperparams(self, *args: Any, **kwargs: Any) -> None:
        """Nothing: the run's parameters were recorded when it started."""


def monitored(metrics: Mapping[str, float]) -> str | None:
    """The loss that says which epoch is the best: of validation where there is one, else of training.

    Example:
        >>> monitored({"train_loss": 1.0, "valid/loss": 2.0}), monitored({"loss": 1.0}), monitored({"f1": 1.0})
        ('valid/loss', 'loss', None)
    """
    losses = [name for name in metrics if "loss" in name]
    preferred = ("val_loss", *(n for n in losses if "val" in n), "train_loss", "train_loss_epoch", *losses)
    return next((name for name in preferred if name in metrics), None)
