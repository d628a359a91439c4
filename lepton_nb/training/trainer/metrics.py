"""Where a network's logged values go: to the tracking store, by way of the job folder, and into the live view."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from ... import tracking
from ...records import Curve, Metric
from ...workspace import Workspace
from ..events import EventLog
from ..job import Job
from .ranks import ALONE, Ranks

__all__ = ["MetricsWriter", "Told", "average_epochs"]


class Told:
    """What an earlier part of the run has told already: none of it is told twice.

    Args:
        steps: the newest step of each metric.
        curve: the newest step of the curve of the loss.
        epoch: the newest epoch whose end was told, -1 for none.
    """

    def __init__(self, steps: Mapping[str, int], curve: int = -1, epoch: int = -1) -> None:
        self._steps, self.curve, self.epoch = dict(steps), curve, epoch

    def new(self, metrics: Mapping[str, Any], step: int) -> dict[str, float]:
        """Those of the values at a step that were not told yet."""
        known = {name: self._steps.get(tracking.metric_name(name), -1) for name in metrics}
        return {name: float(value) for name, value in metrics.items() if step > known[name]}


class MetricsWriter:
    """A logger that keeps what the network logs in the job folder, from where it is sent.

    Lightning adds the epoch to the metrics as one, which is none.

    Args:
        job: the job.
        log: where the points of the curves go.
        told: what was told before the run went on.
        ranks: the processes that share the batches; what is told is the mean over them.
    """

    def __init__(self, job: Job, log: EventLog, told: Told, ranks: Ranks = ALONE) -> None:
        super().__init__()
        self._ranks = ranks
        self._ws, self._id, self._folder = Workspace(job.home), job.id, job.folder
        self._log, self._told = log, told
        # Set when a part of an epoch must not be taken for a whole one.
        self.closed = False

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
        """Keep a batch of values."""
        at = step or 0
        means = self._ranks.mean({name: value for name, value in metrics.items() if name != "epoch"})
        new = self._told.new(means, at)
        if self.closed or not new or not self._ranks.first:
            return
        now = time.time()
        tracking.spool_metrics(self._ws, self._id, [Metric(name, value, at, now) for name, value in new.items()])
        self._log.write(Curve(now, at, new))

    def log_hyperparams(self, *args: Any, **kwargs: Any) -> None:
        """Nothing: the run's parameters were recorded when it started."""


def average_epochs(module: Any) -> None:
    """Have a network log the mean over all processes where it logs the mean of an epoch.

    Networks seldom ask for it, since most are written for one process; without it each process would see a loss of its
    own, and schedules and stopping that look at one would part the processes. What is logged step by step is left as
    it is: it would cost a message at each step.

    Args:
        module: a LightningModule; it is changed.
    """
    own = module.log

    def log(name: str, value: Any, *args: Any, **options: Any) -> None:
        hook = module._current_fx_name or ""  # noqa: SLF001 -- what it is logged from decides, as for Lightning itself
        on_step = options.get("on_step")
        of_epoch = on_step is False or (on_step is None and ("validation" in hook or hook.startswith("on_train_epoch")))
        if of_epoch and not args and not options.get("rank_zero_only"):
            options.setdefault("sync_dist", True)
        own(name, value, *args, **options)

    vars(module)["log"] = log
