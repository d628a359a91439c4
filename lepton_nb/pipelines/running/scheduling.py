"""Which step may start, which never will, and what there is room for. Pure."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from ...errors import NotFoundError, PipelineError
from ...records import FAILURES, Step
from ..planning import Plan, Resources, StepSpec, find

__all__ = ["Room", "ahead", "behind", "fate", "instances", "live", "restricted", "unsaid_needs"]

_ENDED = FAILURES | {"completed", "skipped"}


@dataclass(frozen=True)
class Room:
    """What the steps that run may take together.

    Args:
        jobs: how many they may be.
        cpus: processor cores; a step that asks for more runs alone.
        memory_mb: MiB of memory.
        gpus: accelerators.
    """

    jobs: int
    cpus: float = float("inf")
    memory_mb: float = float("inf")
    gpus: float = float("inf")

    def fits(self, running: Collection[Resources], asked: Resources) -> bool:
        """Whether a step may run beside those that run."""
        if len(running) >= self.jobs:
            return False
        taken = [sum(getattr(one, name) for one in running) for name in ("cpus", "memory_mb", "gpus")]
        wanted = (min(asked.cpus, self.cpus), asked.memory_mb, asked.gpus)
        return all(
            used + more <= limit
            for used, more, limit in zip(taken, wanted, (self.cpus, self.memory_mb, self.gpus), strict=True)
        )

    def check(self, steps: Iterable[StepSpec]) -> None:
        """Refuse a step that could never run here.

        Raises:
            PipelineError: it asks for more memory or accelerators than there are.
        """
        for step in steps:
            for what, asked, there in (
                ("MiB of memory", step.resources.memory_mb, self.memory_mb),
                ("GPUs", step.resources.gpus, self.gpus),
            ):
                if asked > there:
                    raise PipelineError(
                        f"step {step.name!r} asks for {asked:g} {what}",
                        expected=f"at most {there:g}, which this machine has",
                        hint="lower its `resources`, or run it on a cluster: --on ray",
                    )


def fate(step: StepSpec, needs: Iterable[str], steps: Mapping[str, Step]) -> tuple[Literal["wait", "skip", "go"], str]:
    """What is to be done with a step that waits, and why.

    Args:
        step: the step; one that always runs goes when all that it needs has ended, however that was.
        needs: the steps that it needs.
        steps: how all steps stand.
    """
    needed = [steps[name] for name in needs]
    if not step.always:
        for one in needed:
            if one.status in FAILURES or one.status == "skipped":
                return "skip", f"step {one.name!r}, which it needs, {'was skipped' if not one.failed else 'failed'}"
    ended = _ENDED if step.always else {"completed"}
    return ("go" if all(one.status in ended for one in needed) else "wait"), ""


def instances(plan: Plan, name: str) -> tuple[str, ...]:
    """The steps that a name means: those of its grid, or itself.

    Raises:
        NotFoundError: there is no such step.
    """
    if name in plan.groups:
        return plan.groups[name]
    if name in plan.needs:
        return (name,)
    raise NotFoundError(f"no step {name!r} in pipeline {plan.pipeline.name!r}", expected=", ".join(plan.groups))


def ahead(plan: Plan, names: Iterable[str]) -> frozenset[str]:
    """All that these steps need, at any remove; without themselves."""
    waiting = list(names)
    found: set[str] = set()
    while waiting:
        more = [one for one in plan.needs[waiting.pop()] if one not in found]
        found.update(more)
        waiting += more
    return frozenset(found)


def behind(plan: Plan, names: Iterable[str]) -> frozenset[str]:
    """These steps and all that need them, at any remove."""
    found = set(names)
    for step in plan.order:
        if found.intersection(plan.needs[step.name]):
            found.add(step.name)
    return frozenset(found)


def restricted(plan: Plan, names: Collection[str]) -> Plan:
    """The plan without what these steps do not need."""
    kept = ahead(plan, names).union(names)
    order = tuple(step for step in plan.order if step.name in kept)
    return dataclasses.replace(plan, order=order, needs={step.name: plan.needs[step.name] for step in order})


def live(plan: Plan) -> frozenset[str]:
    """The steps that are never taken from the cache: those with live effects, and all behind them."""
    return behind(plan, [step.name for step in plan.order if step.always or not step.cache])


def unsaid_needs(plan: Plan, step: StepSpec) -> frozenset[str]:
    """What a step needs by its `needs` alone: no parameter says what it takes from there."""
    said = {reference.step for reference in find(dict(step.parameters))}
    wanted = {name for need in step.needs if need not in said for name in plan.groups.get(need, (need,))}
    return frozenset(wanted.intersection(plan.needs[step.name]))
