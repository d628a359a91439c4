"""What is known when a step is about to start: its parameters' values, and whether its condition holds. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ...errors import PipelineError, RuleError
from ...rules import evaluate, names
from .ordering import Plan
from .references import Reference, as_reference, find, resolve
from .spec import StepSpec

__all__ = ["holds", "values_of"]

Outputs = Mapping[str, Mapping[str, Any]]


def values_of(plan: Plan, step: StepSpec, outputs: Outputs) -> dict[str, Any]:
    """The parameters of a step, with every reference replaced.

    Args:
        plan: that the step is of.
        step: one of `plan.order`.
        outputs: what each step of the plan that has ended reported, by its name. `{train.loss}` of a step with
            `foreach` is the list over its points.

    Raises:
        PipelineError: a step did not report what this one refers to. For a `finally` step that is None.
    """
    known = _known(plan, step, find(dict(step.parameters)), outputs)
    return {name: resolve(value, known) for name, value in step.parameters.items()}


def holds(plan: Plan, step: StepSpec, outputs: Outputs) -> bool:
    """Whether the condition of a step holds; one without a condition always runs.

    Args:
        plan: that the step is of.
        step: one of `plan.order`.
        outputs: as for `values_of`.

    Raises:
        PipelineError: a step did not report what the condition names, or the condition cannot be evaluated or is
            neither true nor false.
    """
    if not step.when:
        return True
    try:
        used = {name: as_reference(name) or Reference("", name) for name in names(step.when)}
        known = _known(plan, step, used.values(), outputs)
        value = evaluate(step.when, {name: known[reference] for name, reference in used.items()})
    except RuleError as error:
        raise PipelineError(f"`when` of step {step.name!r}: {error}") from error
    if not isinstance(value, bool):
        raise PipelineError(f"`when` of step {step.name!r} is {value!r}", expected="true or false", got=step.when)
    return value


def _known(plan: Plan, step: StepSpec, used: Iterable[Reference], outputs: Outputs) -> dict[Reference, Any]:
    own = {**plan.parameters, **step.point}
    return {ref: _reported(plan, step, ref, outputs) if ref.step else own[ref.name] for ref in used}


def _reported(plan: Plan, step: StepSpec, reference: Reference, outputs: Outputs) -> Any:
    members = plan.groups[reference.step]
    values = [_one(step, reference, name, outputs.get(name, {})) for name in members]
    return values[0] if members == (reference.step,) else values


def _one(step: StepSpec, reference: Reference, name: str, reported: Mapping[str, Any]) -> Any:
    if reference.name in reported:
        return reported[reference.name]
    if step.always:
        return None
    raise PipelineError(
        f"step {step.name!r} needs {reference}, which step {name!r} did not report",
        expected=f"one of its outputs ({', '.join(reported) or 'none'})",
        hint=f"run %lepton output {reference.name}=VALUE in its notebook",
    )
