"""Who executes a step: the protocol that local processes, and later a cluster, fulfil."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from ..planning import Resources

__all__ = ["Executor", "StepJob", "StepResult"]


@dataclass(frozen=True)
class StepJob:
    """All that an executor needs to know about a step.

    Args:
        name: of the step.
        notebook: the notebook to execute; it is not changed.
        executed: where the executed notebook goes.
        folder: for the executor's own files; it exists and is empty.
        cwd: working folder of the kernel.
        parameters: resolved values, which JSON can hold.
        timeout: seconds the step may take, or None.
        environment: variables added to the executor's own environment.
        resources: what it needs of the machine.
        inputs: files below `cwd` that the notebook reads; an executor elsewhere brings them there.
        writes: files below `cwd` that the notebook makes; an executor elsewhere brings them back.
    """

    name: str
    notebook: Path
    executed: Path
    folder: Path
    cwd: Path
    parameters: Mapping[str, Any] = field(default_factory=dict)
    timeout: float | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    resources: Resources = field(default_factory=Resources)
    inputs: tuple[Path, ...] = ()
    writes: tuple[Path, ...] = ()


@dataclass(frozen=True)
class StepResult:
    """How a step ended.

    Args:
        name: of the step.
        status: `completed` only when the last cell was executed; `incomplete` when the notebook ended itself before it.
        outputs: what it reported, also when it failed.
        seconds: wall time.
        peak_memory_mb: MiB that its processes took at most since its first cell began, or None when nobody measured.
        error: `ClassName: message` in one line; empty when it completed.
        cell: number of the cell that failed, as the executed notebook shows it in brackets; None when
            no cell was at fault.
    """

    name: str
    status: Literal["completed", "failed", "kernel_died", "timeout", "incomplete"]
    outputs: Mapping[str, Any] = field(default_factory=dict)
    seconds: float = 0.0
    peak_memory_mb: float | None = None
    error: str = ""
    cell: int | None = None


class Executor(Protocol):
    """Executes steps. One thread calls it."""

    def start(self, job: StepJob) -> None:
        """Begin a step, and return without waiting for it."""

    def wait(self, seconds: float) -> StepResult | None:
        """The next step that ended, each once; None when none did within `seconds`."""

    def stop(self) -> None:
        """End every step that runs, with all its processes; their results are not given any more."""
