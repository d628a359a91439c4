"""What is done at each batch and each epoch: progress, the best weights, early stopping, checkpoints.

The class knows no Lightning: `fitting` joins it with the base class of the library that the network is made of,
`pytorch_lightning` or `lightning.pytorch`.
"""

from __future__ import annotations

import contextlib
import math
import signal
import time
from collections.abc import Mapping
from typing import Any

from ...models import save_weights
from ...records import Curve, Epoch, Progress, Started, better, monitored
from ..events import EventLog
from ..job import Job, ask_to_stop, is_asked_to_stop
from .carried import Carried, pending
from .metrics import MetricsWriter, Told
from .randomness import seed_all
from .ranks import Ranks
from .saving import Saver
from .usage import Meter

__all__ = ["Recorder"]

_TICK_S, _USAGE_S = 0.1, 1.0
_KEY = "lepton"


class Recorder:
    """A callback that keeps the best weights and says how far the training is.

    Args:
        job: the job.
        log: where the events go.
        told: what was told before the run went on.
        writer: the logger of the network's metrics.
        ranks: the processes that share the batches.
    """

    def __init__(self, job: Job, log: EventLog, told: Told, writer: MetricsWriter, ranks: Ranks) -> None:
        super().__init__()
        self._job, self._log, self._folder, self._ranks = job, log, job.folder, ranks
        self._told, self._writer, self._meter, self.carried = told, writer, Meter(), Carried(ranks)
        self.done, self._total, self._counted = 0, 0, 0
        self._ticked = self._measured = time.monotonic()
        # Of several processes: the batch behind which all ask again, and the one behind which they asked.
        self._next, self._asked = 0, 0
        self._waited = 0
        # Whether the run goes on at all, whether it does so at the start of an epoch, and who ends a batch.
        self._goes_on, self._at_start, self._is_last = False, False, True
        self.saver = Saver(job)
        self.monitor: str | None = job.fit.monitor or None
        self.best, self.best_epoch = math.inf, -1
        self.stopped = False

    # ---- what a run that goes on needs of its checkpoint

    def on_save_checkpoint(self, trainer: Any, pl_module: Any, checkpoint: dict[str, Any]) -> None:
        """Add what Lightning leaves out, and leave out hyper-parameters: they may hold objects, and the job knows."""
        for name in [name for name in checkpoint if "hyper_parameters" in name or "hparams" in name]:
            del checkpoint[name]
        fit_loop = checkpoint["loops"]["fit_loop"]
        # The loaders' states are ours: Lightning forgets to load them where a schedule asks for the number of steps.
        fit_loop["state_dict"].pop("combined_loader", None)
        within = self.saver.within
        if not within:
            # As it is when the next epoch starts, also at the very end of one.
            for counted in fit_loop["epoch_progress"].values():
                counted["ready"] = counted["processed"] + 1
        checkpoint[_KEY] = {
            "done": self.done,
            "monitor": self.monitor,
            "best": self.best,
            "best_epoch": self.best_epoch,
            "waited": self._waited,
            **self.carried.state(trainer, pl_module, within=within),
        }

    def on_load_checkpoint(self, trainer: Any, pl_module: Any, checkpoint: dict[str, Any]) -> None:
        """Take it back."""
        state = checkpoint[_KEY]
        self.done, self._waited = state["done"], state["waited"]
        self.monitor, self.best, self.best_epoch = state["monitor"], state["best"], state["best_epoch"]
        self._counted = self._asked = self.done
        self._goes_on, self._at_start = True, not state["within"]
        self.carried.load(trainer, pl_module, state)

    def begin(self) -> None:
        """The first batch is about to be loaded."""
        if self.carried.begin() and self.carried.pending:
            self._writer.log_metrics(*self.carried.pending)

    # ---- Lightning's hooks

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Say how much there is to do."""
        batches = trainer.num_training_batches
        if math.isfinite(batches):
            # At least once per epoch, so that what a network logs at each step is never lost on small data.
            per_epoch = int(batches) // self._job.fit.accumulate
            trainer.log_every_n_steps = max(1, min(trainer.log_every_n_steps, per_epoch))
        with contextlib.suppress(ValueError):
            # As Lightning's own handler would end the process within a step; only a main thread may.
            signal.signal(signal.SIGTERM, lambda *_: ask_to_stop(self._folder))
        self._total = int(batches) * self._job.fit.epochs if math.isfinite(batches) else 0
        if self._job.fit.steps:
            most = self._job.fit.steps * self._job.fit.accumulate
            self._total = min(self._total or most, most)
        if self._job.fit.steps and not pl_module.automatic_optimization:
            # Lightning counts the steps of each optimizer, so nobody knows how many batches they will be.
            self._total = 0
        self._come_last(trainer, pl_module)
        if not self._ranks.alone and not self._goes_on:
            # Up to here all were alike; noise that is alike would be less noise.
            seed_all(self._job.fit.seed + self._ranks.rank)
        self._ticked = self._measured = time.monotonic()
        self._meter.read(0)
        self._log.write(Started(time.time(), self._job.name, self._total, self._job.id, self._job.fit.epochs))

    def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
        """The epoch before is over in every respect: a good moment for a checkpoint."""
        if self._at_start:
            # Lightning takes it for an epoch whose batches are all done, since those of the one before are counted.
            trainer.fit_loop.epoch_loop._restarting = False  # noqa: SLF001
            self._at_start = False
        if self.done and self.done != self.saver.batches and self._ranks.any(self.saver.is_due(least=2.0)):
            self.saver.save(trainer, self.done, trainer.current_epoch, within=False)

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        """A batch is done, unless the network has something to say to that."""
        if self._is_last:
            self._behind(trainer, outputs, batch)

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """Keep the weights when they are the best so far; end when they have not been for long."""
        if self._writer.closed:
            # A part of an epoch is not compared with whole ones.
            return
        self.carried.sums.tell(pl_module)
        # Lightning would not let a schedule see the metrics of the epoch that a run went on in, which are all there.
        trainer.fit_loop._restarting = False  # noqa: SLF001
        metrics = self._ranks.mean(trainer.callback_metrics)
        if not self._job.fit.monitor and (found := monitored(metrics)) not in (None, self.monitor):
            # The first epochs may have no validation; once there is one, its loss is the better judge.
            self.monitor, self.best = found, math.inf
        best = self._is_best(metrics, trainer.current_epoch)
        if best and self._ranks.first:
            save_weights(self._folder / "weights.safetensors", pl_module)
        self._waited = 0 if best else self._waited + 1
        if self._job.fit.patience and self._waited >= self._job.fit.patience:
            trainer.should_stop = True
        if trainer.current_epoch > self._told.epoch:
            self._log.write(Epoch(time.time(), trainer.current_epoch, _steps(trainer), metrics, best))
        if self._ranks.any(is_asked_to_stop(self._folder)):
            self._end(trainer)

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        """Say that all is done; weights there are in any case."""
        if not (self._folder / "weights.safetensors").exists() and self._ranks.first:
            save_weights(self._folder / "weights.safetensors", pl_module)
        if self.stopped and not self._writer.closed:
            self.saver.save(trainer, self.done, trainer.current_epoch, within=False)
        self._log.write(Progress(time.time(), self.done, self._total or self.done, "done"))

    # ---- below

    def _come_last(self, trainer: Any, pl_module: Any) -> None:
        """Lightning calls a network's own hook behind those of callbacks, and what it does belongs to the batch."""
        own = pl_module.on_train_batch_end
        if not callable(own):
            return

        def behind(outputs: Any, batch: Any, batch_idx: int) -> None:
            own(outputs, batch, batch_idx)
            self._behind(trainer, outputs, batch)

        vars(pl_module)["on_train_batch_end"], self._is_last = behind, False

    def _behind(self, trainer: Any, outputs: Any, batch: Any) -> None:
        """Ten times a second at most: say how far it is, keep a checkpoint, and look whether to stop."""
        self.done += 1
        self.carried.sums.restore(trainer)
        now = time.monotonic()
        # Several processes need not agree on what the time is, but on the batch.
        if now - self._ticked >= _TICK_S if self._ranks.alone else self.done >= self._next:
            self._tick(trainer, outputs, batch, now)

    def _is_best(self, metrics: Mapping[str, float], epoch: int) -> bool:
        value = metrics.get(self.monitor, math.nan) if self.monitor else -float(epoch)
        value = -value if self.monitor and better(self.monitor) == "higher" else value
        if not value < self.best:
            return False
        self.best, self.best_epoch = value, epoch
        return True

    def _text(self, trainer: Any) -> str:
        return f"epoch {trainer.current_epoch + 1}/{self._job.fit.epochs}"

    def _tick(self, trainer: Any, outputs: Any, batch: Any, now: float) -> None:
        pace, self._asked = (self.done - self._asked) * _TICK_S / max(1e-9, now - self._ticked), self.done
        self._ticked = now
        loss: Any = outputs.get("loss") if isinstance(outputs, Mapping) else outputs
        text, known = self._text(trainer), {}
        if hasattr(loss, "item") and loss.numel() == 1:
            known = {"loss": float(loss) * self._job.fit.accumulate}
        wishes = {"stop": is_asked_to_stop(self._folder), "save": self.saver.is_due(), "pace": pace}
        told = self._ranks.gathered((known, wishes))
        wishes = told[0][1]
        self._next = self.done + max(1, round(wishes["pace"]))
        if values := [one["loss"] for one, _ in told if one]:
            value = math.fsum(values) / len(values)
            text += f", loss {value:.4g}"
            if (step := _steps(trainer)) > self._told.curve:
                self._log.write(Curve(time.time(), step, {"loss": value}))
        self._log.write(Progress(time.time(), self.done, self._total, text))
        if now - self._measured >= _USAGE_S:
            rows = (self.done - self._counted) * _rows(batch) * self._ranks.world
            self._measured, self._counted = now, self.done
            self._log.write(self._meter.read(rows))
        if wishes["stop"]:
            self._stop(trainer)
        elif wishes["save"] and self.saver.exact and self._may_pause(trainer):
            self.saver.save(trainer, self.done, trainer.current_epoch, within=True)

    def _may_pause(self, trainer: Any) -> bool:
        """Whether nothing is half done: no sum of gradients, no validation that is due, not the end of an epoch."""
        loop = trainer.fit_loop.epoch_loop
        whole = (loop.batch_idx + 1) % self._job.fit.accumulate == 0
        return (
            whole
            and not loop.batch_progress.is_last_batch
            and not loop._should_check_val_fx(  # noqa: SLF001
                trainer.fit_loop._data_fetcher  # noqa: SLF001 -- Lightning itself asks it the same, right after this
            )
        )

    def _stop(self, trainer: Any) -> None:
        """End behind this batch, or as soon as nothing is half done; an epoch that is over anyway ends as ever."""
        if not self._may_pause(trainer):
            self._ticked, self._next = 0.0, 0
            return
        if self.saver.exact:
            self.saver.save(trainer, self.done, trainer.current_epoch, within=True)
        # Lightning logs at a stop whatever there is, also the sums of a part of an epoch: just what is due is told.
        if due := pending(trainer):
            self._writer.log_metrics(*due)
        self._writer.closed = True
        self._end(trainer)
        # To validate a part of an epoch would take time, and nobody would look at it. Nor is it the end of an epoch.
        trainer.limit_val_batches = 0
        for one in (trainer.lightning_module, *trainer.callbacks):
            if one is not self:
                vars(one)["on_train_epoch_end"] = None

    def _end(self, trainer: Any) -> None:
        """End now, whatever least number of epochs or steps was asked for."""
        self.stopped = trainer.should_stop = True
        trainer.fit_loop.min_epochs, trainer.fit_loop.epoch_loop.min_steps = 0, None


def _steps(trainer: Any) -> int:
    """Steps that are done, counted as Lightning counts them for its loggers: one, however many optimizers step."""
    return int(trainer.fit_loop.epoch_loop._batches_that_stepped)  # noqa: SLF001


def _rows(batch: Any) -> int:
    """Rows of a batch: the first dimension of its first tensor."""
    while isinstance(batch, (tuple, list, Mapping)) and batch:
        batch = next(iter(batch.values())) if isinstance(batch, Mapping) else batch[0]
    return int(batch.shape[0]) if getattr(batch, "shape", None) else 1
