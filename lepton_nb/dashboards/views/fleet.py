"""All deployments at a glance."""

from __future__ import annotations

from collections.abc import Sequence

from ..facts import Glance
from ..question import Question
from .markup import Sections, ago, head, link, ms, number, sections_of, share, table, text, toned, unknown_errors

__all__ = ["fleet"]

_NOTHING = (
    "<section class='lepton-card' data-lepton='nothing'><h2>Nothing is deployed</h2>"
    "<p>Next: <code>lepton serve BENTO</code>, or <code>%lepton serve BENTO</code> in a notebook. "
    "This page shows it as soon as it runs.</p></section>"
)
_COLUMNS = ("deployment", "status", "verdict", "why", "drift", "quality", "model", "age")
_NUMBERS = ("requests", "requests/s", "p95 ms", "errors")


def fleet(question: Question, glances: Sequence[Glance], now: float) -> Sections:
    """The sections of the fleet page.

    Args:
        question: what is asked.
        glances: every deployment.
        now: seconds since the epoch.
    """
    if not glances:
        return sections_of(head(question), {"nothing": _NOTHING})
    rows = [_row(question, one, now) for one in glances]
    body = table((*_COLUMNS, *_NUMBERS), rows, key="fleet", numbers=len(_NUMBERS))
    return sections_of(head(question), {"table": f"<section class='lepton-card'>{body}</section>"})


def _row(question: Question, one: Glance, now: float) -> tuple[str, ...]:
    deployment, health = one.deployment, one.health
    name = link(question.link("deployment", name=deployment.name), text(deployment.name, 64))
    status = toned(deployment.status)
    model, age = text(deployment.bento, 80), ago(deployment.created, now)
    if health is None:
        return name, status, toned("failing"), text(one.fault, 160), "-", "-", model, age, "-", "-", "-", "-"
    traffic, drift = health.traffic, health.drift
    moved = sum(feature.drifted for feature in drift.features)
    drifted = f"{moved} of {len(drift.features)} moved" if moved else drift.verdict
    return (
        name,
        status,
        toned(health.verdict),
        text("; ".join(health.reasons), 160),
        text(drifted),
        text(one.quality or "-"),
        model,
        age,
        number(traffic.requests),
        f"{one.rate:.2f}",
        ms(traffic.p95_ms),
        unknown_errors(one.recounted) or share(traffic.errors, traffic.requests),
    )
