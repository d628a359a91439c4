"""The order of the steps, and every fault that can be seen before one runs. Nothing is run or written."""

from __future__ import annotations

import graphlib
import heapq
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ...errors import PipelineError, RuleError, UsageError, near
from ...rules import names as names_in
from .expansion import expand
from .places import readers
from .references import Reference, as_reference, find
from .spec import Pipeline, StepSpec

__all__ = ["Plan", "plan"]


@dataclass(frozen=True)
class Plan:
    """What will run.

    Args:
        pipeline: the file.
        parameters: the pipeline's parameters, defaults overridden.
        order: the steps; each stands behind those it needs.
        needs: for each step, those it waits for: written ones, those its references and its condition name, and those
            that make the files it reads. A `finally` step waits for every other.
        groups: for each name in the file, the steps of the plan that it became: itself, or one for each point of
            its grid.
    """

    pipeline: Pipeline
    parameters: Mapping[str, Any]
    order: tuple[StepSpec, ...]
    needs: Mapping[str, tuple[str, ...]]
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def plan(pipeline: Pipeline, parameters: Mapping[str, Any] | None = None) -> Plan:
    """Order the steps of a pipeline, one for each point of a grid.

    Args:
        pipeline: as `load` read it.
        parameters: values that override its defaults.

    Raises:
        UsageError: a parameter that the pipeline does not have.
        PipelineError: a step needs or refers to what is not there, sets a parameter that its notebook does not
            declare, makes a file that another makes too, or waits for itself.
    """
    given = dict(parameters or {})
    for name in given:
        if name not in pipeline.parameters:
            raise UsageError(
                f"pipeline {pipeline.name!r} has no parameter {name!r}",
                expected=", ".join(pipeline.parameters) or "no parameters at all",
                hint=near(name, pipeline.parameters),
            )
    values = {**pipeline.parameters, **given}
    written = {step.name: _needs(step, pipeline) for step in pipeline.steps}
    for step in pipeline.steps:
        _check_declared(step, f"{pipeline.path}: step {step.name!r}")
    expanded = expand(pipeline, values)
    instances = {one.name: one for made in expanded.values() for one in made}
    groups = {name: tuple(one.name for one in made) for name, made in expanded.items()}
    needs = _between(instances, groups, written, str(pipeline.path))
    order = tuple(instances[name] for name in _ordered(needs, pipeline))
    return Plan(pipeline, values, order, needs, groups)


def _needs(step: StepSpec, pipeline: Pipeline) -> set[str]:
    """The steps of the file that a step of the file waits for, but for those of its files."""
    where, names = f"{pipeline.path}: step {step.name!r}", [one.name for one in pipeline.steps]
    for name in step.needs:
        if name not in names:
            raise PipelineError(
                f"{where} needs {name!r}, which is no step", expected=", ".join(names), hint=near(name, names)
            )
    used = [*find(dict(step.parameters)), *_conditions(step, where)]
    for reference in used:
        _check_reference(reference, step, pipeline, where)
    return {*step.needs, *(reference.step for reference in used if reference.step)}


def _conditions(step: StepSpec, where: str) -> Iterable[Reference]:
    """What the condition of a step names, but for the names of its grid."""
    try:
        used = names_in(step.when) if step.when else ()
    except RuleError as error:
        raise PipelineError(f"{where}: when: {error.what}", expected=error.expected, hint=error.hint) from error
    for name in used:
        reference = as_reference(name)
        if reference is None:
            raise PipelineError(
                f"{where}: when names {name!r}", expected="a parameter of the pipeline, or an output as step.output"
            )
        if reference.step or reference.name not in step.foreach:
            yield reference


def _check_reference(reference: Reference, step: StepSpec, pipeline: Pipeline, where: str) -> None:
    names = [one.name for one in pipeline.steps]
    if reference.step and reference.step not in names:
        raise PipelineError(
            f"{where} refers to {reference}, and {reference.step!r} is no step",
            expected=", ".join(names),
            hint=near(reference.step, names),
        )
    if not reference.step and reference.name not in pipeline.parameters:
        dashed = [name for name in names if name.startswith(f"{reference.name}-")] if step.when else []
        raise PipelineError(
            f"{where} refers to {reference}, which is no parameter of the pipeline",
            expected=", ".join(pipeline.parameters) or "a parameter declared under `parameters`",
            hint=(f"write {{{dashed[0]}.output}} with braces" if dashed else "")
            or near(reference.name, pipeline.parameters)
            or "{step.output} refers to what a step reported",
        )


def _check_declared(step: StepSpec, where: str) -> None:
    for name in (*step.parameters, *step.foreach):
        if name not in step.declared:
            raise PipelineError(
                f"{where} sets {name!r}, which {step.notebook.name} does not declare",
                expected=", ".join(step.declared) or "a cell tagged 'parameters' that assigns it",
                hint=near(name, step.declared) or f"assign {name} in the notebook's cell tagged 'parameters'",
            )
    twice = [name for name in step.foreach if name in step.parameters]
    if twice:
        raise PipelineError(f"{where} sets {twice[0]!r} under both parameters and foreach", expected="one of them")


def _between(
    instances: Mapping[str, StepSpec],
    groups: Mapping[str, tuple[str, ...]],
    written: Mapping[str, Collection[str]],
    where: str,
) -> dict[str, tuple[str, ...]]:
    """For each step of the plan those it waits for, in the order of the file."""
    makers = readers(instances.values(), where)
    positions = {name: position for position, name in enumerate(instances)}
    finals = {name for name, step in instances.items() if step.always}
    others = frozenset(instances) - finals
    shared: dict[frozenset[str], tuple[str, ...]] = {}
    needs = {}
    for name, step in instances.items():
        wanted = frozenset(one for group in written[step.group] for one in groups[group]) | makers.get(name, set())
        if not step.always and (late := wanted & finals):
            raise PipelineError(
                f"{where}: step {name!r} needs {min(late)!r}, which stands under `finally`",
                expected="a step that runs before the end",
                hint=f"put {step.group} under `finally` too",
            )
        wanted |= others if step.always else frozenset()
        if wanted not in shared:
            shared[wanted] = tuple(sorted(wanted, key=positions.__getitem__))
        needs[name] = shared[wanted]
    return needs


def _ordered(needs: Mapping[str, tuple[str, ...]], pipeline: Pipeline) -> list[str]:
    """Topological, and otherwise as in the file."""
    names = list(needs)
    positions = {name: position for position, name in enumerate(names)}
    sorter = graphlib.TopologicalSorter(needs)
    try:
        sorter.prepare()
    except graphlib.CycleError as cause:
        raise PipelineError(
            f"{pipeline.path}: pipeline {pipeline.name!r} has a cycle: {' -> '.join(cause.args[1])}",
            expected="steps that do not wait for themselves",
            hint="remove one of these needs, references or files",
        ) from None
    order: list[str] = []
    ready: list[int] = []
    while sorter.is_active():
        for name in sorter.get_ready():
            heapq.heappush(ready, positions[name])
        order.append(names[heapq.heappop(ready)])
        sorter.done(order[-1])
    return order
