"""Deployments and what they answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from .runs import ago
from .shown import Result, Table

__all__ = ["Deployment", "Deployments", "Load", "Logs", "Predictions", "Scored"]


@dataclass(frozen=True)
class Load:
    """What a deployment answers just now.

    Args:
        requests_per_s: over about the last minute, all workers together.
        p95_ms: 95 % of the answers took no longer, in milliseconds; None without a request.
        error_share: share of the answers that were the server's fault (5xx).
        lost: predictions since the start that could not be logged.
    """

    requests_per_s: float
    p95_ms: float | None
    error_share: float
    lost: int


@dataclass(frozen=True)
class Deployment(Result):
    """A served Bento. Its text is its name.

    Args:
        name: unique in the workspace.
        status: `running` is only said of a process that lives, `elsewhere` of what runs on another machine.
        url: where it listens.
        bento: tag of the Bento in the champion slot.
        pid: process id of the supervisor.
        started: start time of that process, in seconds since the epoch.
        workers: number of worker processes.
        created: seconds since the epoch.
        path: its folder under `.lepton/deployments`.
        cause: why it failed, one line.
        load: what it answers just now, where that was asked.
        log_inputs: how columns are logged, as `lepton serve --log-inputs` takes it.
    """

    name: str
    status: Literal["running", "stopped", "failed", "elsewhere"]
    url: str
    bento: str
    pid: int
    started: float
    workers: int
    created: float
    path: Path
    cause: str = ""
    load: Load | None = None
    log_inputs: str = "yes"

    def __str__(self) -> str:
        return self.name

    @property
    def token_file(self) -> Path:
        """The file (mode 0600) that holds the token; the token itself is never shown."""
        return self.path / "token"

    def table(self) -> Table:
        """Address, model and age."""
        rows: list[tuple[object, ...]] = [
            ("status", self.status),
            ("url", self.url),
            ("bento", self.bento),
            ("workers", self.workers),
            ("pid", self.pid),
            ("age", ago(self.created)),
            ("token", str(self.token_file)),
        ]
        rows += [("cause", self.cause)] if self.cause else []
        note = f"next: lepton predict {self.name} --data FILE" if self.status == "running" else ""
        return Table(f"deployment {self.name}", (), rows, note)


@dataclass(frozen=True)
class Deployments(Result):
    """Deployments, by name."""

    deployments: tuple[Deployment, ...] = field(default_factory=tuple)

    def table(self) -> Table:
        """One line per deployment."""
        rows = [
            (d.name, d.status, *_loads(d.load if d.status == "running" else None), d.url, d.bento, ago(d.created))
            for d in self.deployments
        ]
        notes = [f"{d.name}: {d.cause}" for d in self.deployments if d.cause]
        notes += [
            f"{d.name}: {d.load.lost} predictions are not on the log"
            for d in self.deployments
            if d.load and d.load.lost
        ]
        note = "; ".join(notes) if rows else "nothing is deployed; next: lepton serve BENTO"
        names = ("name", "status", "requests/s", "p95 ms", "errors", "url", "bento", "age")
        return Table("deployments", names, rows, note)


def _loads(load: Load | None) -> tuple[str, str, str]:
    if load is None:
        return "", "", ""
    p95 = "" if load.p95_ms is None else f"{load.p95_ms:.3g}"
    return f"{load.requests_per_s:.3g}", p95, f"{load.error_share:.1%}"


@dataclass(frozen=True)
class Logs(Result):
    """The last lines that a server wrote.

    Args:
        name: whose.
        path: the file.
        lines: the lines.
    """

    name: str
    path: Path
    lines: tuple[str, ...]

    def table(self) -> Table:
        """One row per line."""
        note = "" if self.lines else f"{self.path} is empty or not there"
        return Table(f"log of {self.name}", (), [("", line) for line in self.lines], note)


@dataclass(frozen=True)
class Predictions(Result):
    """Answers of a model, one per row.

    Args:
        model: tag of the Bento that answered.
        ids: prediction ids (UUIDv7 text); empty when no server was asked.
        labels: predicted class names.
        probabilities: one row per prediction, one column per class.
        classes: class names, in the order of the columns.
        outputs: of a model that tells no class, its outputs by name, one object per prediction; the three above are
            empty then.
    """

    model: str
    ids: tuple[str, ...]
    labels: tuple[str, ...] = ()
    probabilities: tuple[tuple[float, ...], ...] = ()
    classes: tuple[str, ...] = ()
    outputs: tuple[Mapping[str, Any], ...] = ()

    def table(self) -> Table:
        """The first ten answers."""
        if self.outputs:
            names = tuple(self.outputs[0])
            rows = [tuple(_short(one[name]) for name in names) for one in self.outputs[:10]]
            more = len(self.outputs) - len(rows)
            note = f"and {more} more" if more else ""
            return Table(f"{len(self.outputs)} predictions of {self.model}", names, rows, note)
        shown = [(label, max(p)) for label, p in zip(self.labels, self.probabilities, strict=True)][:10]
        more = len(self.labels) - len(shown)
        note = f"and {more} more" if more else ""
        return Table(f"{len(self.labels)} predictions of {self.model}", ("label", "probability"), shown, note)

    def frame(self) -> Any:
        """The answers as a pandas DataFrame: `id` (when known), `label`, one column per class, or one per output."""
        import pandas as pd

        if self.outputs:
            found = pd.DataFrame(list(self.outputs))
            if self.ids:
                found.insert(0, "id", list(self.ids))
            return found
        frame = pd.DataFrame(list(self.probabilities), columns=list(self.classes))
        frame.insert(0, "label", list(self.labels))
        if self.ids:
            frame.insert(0, "id", list(self.ids))
        return frame

    def to_json(self) -> dict[str, Any]:
        """`predictions`: one object per row."""
        ids: tuple[str | None, ...] = self.ids or (None,) * (len(self.labels) or len(self.outputs))
        if self.outputs:
            rows = zip(ids, self.outputs, strict=True)
            return {"model": self.model, "predictions": [{"id": i, "outputs": dict(one)} for i, one in rows]}
        return {
            "model": self.model,
            "predictions": [
                {"id": i, "label": label, "probabilities": dict(zip(self.classes, p, strict=True))}
                for i, label, p in zip(ids, self.labels, self.probabilities, strict=True)
            ],
        }


def _short(value: Any) -> object:
    """A number, or as much of a list as a cell holds."""
    text = str(value)
    return value if isinstance(value, (int, float)) else text if len(text) <= 60 else text[:57] + "..."


@dataclass(frozen=True)
class Scored(Result):
    """Files of answers that were written.

    Args:
        model: tag of the Bento that answered.
        rows: how many rows were answered.
        files: what was written.
        seconds: that it took.
    """

    model: str
    rows: int
    files: tuple[Path, ...]
    seconds: float

    def table(self) -> Table:
        """How many, how fast, and where."""
        shown = [str(path) for path in self.files[:10]]
        more = len(self.files) - len(shown)
        rows: list[tuple[object, ...]] = [
            ("rows", f"{self.rows:,}"),
            ("seconds", f"{self.seconds:.1f}"),
            ("rows/s", f"{self.rows / max(self.seconds, 1e-9):,.0f}"),
            *(("file", name) for name in shown),
        ]
        return Table(f"answers of {self.model}", (), rows, f"and {more} more files" if more > 0 else "")
