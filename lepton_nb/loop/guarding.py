"""Behind a promotion: the new champion is watched, and what answered before comes back when it does worse."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..scores import mcnemar, share_fell
from .context import Context
from .freezing import in_the_open, rows_of
from .measuring import right_answers
from .place import State
from .traffic import Traffic, Usual, traffic_of
from .worsening import worse

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["guarding", "noticed", "rolling_back"]

# Labels are looked at again and again while they come: chance alone must hardly ever do this.
_ALPHA, _LOSS, _LEAST_ROWS, _MOST_ROWS = 1e-3, 0.02, 100, 5000


def guarding(ctx: Context, state: State) -> State:
    """Look once at errors, latency and quality since the promotion."""
    traffic = traffic_of(ctx.ws, ctx.name).since(Traffic.from_dict(state.traffic))
    numbers: dict[str, Any] = {"requests": traffic.requests, "failed": traffic.failed}
    reason = worse(traffic, Usual.from_dict(state.usual), _former(ctx, state), ctx.champion().path)
    if not reason:
        reason, more = _quality(ctx, state)
        numbers |= more
    if reason:
        why = f"{state.champion} does worse than {state.former}: {reason}"
        return ctx.decide(state, "worse", "rolling back", why, numbers)
    if time.time() - state.begun < ctx.options.guard:
        return state
    why = f"{state.champion} was watched for {ctx.options.guard:.0f} s, and nothing went worse"
    return ctx.decide(
        state, "kept", "watching", why, numbers, **ctx.anew(state, state.champion, failures=0, not_before=0.0)
    )


def rolling_back(ctx: Context, state: State) -> State:
    """Have what answered before answer again."""
    from .. import serving

    plan = ctx.plan()
    if ctx.champion().bento != state.former:
        why = f"watch: {state.last.get('why', '')}"
        if plan.previous is not None and plan.previous.bento == state.former:
            changed = serving.rollback(ctx.ws, ctx.name, why=why, report=ctx.report)
        else:
            changed = serving.promote(ctx.ws, ctx.name, ctx.bento(state.former), why=why, report=ctx.report)
        ctx.point_aliases()
        if changed.bento != state.former:
            # A challenger was in the way, and is gone now.
            return state
    # A kill may have come before the aliases were pointed.
    ctx.point_aliases()
    waits = ctx.backed_off(state)
    return ctx.decide(
        state, "rolled back", "watching", f"{state.former} answers again", **ctx.anew(state, state.former), **waits
    )


def noticed(ctx: Context, state: State, champion: str) -> State:
    """Somebody else has changed what answers: their champion is watched as one of ours is."""
    if state.stage == "guarding" and champion == state.former:
        why = f"somebody has {champion} answer again"
        return ctx.decide(state, "rolled back by a person", "watching", why, **ctx.anew(state, champion))
    why = f"somebody has {champion} answer instead of {state.champion}"
    return ctx.decide(state, "noticed", "guarding", why, **ctx.anew(state, champion, former=state.champion))


def _former(ctx: Context, state: State) -> Path:
    """The model folder of what answered before."""
    previous = ctx.plan().previous
    return previous.path if previous and previous.bento == state.former else ctx.bento(state.former).model


def _quality(ctx: Context, state: State) -> tuple[str, dict[str, Any]]:
    """Whether the former champion would have been right more often on what this one answered."""
    import pyarrow.compute as pc

    found = ctx.labelled(state.begun)
    found = found.filter(pc.equal(found["version"], state.champion))
    found = found.slice(max(0, len(found) - _MOST_ROWS))
    numbers: dict[str, Any] = {"labelled": len(found)}
    if len(found) < _LEAST_ROWS:
        return "", numbers
    try:
        shown = in_the_open(found, ctx.signature())
        if len(shown) < _LEAST_ROWS:
            return _promised(state, found, numbers)
        before = right_answers(_former(ctx, state), rows_of(shown, ctx.signature()))
    except Exception as cause:  # noqa: BLE001 - whatever keeps the two from being compared, the watch goes on
        # What answered before is gone, or tells no class, or its inputs are not on the log as they were.
        return _promised(state, found, numbers | {"former": f"unknown: {cause}"})
    found = shown
    now = _right(found)
    accuracy, former, p_value = float(now.mean()), float(before.mean()), mcnemar(now, before)
    numbers |= {"accuracy": accuracy, "former_accuracy": former, "p_value": p_value}
    if p_value < _ALPHA and former - accuracy >= _LOSS:
        return f"right in {accuracy:.1%} of {len(found)} labelled rows, the former one in {former:.1%}", numbers
    return "", numbers


def _promised(state: State, found: pa.Table, numbers: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Whether this one is right less often than was known of it, where it cannot be compared row by row."""
    right, rows = int(_right(found).sum()), len(found)
    if not state.rows:
        return "", numbers | {"accuracy": right / rows}
    promised = state.right / state.rows
    p_value = share_fell(right, rows, state.right, state.rows)
    numbers |= {"accuracy": right / rows, "promised_accuracy": promised, "p_value": p_value}
    if p_value < _ALPHA and promised - right / rows >= _LOSS:
        return f"right in {right / rows:.1%} of {rows} labelled rows, {promised:.1%} was known of it", numbers
    return "", numbers


def _right(found: pa.Table) -> Any:
    import numpy as np

    return np.array(found["label"].to_pylist(), dtype=object) == np.array(found["truth"].to_pylist(), dtype=object)
