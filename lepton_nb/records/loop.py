"""A watch over a deployment, and what it decided."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from .runs import ago
from .shown import Result, Table, cell, plain

__all__ = ["Decision", "Stage", "Watch", "Watches"]

Stage = Literal[
    "watching",
    "collecting",
    "retraining",
    "gating",
    "asking",
    "shadow",
    "canary",
    "promoting",
    "guarding",
    "rolling back",
]
_SHOWN = 20


@dataclass(frozen=True)
class Decision:
    """One decision of a watch.

    Args:
        number: 1 for the first.
        time: seconds since the epoch.
        cycle: the retraining that it belongs to; 0 before the first.
        action: what was decided, such as `triggered`, `refused`, `promoted`, `rolled back`.
        stage: what is done next.
        why: one line.
        numbers: what it was decided by.
    """

    number: int
    time: float
    cycle: int
    action: str
    stage: Stage
    why: str
    numbers: Mapping[str, Any] = field(default_factory=dict)

    def line(self) -> str:
        """The decision as one line."""
        return f"{self.action}: {self.why}" if self.why else self.action


@dataclass(frozen=True)
class Watch(Result):
    """A watch over a deployment. Its text is its name, which is `watch-` and that of the deployment.

    Args:
        deployment: name of what is watched.
        status: `running` is only said of a process that lives.
        stage: what it does.
        cycle: retrainings so far.
        trouble: what keeps it from looking, one line; empty when nothing does.
        decisions: oldest first.
        pid: its process.
        path: its folder under `.lepton/watches`.
        options: as it was asked.
        draw: draws the accuracy over time with the decisions, as one `<svg>` element with every text in it escaped.
    """

    deployment: str
    status: Literal["running", "stopped", "failed"]
    stage: Stage
    cycle: int
    trouble: str
    decisions: tuple[Decision, ...]
    pid: int
    path: Path
    options: Mapping[str, Any] = field(default_factory=dict)
    draw: Callable[[], str] = field(default=str, repr=False, compare=False)

    def __str__(self) -> str:
        return self.name

    @property
    def name(self) -> str:
        """What `lepton stop` calls it."""
        return f"watch-{self.deployment}"

    def table(self) -> Table:
        """The newest decisions, each with its reason."""
        shown = self.decisions[-_SHOWN:]
        rows = [(ago(one.time), one.cycle, one.action, one.why) for one in shown]
        title = f"{self.name} {self.status}: {self.stage}"
        return Table(title, ("age", "cycle", "decision", "why"), rows, self._note(len(self.decisions) - len(shown)))

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        # Drawn only where somebody looks: whoever asks a watch again and again waits for no picture.
        bundle = super()._repr_mimebundle_(include, exclude)
        return {**bundle, "text/html": bundle["text/html"] + self.draw()}

    def to_json(self) -> dict[str, Any]:
        """The watch and its decisions; the picture is for people."""
        return {name: value for name, value in plain(vars(self) | {"draw": None}).items() if name != "draw"}

    def _note(self, left_out: int) -> str:
        notes = [self.trouble] if self.trouble else []
        if left_out:
            notes.append(f"and {left_out} earlier decisions")
        if not self.decisions:
            notes.append("nothing was decided yet")
        if self.stage == "asking":
            notes.append(f"next: lepton watch {self.deployment} --approve, or --refuse")
        elif self.status == "running":
            notes.append(f"next: lepton watch {self.deployment} --status, or lepton stop {self.name}")
        return "; ".join(notes)


@dataclass(frozen=True)
class Watches(Result):
    """Watches, by the name of their deployment."""

    watches: tuple[Watch, ...] = field(default_factory=tuple)

    def table(self) -> Table:
        """One line per watch."""
        rows = [
            (
                one.deployment,
                one.status,
                one.stage,
                cell(one.cycle),
                one.trouble or (one.decisions[-1].line() if one.decisions else ""),
            )
            for one in self.watches
        ]
        note = "" if rows else "nothing is watched; next: lepton watch DEPLOYMENT"
        return Table("watches", ("deployment", "status", "stage", "cycle", "last decision"), rows, note)
