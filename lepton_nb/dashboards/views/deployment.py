"""One deployment in full."""

from __future__ import annotations

from collections.abc import Sequence

from ... import figures
from ...records import Deployment
from ..facts import Change, Closer
from ..question import Question
from .deeper import events_of, verdict
from .loop import loop
from .markup import Sections, ago, card, clock, head, ms, number, sections_of, share, table, text, tiles, unknown_errors

__all__ = ["deployment", "missing"]

_DRIFTED = "a feature has drifted when chance does not explain the difference and it is larger than the threshold"


def missing(question: Question, found: Sequence[Deployment]) -> Sections:
    """The page when what is asked for is not there."""
    if question.name:
        what = f"<h2>There is no deployment {text(question.name)}</h2><p>Choose one of those there are.</p>"
    else:
        what = "<h2>Nothing is deployed</h2><p>Next: <code>lepton serve BENTO</code>.</p>"
    body = f"<section class='lepton-card' data-lepton='nothing'>{what}</section>"
    return sections_of(_head(question, found, question.name), {"nothing": body})


def deployment(question: Question, found: Sequence[Deployment], one: Closer, now: float) -> Sections:
    """The sections of the page of one deployment.

    Args:
        question: what is asked.
        found: every deployment.
        one: the one that is looked at.
        now: seconds since the epoch.
    """
    events = events_of(one.changes)
    drift = one.health.drift
    judged = f"{drift.rows:,} rows compared with the training data"
    if drift.drifted is None:
        judged = f"{drift.rows:,} rows of the {drift.minimum} that a verdict needs"
    said = f"Drift per feature: <span data-lepton='drift'>{text(drift.verdict)}</span>"
    about = f"<p class='lepton-muted'>{judged}; {_DRIFTED} (Jensen-Shannon distance).</p>"
    return sections_of(
        _head(question, found, one.deployment.name),
        {
            "verdict": verdict(one.deployment, one.health),
            "tiles": _tiles(one),
            "traffic": card("Requests per second", figures.requests(one.steps, events)),
            "latency": card("Latency", figures.latency(one.steps, events)),
            "errors": card("Failed requests", _errors(one)),
            "predictions": card("Predictions per class", figures.mix(one.steps)),
            "drift": card(said, figures.drift(drift) + about),
            "versions": card("Versions", _versions(one, now)),
        },
        {"loop": loop(one.watch, now)} if one.watch else {},
    )


def _head(question: Question, found: Sequence[Deployment], chosen: str) -> Sections:
    names = [(one.name, one.name) for one in found]
    names = names if chosen in [name for name, _ in names] else [(chosen, chosen or "none"), *names]
    return head(question, [("name", "deployment", names, chosen)])


def _tiles(one: Closer) -> str:
    traffic = one.health.traffic
    return tiles(
        [
            ("status", "status", text(one.deployment.status), ""),
            ("requests", "requests", number(traffic.requests), ""),
            ("rate", "last minute", f"{one.rate:.2f}", "requests/s"),
            (
                "errors",
                "errors",
                number(traffic.errors),
                unknown_errors(one.recounted) or share(traffic.errors, traffic.requests),
            ),
            ("p50", "latency p50", ms(traffic.p50_ms), "ms"),
            ("p95", "latency p95", ms(traffic.p95_ms), "ms"),
            ("p99", "latency p99", ms(traffic.p99_ms), "ms"),
            ("predictions", "predictions", number(traffic.predictions), ""),
        ]
    )


def _errors(one: Closer) -> str:
    unknown = unknown_errors(one.recounted)
    said = f"<p class='lepton-muted' data-lepton='unknown-errors'>Failed requests are {unknown}.</p>" if unknown else ""
    if not one.errors:
        return said or "<p data-lepton='no-errors'>No request failed.</p>"
    # Of requests before then it is not known whether they failed: there is no whole to have a share of.
    requests = 0 if unknown else one.health.traffic.requests
    rows = [(text(kind), number(count), share(count, requests)) for kind, count in one.errors.items()]
    return table(("status and code", "requests", "share"), rows, key="error-kinds", numbers=2) + said


def _versions(one: Closer, now: float) -> str:
    counted = [(text(version, 80), number(rows)) for version, rows in sorted(one.versions.items())]
    body = table(("version", "predictions"), counted, key="versions", numbers=1) if counted else ""
    if not one.changes:
        return body + "<p class='lepton-muted'>What answers was never changed.</p>"
    rows = [_change(change, now) for change in reversed(one.changes[-12:])]
    return body + table(("", "when", "what", "version", "before", "why"), rows, key="changes")


def _change(change: Change, now: float) -> tuple[str, ...]:
    version = change.challenger if change.action == "challenge" else change.champion
    when = f"<span title='{clock(change.time)}'>{ago(change.time, now)}</span>"
    (event,) = events_of([change])
    return text(event.sign), when, text(change.action), text(version, 80), text(change.before, 80), text(change.why)
