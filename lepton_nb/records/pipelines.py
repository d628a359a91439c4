"""Pipeline runs and their steps."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from .layers import Mark, layered, layers_svg
from .runs import duration
from .shown import Result, Table, cell

__all__ = ["FAILURES", "Graph", "Outputs", "PipelineRun", "Step", "StepStatus"]

StepStatus = Literal["waiting", "running", "completed", "failed", "kernel_died", "timeout", "incomplete", "skipped"]

# What ends a step badly; `skipped` does not.
FAILURES: frozenset[StepStatus] = frozenset({"failed", "kernel_died", "timeout", "incomplete"})

# Hashes and ids of runs: their first characters name them too.
_ID = re.compile(r"[0-9a-f][0-9a-f-]{12,}")
_ID_CHARS, _VALUE_CHARS, _LINE_CHARS = 12, 32, 80
_GREY, _RED = ("#f1f3f5", "#66727d"), ("#fbe0de", "#a32018")
_MARKS = {
    mark.word: mark
    for mark in (
        Mark("waiting", "\u25cb", *_GREY),
        Mark("running", "\u25b6", "#fff1c9", "#8a6100"),
        Mark("completed", "\u2713", "#dbf0e2", "#22693f"),
        Mark("cached", "\u21ba", "#dceafa", "#235f97"),
        Mark("skipped", "\u2013", *_GREY),
        Mark("failed", "\u2717", *_RED),
        Mark("kernel died", "\u2717", *_RED),
        Mark("timeout", "\u2717", *_RED),
        Mark("incomplete", "\u2717", *_RED),
    )
}


@dataclass(frozen=True)
class Step:
    """The record of one step; it, never the notebook, says what was done.

    Args:
        name: unique in the pipeline.
        status: `kernel_died`, `timeout` and `incomplete` (the notebook ended itself before its last cell) are ways to
            fail; `skipped` means that a step it needs failed, or that its condition did not hold.
        notebook: the executed notebook.
        parameters: as they were after references were resolved.
        outputs: what the notebook reported with `%lepton output`.
        seconds: wall time.
        peak_memory_mb: MiB that the step's processes took at most beyond what they held before its first cell; None
            when it did not run.
        error: one line; empty when it did not fail.
        cell: number of the cell that failed, as the executed notebook shows it in brackets.
        cached: whether it was taken over from an earlier run instead of executed.
        attempts: how often it was executed in this run.
        key: SHA-256 of all that its result depends on; empty until that is known.
        note: why it was skipped, taken over or recomputed; empty when there is nothing to say.
    """

    name: str
    status: StepStatus
    notebook: Path
    parameters: Mapping[str, Any]
    outputs: Mapping[str, Any]
    seconds: float = 0.0
    peak_memory_mb: float | None = None
    error: str = ""
    cell: int | None = None
    cached: bool = False
    attempts: int = 0
    key: str = ""
    note: str = ""

    @property
    def failed(self) -> bool:
        """Whether it ended badly."""
        return self.status in FAILURES

    @property
    def state(self) -> str:
        """How it stands, in a word for people: `cached` when it completed in an earlier run."""
        return "cached" if self.cached and self.status == "completed" else self.status.replace("_", " ")


@dataclass(frozen=True)
class PipelineRun(Result):
    """A run of a pipeline. Its text is its id.

    Args:
        id: unique in the workspace.
        pipeline: name of the pipeline.
        status: `running` is only said of a process that lives.
        steps: in the order of the plan.
        path: its folder under `.lepton/pipelines`.
        seconds: wall time.
        needs: for each step, those it waits for.
        report: the page about it, once it has ended.
    """

    id: str
    pipeline: str
    status: Literal["running", "completed", "failed"]
    steps: tuple[Step, ...]
    path: Path
    seconds: float
    needs: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    report: Path | None = None

    def __str__(self) -> str:
        return self.id

    def table(self) -> Table:
        """One line per step."""
        rows = [
            (
                s.name,
                s.status,
                _how(s),
                duration(s.seconds),
                s.peak_memory_mb,
                _outputs(s.outputs),
                s.error or s.note or None,
            )
            for s in self.steps
        ]
        title = f"pipeline {self.pipeline}: {self.status} in {duration(self.seconds)}"
        note = f"executed notebooks: {self.path}" + (f"; report: {self.report}" if self.report else "")
        return Table(title, ("step", "status", "by", "time", "peak MiB", "outputs", "error or note"), rows, note)

    def graph(self) -> Graph:
        """Its steps in layers, with how each stands."""
        states = {step.name: step.state for step in self.steps}
        needs = {step.name: self.needs[step.name] for step in self.steps}
        return Graph(self.pipeline, layered(needs), needs, states)


@dataclass(frozen=True)
class Outputs(Result):
    """What a notebook reported.

    Args:
        values: names and values, in order.
        recorded: whether a pipeline took them; False outside of one.
    """

    values: tuple[tuple[str, Any], ...]
    recorded: bool

    def table(self) -> Table:
        """One line per value."""
        note = "" if self.recorded else "not inside a pipeline: shown, not recorded"
        return Table("outputs", (), self.values, note)


@dataclass(frozen=True)
class Graph(Result):
    """The steps of a pipeline and what they wait for.

    Args:
        pipeline: its name.
        layers: step names; a step stands one layer behind the last of those it needs.
        needs: for each step, those it waits for.
        states: how each step of a run stands; empty for a file.
    """

    pipeline: str
    layers: tuple[tuple[str, ...], ...]
    needs: Mapping[str, tuple[str, ...]]
    states: Mapping[str, str] = field(default_factory=dict)

    def table(self) -> Table:
        """One line per step, in the order of the plan."""
        placed = [(number, name) for number, layer in enumerate(self.layers, 1) for name in layer]
        columns, rows = ("layer", "step", "needs"), [(number, name, self.needs[name]) for number, name in placed]
        if self.states:
            table = [(*row, self.states[row[1]]) for row in rows]
            return Table(f"pipeline {self.pipeline}", (*columns, "status"), table)
        return Table(f"pipeline {self.pipeline}", columns, rows)

    def svg(self) -> str:
        """The graph drawn from left to right; for a run, with how each step stands."""
        marks = {name: _MARKS[state] for name, state in self.states.items()}
        return layers_svg(self.layers, self.needs, f"pipeline {self.pipeline}", marks)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {"text/plain": self.as_text(), "image/svg+xml": self.svg()}


def _how(step: Step) -> str | None:
    """Whether a step's result was computed in this run, and in how many attempts."""
    if step.cached:
        return "cached"
    return None if not step.attempts else "run" if step.attempts == 1 else f"run {step.attempts} times"


def _outputs(values: Mapping[str, Any]) -> str | None:
    """What a step reported, on one line of a table; JSON has it in full."""
    items = [f"{name}={_short(value)}" for name, value in values.items()]
    shown = len(items)
    while shown > 1 and len(", ".join(items[:shown])) > _LINE_CHARS:
        shown -= 1
    rest = [f"{len(items) - shown} more"] if shown < len(items) else []
    return ", ".join([*items[:shown], *rest]) or None


def _short(value: object) -> str:
    text = " ".join(cell(value).split())
    if isinstance(value, str) and _ID.fullmatch(text):
        return text[:_ID_CHARS]
    return text if len(text) <= _VALUE_CHARS else f"{text[: _VALUE_CHARS - 3]}..."
