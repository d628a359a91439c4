"""The whole state of a deployment: its traffic and drift, how often it is right, and what its alerts say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from ..errors import FormatError, NotFoundError
from ..records import Alert, Deployment, Health, Quality, ago
from ..workspace import Workspace
from .alerts import alerts, evaluate_alerts
from .comparing import Between
from .health import health
from .places import folder_of
from .quality import MINIMUM_LABELLED, quality

__all__ = ["monitor"]

_Verdict = Literal["healthy", "warning", "drifting", "failing"]
_WORST_FIRST: tuple[_Verdict, ...] = ("failing", "drifting", "warning", "healthy")
# How sure a fall of the accuracy must be: one look in a thousand may say so by chance.
_ALPHA = 1e-3
# A fall below the card that matters, and one after which the model fails at what it is for. Labels may come from a part
# of the traffic that is harder than the rest: below the first nothing is said, however sure it is.
_LOSS, _FAILING_LOSS = 0.03, 0.10
_LEVELS: dict[str, _Verdict] = {"info": "healthy", "warning": "warning", "critical": "failing"}


def monitor(
    ws: Workspace,
    deployment: Deployment | str,
    since: float | None = None,
    *,
    against: Between | None = None,
    deliver: bool = True,
) -> Health:
    """Look at a deployment as `health` does, at its quality and at its alerts, which are delivered.

    Accuracy that is lower than the model card's by more than chance explains (Fisher's exact test, p < 0.001, at least
    50 labels) is a warning from 3 points on, and `failing` from 10 points on. An estimate alone is a warning at most.

    Args:
        ws: the workspace.
        deployment: the deployment, or its name; by name alone nothing is known of its process.
        since: look at the last so many seconds, in whole windows; None looks at everything. Alerts have spans of
            their own.
        against: compare with this stretch of the past, as `health` does.
        deliver: evaluate the alerts and deliver them; without, they are as they stood at the last look, and nothing is
            written.

    Raises:
        NotFoundError: there is no such deployment.
        FormatError: its log, its windows or its labels cannot be read.
    """
    name = str(deployment)
    folder_of(ws, name)
    state, known = health(ws, deployment, since, against), quality(ws, deployment, since)
    found = _quality(known)
    told: tuple[Alert, ...] = ()
    try:
        told = evaluate_alerts(ws, deployment) if deliver else alerts(ws, deployment)
        found += _alerts(told)
    except (FormatError, NotFoundError) as cause:
        # A slip in their file must not hide how the deployment is.
        found.append(("warning", f"alerts: {cause}"))
    worst = min((*(level for level, _ in found), state.verdict), key=_WORST_FIRST.index)
    added = [(level, text) for level in _WORST_FIRST for one, text in found if one == level]
    reasons = [text for level, text in added if level != "healthy"]
    reasons += [*state.reasons, *(text for level, text in added if level == "healthy")]
    return replace(state, verdict=worst, reasons=tuple(reasons), quality=known, alerts=told)


def _quality(known: Quality) -> list[tuple[_Verdict, str]]:
    """What labels and the estimate say against what the model card says."""
    card = known.card_accuracy
    if card is None:
        return []
    if known.accuracy is not None and known.labelled >= MINIMUM_LABELLED:
        lost = card - known.accuracy
        if known.fell is None or known.fell >= _ALPHA or lost < _LOSS:
            return []
        text = f"accuracy {known.accuracy:.3f} of {known.labelled} labelled rows, the model card says {card:.3f}"
        return [("failing" if lost >= _FAILING_LOSS else "warning", text)]
    high = known.expected_high
    if known.expected_accuracy is not None and high is not None and card - high >= _LOSS:
        expected = f"accuracy is expected at {known.expected_accuracy:.3f} (an estimate)"
        return [("warning", f"{expected}, the model card says {card:.3f}")]
    return []


def _alerts(told: Sequence[Alert]) -> list[tuple[_Verdict, str]]:
    found: list[tuple[_Verdict, str]] = []
    for one in told:
        if one.status == "firing":
            since = "" if one.since is None else f", {ago(one.since)}"
            found.append((_LEVELS[one.severity], f"alert {one}{since}"))
        if one.status == "broken":
            found.append(("warning", f"alert {one.name} cannot be evaluated: {one.fault}"))
        if one.trouble:
            found.append(("warning", f"alert {one.name} is not delivered: {one.trouble}"))
    return found
