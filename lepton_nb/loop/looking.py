"""Is it time to retrain? The rule of `--when`, over windows of traffic and of labelled predictions."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from .. import rules
from ..errors import DataError, UsageError, near
from ..records import cell, plain
from ..scores import share_fell
from .context import Context
from .options import calls
from .place import State
from .traffic import Traffic, Usual, traffic_of

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Judged", "check_rule", "collecting", "judge", "watching"]

# Windows in a row: one may be chance, or a bad minute.
_IN_A_ROW = 2
# Names of a rule that are known from labels alone.
_OWN = ("quality", "quality_before", "decaying")
# Names that are true only once two windows in a row say so; any other rule must hold at two looks in a row.
_COUNTED = ("drifting", "decaying")
# The windows of traffic are a minute long.
_SHORTEST_S = 60.0
# A loss of accuracy that is worth a retraining, and how sure of it a window must be.
_LOSS, _ALPHA = 0.03, 1e-3
# What was seen long ago counts for less: a baseline of this many rows is halved.
_BASELINE_ROWS = 20_000


@dataclass(frozen=True)
class Judged:
    """What labels say of a window of predictions.

    Args:
        rows: labelled predictions.
        right: of these.
        decaying: whether fewer are right than before, by more than chance and by enough to matter.
        p_value: how likely chance alone does this.
    """

    rows: int
    right: int
    decaying: bool
    p_value: float

    @property
    def quality(self) -> float:
        """Accuracy; NaN without rows."""
        return self.right / self.rows if self.rows else math.nan


def judge(right: int, rows: int, before_right: int, before_rows: int) -> Judged:
    """Whether the quality of a window has fallen (Fisher's exact test, one-sided).

    Args:
        right: predictions of the window that were right, of `rows`.
        rows: labelled predictions of the window.
        before_right: those that were right while all was well, of `before_rows`.
        before_rows: number of these.

    Example:
        >>> judge(380, 500, 900, 1000).decaying, judge(440, 500, 900, 1000).decaying
        (True, False)
    """
    p_value = share_fell(right, rows, before_right, before_rows)
    fell = bool(rows and before_rows) and before_right / before_rows - right / rows >= _LOSS
    return Judged(rows, right, fell and p_value < _ALPHA, p_value)


@dataclass(frozen=True)
class _Asked:
    """A rule that holds: for what reason?

    Args:
        rule: the rule.
        values: of its names.
        functions: that it may call.
    """

    rule: str
    values: Mapping[str, Any]
    functions: Mapping[str, Callable[..., Any]]

    @property
    def is_counted(self) -> bool:
        """Whether it holds by names alone that are true from the second window in a row on."""
        return self._holds(lambda name: name in _COUNTED, traffic=False) is True

    def is_supported(self, *, labels: bool, traffic: bool) -> bool:
        """Whether what is new has a part in it: the same window looked at twice is no second one.

        Args:
            labels: whether there is a new window of labelled predictions.
            traffic: whether there is a new window of traffic.
        """
        new = self._holds(lambda name: labels if name in _OWN else traffic, traffic=traffic)
        old = self._holds(lambda name: not (labels if name in _OWN else traffic), traffic=not traffic)
        return new is True or old is not True

    def _holds(self, is_told: Callable[[str], bool], *, traffic: bool) -> bool | None:
        """Whether it holds when only some names are told, and functions only where traffic is."""
        values = {name: value if is_told(name) else rules.UNKNOWN for name, value in self.values.items()}
        functions = self.functions if traffic else dict.fromkeys(self.functions, lambda *_: rules.UNKNOWN)
        return rules.holds(self.rule, values, functions)


def watching(ctx: Context, state: State) -> State:
    """Look once; the next stage when the rule holds."""
    champion = ctx.champion().bento
    if not state.champion:
        return ctx.decide(state, "began", "watching", f"{champion} answers", **ctx.anew(state, champion))
    if not ctx.options.pipeline:
        return state
    now = time.time()
    windows = _windows(ctx, state, champion)
    passed = now - state.seen >= max(_SHORTEST_S, ctx.options.every)
    # What held while a retraining had to wait is asked once more when it has waited long enough.
    waited = 0.0 < state.not_before <= now
    if not (windows or passed or waited):
        return state
    state = replace(state, not_before=0.0 if waited else state.not_before)
    known, functions = _facts(ctx, now - state.seen)
    if passed:
        drifted = (
            {"drifted": state.drifted + 1, "opened": state.seen} if known.get("drifting") is True else {"drifted": 0}
        )
        state = replace(state, seen=now, **drifted)
    # Labels that came all at once are judged window by window, as if they had been looked at in between.
    for number, rows in enumerate(windows or [None]):
        state, numbers = (state, {}) if rows is None else _judged(state, rows)
        values = known | _own(state)
        held = rules.holds(ctx.options.when, values, functions) is True
        asked = _Asked(ctx.options.when, values, functions)
        more = asked.is_supported(labels=rows is not None, traffic=passed and not number)
        state = replace(state, held=state.held + more if held else 0)
        if held and not state.not_before and (state.held >= _IN_A_ROW or asked.is_counted):
            return _triggered(ctx, state, numbers | _asked(ctx, values, functions))
    return ctx.place.save(state if held else _usual(ctx, state))


def collecting(ctx: Context, state: State) -> State:
    """Wait until there are labels enough, then freeze them in two parts."""
    from .freezing import freeze, in_the_open

    if time.time() < state.not_before:
        return state
    rows = ctx.labelled(state.onset)
    if len(rows) < ctx.options.labels:
        return state
    try:
        rows = in_the_open(rows, ctx.signature())
        if len(rows) < ctx.options.labels:
            return state
        frozen = freeze(ctx.place.folder, rows, ctx.signature())
    except DataError as cause:
        waits = ctx.backed_off(state)
        why = f"there is nothing to retrain with: {cause}"
        return ctx.decide(state, "failed", "watching", why, **ctx.anew(state, state.champion), **waits)
    why = f"{frozen.train_rows} rows to train on, {frozen.gate_rows} for the gate"
    numbers = {"train_rows": frozen.train_rows, "gate_rows": frozen.gate_rows}
    return ctx.decide(state, "froze", "retraining", why, numbers, train=frozen.train.name, gate=frozen.gate.name)


def _triggered(ctx: Context, state: State, numbers: Mapping[str, Any]) -> State:
    told = plain(dict(numbers))
    why = ", ".join(f"{name} {cell(value)}" for name, value in told.items())
    onset = state.opened or time.time()
    return ctx.decide(state, "triggered", "collecting", why, told, cycle=state.cycle + 1, onset=onset)


def _windows(ctx: Context, state: State, champion: str) -> list[pa.Table]:
    """The champion's predictions whose labels are new, in the order they were told; only whole windows.

    A label may come a day after its prediction, and after those of later ones: it is judged by when it comes.
    """
    import pyarrow.compute as pc

    found = ctx.told(state.judged, state.judged_id)
    found, size = found.filter(pc.equal(found["version"], champion)), ctx.options.window
    return [found.slice(start, size) for start in range(0, len(found) - size + 1, size)]


def _judged(state: State, rows: pa.Table) -> tuple[State, dict[str, Any]]:
    """The state behind a window of labelled predictions, and what is to be told of it."""
    import pyarrow.compute as pc

    right = int(pc.sum(pc.equal(rows["label"], rows["truth"])).as_py() or 0)
    found = judge(right, len(rows), state.right, state.rows)
    changes: dict[str, Any] = {
        "quality": found.quality,
        "judged": rows["told"][-1].as_py(),
        "judged_id": rows["id"][-1].as_py(),
    }
    if found.decaying:
        changes |= {"decayed": state.decayed + 1, "opened": pc.min(rows["time"]).as_py()}
    else:
        # A window in which all was well: it is what later ones are compared with.
        halved = 1 + (state.rows > _BASELINE_ROWS)
        changes |= {"decayed": 0, "right": (state.right + right) // halved, "rows": (state.rows + len(rows)) // halved}
    before = state.right / state.rows if state.rows else math.nan
    return replace(state, **changes), {"quality": found.quality, "before": before, "p_value": found.p_value}


def _facts(ctx: Context, seconds: float) -> tuple[dict[str, Any], Mapping[str, Callable[..., Any]]]:
    """What the rules of alerts know of the last so many seconds; nothing where this rule does not ask for it."""
    from .. import monitoring

    if not calls(ctx.options.when) and set(rules.names(ctx.options.when)) <= set(_OWN):
        return {}, {}
    values, functions = monitoring.facts(ctx.ws, ctx.name, max(_SHORTEST_S, seconds))
    return dict(values), functions


def _own(state: State) -> dict[str, Any]:
    """What this watch knows itself."""
    before = state.right / state.rows if state.rows else rules.UNKNOWN
    quality = rules.UNKNOWN if state.quality is None else state.quality
    values = (quality, before, state.decayed >= _IN_A_ROW, state.drifted >= _IN_A_ROW)
    return dict(zip((*_OWN, "drifting"), values, strict=True))


def _asked(ctx: Context, values: Mapping[str, Any], functions: Mapping[str, Callable[..., Any]]) -> dict[str, Any]:
    """What the rule asked for, as far as it is known."""
    names = rules.names(ctx.options.when, functions)
    return {name: values[name] for name in names if values[name] is not rules.UNKNOWN}


def check_rule(ctx: Context) -> None:
    """Refuse a rule that could never be decided.

    Raises:
        RuleError: it is none, or calls what is no function.
        UsageError: it asks for what nobody tells.
    """
    from .. import monitoring

    known, functions = monitoring.names_of(ctx.ws, ctx.name)
    legal = tuple(dict.fromkeys((*_OWN, "drifting", *known)))
    if strange := [name for name in rules.names(ctx.options.when, functions) if name not in legal]:
        raise UsageError(
            f"--when asks for {strange[0]!r}, which nobody tells",
            expected=", ".join(legal),
            hint=near(strange[0], legal),
        )


def _usual(ctx: Context, state: State) -> State:
    """The state with what traffic was like since it was looked at last, when that is enough to say."""
    now = traffic_of(ctx.ws, ctx.name)
    usual = Usual.of(now.since(Traffic.from_dict(state.traffic)))
    return state if usual is None else replace(state, usual=usual.to_dict(), traffic=now.to_dict())
