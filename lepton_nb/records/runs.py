"""Training runs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from .curves import Line
from .shown import Result, Table

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Metric", "Metrics", "Run", "RunStatus", "Runs", "ago", "duration"]

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


class Metrics(dict[str, float]):
    """The last value of each metric, as a dict; called, everything that was measured, as a table.

    Args:
        values: the last values.
        history: reads the curves, one per metric, when they are asked for. It is pickled with the rest.

    Example:
        >>> metrics = Metrics({"loss": 0.5}, lambda: [Line("loss", (0, 10), (1.0, 0.5))])
        >>> metrics["loss"], metrics == {"loss": 0.5}
        (0.5, True)
        >>> metrics().loc[10, "loss"].item()
        0.5
    """

    def __init__(
        self,
        values: Mapping[str, float] | Iterable[tuple[str, float]] = (),
        history: Callable[[], Sequence[Line]] | None = None,
    ) -> None:
        super().__init__(values)
        self._history = history

    def __call__(self) -> pd.DataFrame:
        """Everything that was measured.

        Returns:
            A float64 column per metric, NaN where it was not measured or not finite; the index `step` (int64,
            ascending) counts optimizer steps. Without a history there are no rows.

        Raises:
            FormatError: a line of the run's folder is broken.
            TrackingError: it is a run of elsewhere, and the store refused, or its server does not answer.
        """
        import pandas as pd

        lines = self._history() if self._history else [Line(name, (), ()) for name in self]
        steps = pd.Index(sorted({step for line in lines for step in line.steps}), dtype="int64", name="step")
        columns = {line.name: pd.Series(line.values, index=line.steps, dtype="float64") for line in lines}
        return pd.DataFrame({name: values.reindex(steps) for name, values in columns.items()}, index=steps)


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
        metrics: last value of each metric; `metrics()` is a pandas DataFrame of all values by step.
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
    metrics: Metrics
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
            # A hash is known by its beginning; the name of an environment is said in full.
            ("data", self.data[:12] if len(self.data) == 64 else self.data),
            ("time", duration(seconds)),
        ]
        rows += [("cause", self.cause)] if self.cause else []
        rows += [(name, value) for name, value in sorted(self.metrics.items())]
        rows += [(f"param {name}", value) for name, value in sorted(self.params.items())]
        rows += [(f"tag {name}", value) for name, value in sorted(self.tags.items())]
        return Table(f"run {self.name}", (), rows, self._next)

    @property
    def _next(self) -> str:
        """What a person may do about it now, one line; empty for a run that has done its work."""
        if self.status == "running":
            return f"next: lepton attach {self.name}, or lepton stop {self.name}"
        return "" if self.status == "finished" else f"next: lepton resume {self.name}"


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
