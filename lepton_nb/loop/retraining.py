"""A retraining: the pipeline runs on the frozen rows, and what it made meets the gate."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import LeptonError, NotFoundError, PipelineError
from ..records import Bento, PipelineRun
from .context import Context
from .freezing import read_rows, target_of
from .gate import Gate, Verdict
from .measuring import Rows, compare
from .options import DATA, TARGET, check_pipeline
from .place import State

__all__ = ["gating", "retraining"]


def retraining(ctx: Context, state: State) -> State:
    """Run the pipeline; it goes on where it was, when it was interrupted."""
    from .. import pipelines

    path = Path(ctx.options.pipeline)
    began = time.monotonic()
    try:
        known: dict[str, Any] = {
            DATA: str(ctx.file(state.train)),
            TARGET: target_of(ctx.signature()),
            "name": ctx.name,
            "seed": state.cycle,
        }
        given = {name: known[name] for name in check_pipeline(path)}
        run = pipelines.run(ctx.ws, path, given, ctx.report, jobs=1, executor=ctx.executor)
        bento = _made(ctx, run)
    except LeptonError as cause:
        waits = ctx.backed_off(state)
        why = f"the pipeline failed, and is tried again in {waits['not_before'] - time.time():.0f} s: {cause}"
        return ctx.decide(state, "failed", "collecting", why, {"failures": waits["failures"]}, **waits)
    numbers = {"pipeline": run.id, "bento": bento.tag, "seconds": time.monotonic() - began}
    return ctx.decide(state, "retrained", "gating", bento.tag, numbers, challenger=bento.tag)


def gating(ctx: Context, state: State) -> State:
    """Measure champion and challenger on rows that the pipeline never received, and let the gate say."""
    facts: dict[str, float] = {}
    try:
        gate = Gate.read(Path(ctx.options.gate) if ctx.options.gate else None)
        facts = _measured(ctx, state)
        verdict = gate.judge(facts)
    except Exception as cause:  # noqa: BLE001 - whatever keeps the gate from being computed, nothing is promoted
        verdict = Verdict(False, (f"the gate cannot be computed: {cause}",))
    if not verdict.passed:
        why = f"{state.challenger} does not pass: {'; '.join(verdict.reasons)}"
        waits = ctx.backed_off(state)
        return ctx.decide(state, "refused", "watching", why, facts, **ctx.anew(state, state.champion), **waits)
    why = f"{state.challenger} passes{_told(facts)}"
    return ctx.decide(state, "passed", "asking" if ctx.options.ask else "shadow", why, facts, traffic=ctx.traffic())


def _measured(ctx: Context, state: State) -> dict[str, float]:
    champion, challenger = ctx.champion(), ctx.bento(state.challenger)
    facts = compare(champion.path, challenger.model, read_rows(ctx.file(state.gate), ctx.signature()), seed=state.cycle)
    if ctx.options.trusted:
        facts |= compare(champion.path, challenger.model, _trusted(ctx), prefix="trusted.", seed=state.cycle)
    return facts


def _trusted(ctx: Context) -> Rows:
    """The held-out rows of the trusted set."""
    import numpy as np

    from .. import data

    found = data.find(ctx.ws, ctx.options.trusted)
    inputs, targets = data.read(found, "test")
    return Rows(inputs, np.array(found.classes, dtype=object)[targets])


def _made(ctx: Context, run: PipelineRun) -> Bento:
    """The Bento that a pipeline's last output of that name means, else that of the run that it names."""
    from .. import artifact, packaging, tracking

    outputs: dict[str, Mapping[str, Any]] = {}
    for step in run.steps:
        outputs |= {name: value for name, value in step.outputs.items() if name in ("bento", "run")}
    if "bento" in outputs:
        return ctx.bento(str(outputs["bento"]))
    if "run" not in outputs:
        raise PipelineError(
            f"pipeline {run.pipeline} names nothing that it made",
            expected="a step with %lepton output bento=... or run=...",
        )
    made = tracking.get(ctx.ws, str(outputs["run"]))
    try:
        return packaging.of_run(ctx.ws, made)
    except NotFoundError:
        return packaging.package(ctx.ws, made, artifact.data_of(ctx.ws, made), name=ctx.name)


def _told(facts: Mapping[str, float]) -> str:
    names = ("champion.accuracy", "challenger.accuracy", "p_value")
    if not facts.keys() >= set(names):
        return ""
    before, after, p_value = (facts[name] for name in names)
    return f": accuracy {before:.4f} -> {after:.4f} on {facts['rows']:.0f} gate rows (p {p_value:.2g})"
