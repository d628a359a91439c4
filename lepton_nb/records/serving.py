"""Deployments and what they answer."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from .runs import ago
from .shown import Result, Table

__all__ = ["Deployment", "Deployments", "Predictions"]


@dataclass(frozen=True)
class Deployment(Result):
    """A served Bento. Its text is its name.

    Args:
        name: unique in the workspace.
        status: `running` is only said of a process that lives.
        url: where it listens.
        bento: tag of the Bento in the champion slot.
        pid: process id of the supervisor.
        started: start time of that process, in seconds since the epoch.
        workers: number of worker processes.
        created: seconds since the epoch.
        path: its folder under `.lepton/deployments`.
        cause: why it failed, one line.
    """

    name: str
    status: Literal["running", "stopped", "failed"]
    url: str
    bento: str
    pid: int
    started: float
    workers: int
    created: float
    path: Path
    cause: str = ""

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
        rows = [(d.name, d.status, d.url, d.bento, ago(d.created)) for d in self.deployments]
        note = "; ".join(f"{d.name}: {d.cause}" for d in self.deployments if d.cause)
        note = note if rows else "nothing is deployed; next: lepton serve BENTO"
        return Table("deployments", ("name", "status", "url", "bento", "age"), rows, note)


@dataclass(frozen=True)
class Predictions(Result):
    """Answers of a model, one per row.

    Args:
        model: tag of the Bento that answered.
        ids: prediction ids (UUIDv7 text); empty when no server was asked.
        labels: predicted class names.
        probabilities: one row per prediction, one column per class.
        classes: class names, in the order of the columns.
    """

    model: str
    ids: tuple[str, ...]
    labels: tuple[str, ...]
    probabilities: tuple[tuple[float, ...], ...]
    classes: tuple[str, ...]

    def table(self) -> Table:
        """The first ten answers."""
        shown = [(label, max(p)) for label, p in zip(self.labels, self.probabilities, strict=True)][:10]
        more = len(self.labels) - len(shown)
        note = f"and {more} more" if more else ""
        return Table(f"{len(self.labels)} predictions of {self.model}", ("label", "probability"), shown, note)

    def frame(self) -> Any:
        """The answers as a pandas DataFrame: `id` (when known), `label`, one column per class."""
        import pandas as pd

        frame = pd.DataFrame(list(self.probabilities), columns=list(self.classes))
        frame.insert(0, "label", list(self.labels))
        if self.ids:
            frame.insert(0, "id", list(self.ids))
        return frame

    def to_json(self) -> dict[str, Any]:
        """`predictions`: one object per row."""
        ids: tuple[str | None, ...] = self.ids or (None,) * len(self.labels)
        return {
            "model": self.model,
            "predictions": [
                {"id": i, "label": label, "probabilities": dict(zip(self.classes, p, strict=True))}
                for i, label, p in zip(ids, self.labels, self.probabilities, strict=True)
            ],
        }
