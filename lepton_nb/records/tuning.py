"""Studies: many trainings that look for the best settings."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from .runs import ago, duration
from .shown import Result, Table, cell, plain

__all__ = ["Objective", "Studies", "Study", "StudyStatus", "Trial", "TrialStatus", "best_of"]

StudyStatus = Literal["running", "finished", "stopped", "failed"]
TrialStatus = Literal["running", "finished", "pruned", "stopped", "failed"]
_SHOWN = 20


@dataclass(frozen=True)
class Objective:
    """What a study looks for.

    Args:
        name: of a metric that training measures, or `latency_ms`, `parameters`, `size_mb`, `seconds`.
        direction: which values are better.
    """

    name: str
    direction: Literal["min", "max"]

    def text(self) -> str:
        """As `--objective` takes it."""
        return f"{self.name}:{self.direction}"

    def cost(self, value: float) -> float:
        """The value, turned so that less is better."""
        return value if self.direction == "min" else -value


@dataclass(frozen=True)
class Trial:
    """One training of a study.

    Args:
        number: from 0, in the order in which they began.
        status: `pruned` was stopped since it was worse than others at the same epoch.
        params: what was tried, by name.
        values: of the objectives, at the epoch whose weights are kept; empty before the first.
        run: id of its run; empty where that is not on this machine.
        epochs: that have ended.
        began: seconds since the epoch.
        seconds: that it took so far.
        cause: why it failed, one line.
    """

    number: int
    status: TrialStatus
    params: Mapping[str, Any]
    values: tuple[float | None, ...] = ()
    run: str = ""
    epochs: int = 0
    began: float = 0.0
    seconds: float = 0.0
    cause: str = ""

    @property
    def complete(self) -> bool:
        """Whether it has a value for each objective that counts."""
        return self.status == "finished" and bool(self.values) and all(map(_is_finite, self.values))


def best_of(trials: Iterable[Trial], objective: Objective) -> Trial | None:
    """The best complete trial by an objective, the first of the study; None before there is one."""
    complete = [one for one in trials if one.complete]
    return min(complete, key=lambda one: (objective.cost(one.values[0] or 0.0), one.number), default=None)


@dataclass(frozen=True)
class Study(Result):
    """A study. Its text is its name.

    Args:
        name: of the study.
        status: `running` is only said of a process that lives.
        network: what is trained.
        data: name of the data.
        objectives: the first one decides where there is only one.
        trials: by number.
        wanted: how many are to be made.
        importance: share of each name in how much the first objective differs; empty before it can be told.
        registered: alias in the registry that the best run has, such as `mlp-wine-3f1c@best`; empty before.
        cause: why it failed, or what keeps it from going on, one line.
        path: its folder under `.lepton/tunes`.
        created: seconds since the epoch.
        draw: draws a board of it, as one `<svg>` element with every text in it escaped.
    """

    name: str
    status: StudyStatus
    network: str
    data: str
    objectives: tuple[Objective, ...]
    trials: tuple[Trial, ...]
    wanted: int
    importance: Mapping[str, float]
    path: Path
    created: float
    registered: str = ""
    cause: str = ""
    draw: Callable[[Study], str] = field(default=str, repr=False, compare=False)

    def __str__(self) -> str:
        return self.name

    @functools.cached_property
    def best(self) -> Trial | None:
        """The best complete trial by the first objective; of several objectives, the first of the front by that."""
        return best_of(self.trials, self.objectives[0])

    @property
    def run(self) -> str:
        """Id of the best trial's run; empty before there is one."""
        return self.best.run if self.best else ""

    @functools.cached_property
    def front(self) -> tuple[Trial, ...]:
        """The complete trials of which no other is better in one objective and worse in none, by the first objective.

        With one objective it is the best trial alone.
        """
        if len(self.objectives) == 1:
            return (self.best,) if self.best else ()
        complete = [one for one in self.trials if one.complete]
        costs = {one.number: self._costs(one) for one in complete}
        found = [one for one in complete if not any(_dominates(costs[o.number], costs[one.number]) for o in complete)]
        return tuple(sorted(found, key=lambda one: costs[one.number]))

    @property
    def ended(self) -> tuple[Trial, ...]:
        """Trials that are over, however they ended."""
        return tuple(one for one in self.trials if one.status not in ("running", "stopped"))

    def table(self) -> Table:
        """The front first, or the best trial, then the others from the best on."""
        names = list(dict.fromkeys(name for one in self.trials for name in one.params))
        columns = ("trial", "status", *(one.name for one in self.objectives), *names, "epochs", "time", "run")
        front = {one.number for one in self.front}
        ordered = sorted(self.trials, key=self._order)
        rows = [_row(one, names, len(self.objectives), marked=one.number in front) for one in ordered[:_SHOWN]]
        title = f"study {self.name} {self.status}: {self.said}"
        return Table(title, columns, rows, self._note(len(ordered) - len(rows)))

    @property
    def said(self) -> str:
        """How far it is, and the best so far, in a line."""
        counts = {status: sum(one.status == status for one in self.trials) for status in ("pruned", "failed")}
        parts = [f"{len(self.ended)} of {self.wanted} trials"]
        parts += [f"{count} {status}" for status, count in counts.items() if count]
        if self.best and len(self.objectives) == 1:
            parts.append(f"best {self.objectives[0].name} {cell(self.best.values[0])} in trial {self.best.number}")
        elif self.best:
            parts.append(f"{len(self.front)} on the front")
        return ", ".join(parts)

    def picture(self) -> str:
        """Best so far, what was tried, and what mattered, as one `<svg>` element."""
        return self.draw(self)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        bundle = super()._repr_mimebundle_(include, exclude)
        return {**bundle, "text/html": bundle["text/html"] + self.picture()}

    def to_json(self) -> dict[str, Any]:
        """The study, its best trial and its front; the picture is for people."""
        body: dict[str, Any] = {name: plain(value) for name, value in vars(self).items() if name in _FIELDS}
        return body | {"run": self.run, "best": plain(self.best), "front": [one.number for one in self.front]}

    def _costs(self, one: Trial) -> tuple[float, ...]:
        return tuple(what.cost(value or 0.0) for what, value in zip(self.objectives, one.values, strict=True))

    def _order(self, one: Trial) -> tuple[object, ...]:
        on_front = one.number not in {each.number for each in self.front}
        value = one.values[0] if one.values else None
        known = value is not None and math.isfinite(value)
        return (
            not one.complete,
            on_front,
            not known,
            self.objectives[0].cost(value or 0.0) if known else 0.0,
            one.number,
        )

    def _note(self, left_out: int) -> str:
        notes = [self.cause] if self.cause else []
        notes += [f"and {left_out} more trials"] if left_out else []
        if self.status == "running":
            notes.append(f"next: lepton tune show {self.name}, or lepton stop {self.name}")
        elif len(self.ended) < self.wanted:
            notes.append(f"next: lepton resume {self.name}")
        elif self.best:
            at = f", registered as {self.registered}" if self.registered else ""
            notes.append(f"best run {self.run[:8]}{at}; next: lepton evaluate {self.run[:8]}")
        return "; ".join(notes)


_FIELDS = frozenset(
    ("name", "status", "network", "data", "objectives", "trials", "wanted", "importance", "registered", "cause", "path")
)


@dataclass(frozen=True)
class Studies(Result):
    """Studies, newest first."""

    studies: tuple[Study, ...] = field(default_factory=tuple)

    def table(self) -> Table:
        """One line per study."""
        rows = [(one.name, one.status, one.said, one.run[:8] or None, ago(one.created)) for one in self.studies]
        note = "" if rows else "no studies yet; next: lepton tune mlp --data iris --space 'lr=log(1e-4,1e-1)'"
        return Table("studies", ("study", "status", "how far", "best run", "age"), rows, note)

    def to_json(self) -> dict[str, Any]:
        """Each study as it tells itself."""
        return {"studies": [one.to_json() for one in self.studies]}


def _row(one: Trial, names: Sequence[str], objectives: int, *, marked: bool) -> tuple[object, ...]:
    values = one.values or (None,) * objectives
    status = f"{one.status} best" if marked else one.status
    tried = (cell(one.params.get(name)) for name in names)
    return one.number, status, *values, *tried, one.epochs, duration(one.seconds), one.run[:8] or None


def _dominates(one: Sequence[float], other: Sequence[float]) -> bool:
    return all(a <= b for a, b in zip(one, other, strict=True)) and tuple(one) != tuple(other)


def _is_finite(value: float | None) -> bool:
    return value is not None and math.isfinite(value)
