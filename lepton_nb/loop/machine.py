"""One step of a watch: the stage that it is in is done once, and the state behind it is on the disk."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from ..errors import ServingError
from ..records import Stage
from .context import Context
from .guarding import guarding, noticed, rolling_back
from .looking import collecting, watching
from .place import State
from .retraining import gating, retraining
from .rollout import asking, canary, promoting, shadow

__all__ = ["step"]

_STAGES: Mapping[Stage, Callable[[Context, State], State]] = MappingProxyType(
    {
        "watching": watching,
        "collecting": collecting,
        "retraining": retraining,
        "gating": gating,
        "asking": asking,
        "shadow": shadow,
        "canary": canary,
        "promoting": promoting,
        "guarding": guarding,
        "rolling back": rolling_back,
    }
)
_OF_A_PIPELINE = ("collecting", "retraining", "gating")


def step(ctx: Context, state: State) -> State:
    """Do what the state says, once.

    Each stage can be done again from its beginning, so that a watch that was killed goes on from its last decision.

    Args:
        ctx: the watch.
        state: as it was recorded last.

    Returns:
        The state as it is recorded now.

    Raises:
        ServingError: the deployment does not run.
        LeptonError: what the stage needs cannot be read; nothing has changed.
    """
    found = ctx.deployment()
    if isinstance(found, str):
        # Nothing there can be changed from here; its alerts have a thread of their own.
        return state if state.decisions else ctx.decide(state, "began", "watching", "it runs elsewhere: alerts alone")
    if found.status != "running":
        raise ServingError(f"deployment {ctx.name!r} is {found.status}", hint=f"lepton serve {found.bento}")
    if state.stage in _OF_A_PIPELINE and not ctx.options.pipeline:
        why = "the watch was begun anew without a pipeline"
        return ctx.decide(state, "abandoned", "watching", why, **ctx.anew(state, ctx.champion().bento))
    champion = ctx.champion().bento
    if state.champion and champion not in _expected(state) and _interferes(ctx, state):
        return noticed(ctx, state, champion)
    return _STAGES[state.stage](ctx, state)


def _expected(state: State) -> tuple[str, ...]:
    """What may answer without somebody else having changed it."""
    ours = {"promoting": state.challenger, "rolling back": state.former}
    return (state.champion, ours.get(state.stage, state.champion))


def _interferes(ctx: Context, state: State) -> bool:
    # A watch for alerts only never changes what answers.
    return bool(ctx.options.pipeline) or state.stage != "watching"
