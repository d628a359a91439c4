"""Training runs."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from .shown import Result, Table

__all__ = ["Metric", "Run", "RunStatus", "Runs", "ago", "duration"]

RunStatus = Literal["running", "finished", "failed", "stopped"]


@dataclass(frozen=True)
class Metric:
    """One measured value.

    Args:
        name: such as `val_loss`.
        value: the value.
        step: optimizer step it was measured at.
        time: seconds since the epoch.
    """

    name: str
    value: float
    step: int
    time: float


@dataclass(frozen=True)
class Run(Result):
    """A training run. Its text is its id.

    Args:
        id: the tracking store's id, and the name of the job folder.
        name: for people; not unique.
        status: `running` is only said of a process that lives.
        model: name of the network.
        data: hash of the data set.
        created: seconds since the epoch.
        ended: seconds since the epoch, or None while it runs.
        params: parameters as the tracking store keeps them.
        metrics: last value of each metric.
        tags: git commit, notebook, environment digest and what the user added.
        path: the job folder.
        cause: why it failed, one line; empty otherwise.
    """

    id: str
    name: str
    status: RunStatus
    model: str
    data: str
    created: float
    ended: float | None
    params: Mapping[str, str]
    metrics: Mapping[str, float]
    tags: Mapping[str, str]
    path: Path
    cause: str = ""

    def __str__(self) -> str:
        return self.id

    @property
    def main_metric(self) -> tuple[str, float] | None:
        """The one metric a list shows: validation before training, accuracy before loss."""
        for name in ("test_accuracy", "val_accuracy", "val_loss", "train_accuracy", "train_loss"):
            if name in self.metrics:
                return name, self.metrics[name]
        return next(iter(sorted(self.metrics.items())), None)

    def table(self) -> Table:
        """Status, metrics, parameters and tags."""
        seconds = (self.ended or time.time()) - self.created
        rows: list[tuple[object, ...]] = [
            ("id", self.id),
            ("status", self.status),
            ("model", self.model),
            ("data", self.data[:12]),
            ("time", duration(seconds)),
        ]
        rows += [("cause", self.cause)] if self.cause else []
        rows += [(name, value) for name, value in sorted(self.metrics.items())]
        rows += [(f"param {name}", value) for name, value in sorted(self.params.items())]
        rows += [(f"tag {name}", value) for name, value in sorted(self.tags.items())]
        return Table(f"run {self.name}", (), rows)


@dataclass(frozen=True)
class Runs(Result):
    """Runs, newest first."""

    runs: tuple[Run, ...] = field(default_factory=tuple)

    def table(self) -> Table:
        """One line per run."""
        rows = [_row(run) for run in self.runs]
        note = "" if rows else "no runs yet; next: lepton train cnn --data digits"
        return Table("runs", ("id", "name", "status", "model", "metric", "value", "age"), rows, note)


def _row(run: Run) -> tuple[object, ...]:
    metric, value = run.main_metric or (None, None)
    return run.id[:8], run.name, run.status, run.model, metric, value, ago(run.created)


def duration(seconds: float) -> str:
    """Seconds for people.

    Example:
        >>> duration(4.21), duration(75), duration(7300), duration(200000)
        ('4.2 s', '1 min 15 s', '2 h 1 min', '2 d 7 h')
    """
    if seconds < 60:
        return f"{seconds:.1f} s"
    whole = int(seconds)
    for unit, size, smaller, part in (("d", 86400, "h", 3600), ("h", 3600, "min", 60), ("min", 60, "s", 1)):
        if whole >= size:
            return f"{whole // size} {unit} {whole % size // part} {smaller}"
    raise AssertionError(seconds)


def ago(moment: float) -> str:
    """How long ago a moment was, in seconds since the epoch."""
    return f"{duration(max(0.0, time.time() - moment))} ago"
