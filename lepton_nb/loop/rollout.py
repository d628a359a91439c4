"""From a challenger that passed the gate to the champion: first unseen, then for some, then for all."""

from __future__ import annotations

import time
from typing import Any

from ..errors import LeptonError
from ..records import Stage
from ..runtime import CHALLENGER, CHAMPION
from .answers import Answers
from .context import Context
from .place import State
from .traffic import Traffic, Usual, traffic_of
from .worsening import worse

__all__ = ["asking", "canary", "promoting", "shadow"]

# A challenger that has not answered while the champion has answered this many times what is wanted does not answer.
_SILENT = 10


def asking(ctx: Context, state: State) -> State:
    """Wait for a person."""
    answer = Answers(ctx.place.folder).take(state.cycle)
    if answer is None:
        return state
    why = f"{state.challenger}{f': {answer.why}' if answer.why else ''}"
    if answer.approved:
        return ctx.decide(state, "approved", "shadow", why, traffic=ctx.traffic())
    waits = ctx.backed_off(state)
    return ctx.decide(state, "refused by a person", "watching", why, **ctx.anew(state, state.champion), **waits)


def shadow(ctx: Context, state: State) -> State:
    """The challenger answers everything, and nobody sees its answers."""
    behind: Stage = "canary" if ctx.options.canary else "promoting"
    return _tried(ctx, state, ctx.options.shadow, behind, shadow=True)


def canary(ctx: Context, state: State) -> State:
    """The challenger answers a share of the keys."""
    return _tried(ctx, state, ctx.options.canary_rows, "promoting", canary=ctx.options.canary)


def promoting(ctx: Context, state: State) -> State:
    """The challenger answers everybody."""
    from .. import serving

    if ctx.champion().bento != state.challenger:
        try:
            serving.promote(ctx.ws, ctx.name, ctx.bento(state.challenger), why=_why(state), report=ctx.report)
        except LeptonError as refused:
            # Such as classes in another order: no second try would find it otherwise.
            return _withdrawn(ctx, state, f"{state.challenger} cannot answer: {refused}", {})
    # A kill may have come between the two: the aliases are pointed whoever has promoted.
    ctx.point_aliases()
    changes = ctx.anew(state, state.challenger, former=state.champion)
    return ctx.decide(state, "promoted", "guarding", f"{state.challenger} answers", **changes)


def _tried(ctx: Context, state: State, wanted: int, behind: Stage, **how: Any) -> State:
    """Let the challenger answer so until it has answered enough rows; what goes worse ends it."""
    from .. import serving

    traffic = traffic_of(ctx.ws, ctx.name)
    if not wanted:
        return ctx.decide(state, "left out", behind, state.stage, traffic=traffic.to_dict())
    plan = ctx.plan()
    slot = plan.slots.get(CHALLENGER)
    if slot is None or slot.bento != state.challenger or (plan.canary, plan.shadow) != _stated(how):
        try:
            serving.promote(ctx.ws, ctx.name, ctx.bento(state.challenger), why=_why(state), report=ctx.report, **how)
        except LeptonError as cause:
            return _withdrawn(ctx, state, f"{state.challenger} cannot answer: {cause}", {})
        ctx.point_aliases()
        return state
    since = traffic.since(Traffic.from_dict(state.traffic))
    answered, beside = since.rows.get(state.challenger, 0), since.rows.get(plan.slots[CHAMPION].bento, 0)
    numbers = {"rows": answered, "requests": since.requests, "failed": since.failed}
    reason = worse(since, Usual.from_dict(state.usual), plan.slots[CHAMPION].path, slot.path)
    if answered < wanted and beside >= _SILENT * wanted / (plan.canary or 1):
        reason = reason or f"{state.challenger} answered {answered} rows while the champion answered {beside}"
    if answered < wanted and (waited := time.time() - state.begun) >= ctx.options.patience:
        # Without traffic nothing is proven, and what was true of it at the gate gets older.
        few = f"{state.challenger} answered {answered} of {wanted} rows as {state.stage} in {waited:.0f} s"
        reason = reason or f"{few}, the patience that it has"
    if reason:
        return _withdrawn(ctx, state, reason, numbers)
    if answered < wanted:
        return state
    # Once more: a kill may have come between the challenger and its alias.
    ctx.point_aliases()
    why = f"{state.challenger} answered {answered} rows as {state.stage}, and nothing went worse"
    return ctx.decide(state, f"{state.stage} done", behind, why, numbers, traffic=traffic.to_dict())


def _withdrawn(ctx: Context, state: State, why: str, numbers: dict[str, Any]) -> State:
    """The challenger is taken away, then that is recorded: a kill in between does both once more."""
    from .. import serving

    if CHALLENGER in ctx.plan().slots:
        serving.rollback(ctx.ws, ctx.name, why=why, report=ctx.report)
    ctx.point_aliases()
    waits = ctx.backed_off(state)
    return ctx.decide(state, "withdrawn", "watching", why, numbers, **ctx.anew(state, state.champion), **waits)


def _stated(how: dict[str, Any]) -> tuple[float, bool]:
    return float(how.get("canary", 0.0)), bool(how.get("shadow"))


def _why(state: State) -> str:
    return f"watch, retraining {state.cycle}"
