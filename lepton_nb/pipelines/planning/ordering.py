"""The order of the steps, and every fault that can be seen before one runs. Pure."""

from __future__ import annotations

import graphlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ...errors import PipelineError, UsageError, near
from .references import Reference, find
from .spec import Pipeline, StepSpec

__all__ = ["Plan", "plan"]


@dataclass(frozen=True)
class Plan:
    """What will run.

    Args:
        pipeline: the file.
        parameters: the pipeline's parameters, defaults overridden.
        order: the steps; each stands behind those it needs.
        needs: for each step, those it waits for: written ones and those its references name.
        groups: for each name in the file, the steps of the plan that it became: itself, or one for each point of
            its grid.
    """

    pipeline: Pipeline
    parameters: Mapping[str, Any]
    order: tuple[StepSpec, ...]
    needs: Mapping[str, tuple[str, ...]]
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def plan(pipeline: Pipeline, parameters: Mapping[str, Any] | None = None) -> Plan:
    """Order the steps of a pipeline.

    Args:
        pipeline: as `load` read it.
        parameters: values that override its defaults.

    Raises:
        UsageError: a parameter that the pipeline does not have.
        PipelineError: a step needs or refers to what is not there, sets a parameter that its
            notebook does not declare, or waits for itself.
    """
    given = dict(parameters or {})
    for name in given:
        if name not in pipeline.parameters:
            raise UsageError(
                f"pipeline {pipeline.name!r} has no parameter {name!r}",
                expected=", ".join(pipeline.parameters) or "no parameters at all",
                hint=near(name, pipeline.parameters),
            )
    names = [step.name for step in pipeline.steps]
    needs = {step.name: _needs(step, names, pipeline) for step in pipeline.steps}
    for step in pipeline.steps:
        _check_declared(step)
    by_name = {step.name: step for step in pipeline.steps}
    order = tuple(by_name[name] for name in _ordered(names, needs, pipeline))
    return Plan(pipeline, {**pipeline.parameters, **given}, order, needs, {name: (name,) for name in names})


def _needs(step: StepSpec, names: list[str], pipeline: Pipeline) -> tuple[str, ...]:
    for name in step.needs:
        if name not in names:
            raise PipelineError(
                f"step {step.name!r} needs {name!r}, which is no step",
                expected=", ".join(names),
                hint=near(name, names),
            )
    used: list[str] = []
    for reference in find(dict(step.parameters)):
        _check_reference(reference, step, names, pipeline)
        used += [reference.step] if reference.step else []
    wanted = {*step.needs, *used}
    return tuple(name for name in names if name in wanted)


def _check_reference(reference: Reference, step: StepSpec, names: list[str], pipeline: Pipeline) -> None:
    if reference.step and reference.step not in names:
        raise PipelineError(
            f"step {step.name!r} refers to {reference}, and {reference.step!r} is no step",
            expected=", ".join(names),
            hint=near(reference.step, names),
        )
    if not reference.step and reference.name not in pipeline.parameters:
        raise PipelineError(
            f"step {step.name!r} refers to {reference}, which is no parameter of the pipeline",
            expected=", ".join(pipeline.parameters) or "a parameter declared under `parameters`",
            hint=near(reference.name, pipeline.parameters) or "{step.output} refers to what a step reported",
        )


def _check_declared(step: StepSpec) -> None:
    for name in step.parameters:
        if name not in step.declared:
            raise PipelineError(
                f"step {step.name!r} sets {name!r}, which {step.notebook.name} does not declare",
                expected=", ".join(step.declared) or "a cell tagged 'parameters' that assigns it",
                hint=near(name, step.declared) or f"assign {name} in the notebook's cell tagged 'parameters'",
            )


def _ordered(names: list[str], needs: Mapping[str, tuple[str, ...]], pipeline: Pipeline) -> list[str]:
    """Topological, and otherwise as in the file."""
    sorter = graphlib.TopologicalSorter(needs)
    try:
        sorter.prepare()
    except graphlib.CycleError as cause:
        raise PipelineError(
            f"pipeline {pipeline.name!r} has a cycle: {' -> '.join(cause.args[1])}",
            expected="steps that do not wait for themselves",
            hint="remove one of these needs or references",
        ) from None
    order: list[str] = []
    ready: list[str] = []
    while sorter.is_active():
        ready = sorted([*ready, *sorter.get_ready()], key=names.index)
        order.append(ready.pop(0))
        sorter.done(order[-1])
    return order
