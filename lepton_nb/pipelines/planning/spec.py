"""What a pipeline file becomes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .resources import Resources

__all__ = ["Pipeline", "StepSpec"]


@dataclass(frozen=True)
class StepSpec:
    """One step: as the file declares it, or as one of a plan's instances.

    Args:
        name: unique in the pipeline; in a plan, `NAME-1`, `NAME-2`, ... for the points of a grid.
        notebook: the notebook, absolute.
        declared: names that the notebook's `parameters` cell assigns.
        needs: steps it waits for, as written; a plan adds those of references, conditions and files.
        parameters: values, perhaps with references; in a plan with those of its point of the grid.
        cache: false marks a step with live effects, which may never be taken from a cache.
        timeout: seconds it may take; None for as long as it needs.
        group: the name in the file.
        foreach: names and the values they take in turn, or the reference that gives these; empty in a plan.
        point: in a plan, the names of `foreach` with this instance's values.
        retries: how often it is tried again after a failure.
        resources: what it asks of the machine.
        when: a rule; the step is skipped where it does not hold. Empty for always.
        inputs: files and folders it reads: as written, and absolute in a plan.
        writes: files and folders it makes: as written, and absolute in a plan.
        always: it stands under `finally`: it runs when all others have ended, however they did.
        live: verbs in its notebook that start, change or ask live things; they make `cache` false by default.
    """

    name: str
    notebook: Path
    declared: tuple[str, ...]
    needs: tuple[str, ...] = ()
    parameters: Mapping[str, Any] = field(default_factory=dict)
    cache: bool = True
    timeout: float | None = None
    group: str = ""
    foreach: Mapping[str, Any] = field(default_factory=dict)
    point: Mapping[str, Any] = field(default_factory=dict)
    retries: int = 0
    resources: Resources = field(default_factory=Resources)
    when: str = ""
    inputs: tuple[Path, ...] = ()
    writes: tuple[Path, ...] = ()
    always: bool = False
    live: tuple[str, ...] = ()


@dataclass(frozen=True)
class Pipeline:
    """A pipeline file.

    Args:
        name: the file's stem unless it says otherwise.
        path: the file, absolute.
        parameters: names and defaults.
        steps: in the order of the file.
        finals: names of the steps that always run, after all others.
    """

    name: str
    path: Path
    parameters: Mapping[str, Any]
    steps: tuple[StepSpec, ...]
    finals: tuple[str, ...] = ()
