"""What of a deployment takes longer to find out: drift over time, histograms, quality, what it uses."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

from ... import figures
from ...figures import Event, Track
from ...records import Alert, Deployment, DriftStep, FeatureHistogram, Health, Quality, Segment, UsageStep, cell
from ..facts import Change, Depth
from ..question import Question
from .markup import SIGNS, Sections, ago, card, failure, link, table, text, toned

__all__ = ["deeper", "events_of", "verdict"]

_ACTIONS = {"promote": "P", "rollback": "R", "challenge": "C"}
_MOST_LINKS = 60
_SEGMENTS = 10
_SCORES = {
    "accuracy": "accuracy",
    "f1": "F1",
    "roc_auc": "AUC",
    "log_loss": "log loss",
    "calibration_error": "calibration error",
    "mae": "mean abs. error",
    "rmse": "RMSE",
}
_STATES = {"quiet": "\u2713", "pending": "\u2026", "firing": "!", "unknown": "?", "broken": "\u2715"}


def events_of(changes: Sequence[Change]) -> list[Event]:
    """The changes of what answers as marks of a curve: P for promoted, R for rolled back, C for a challenger."""
    return [Event(change.time, _ACTIONS.get(change.action, change.action[:1].upper())) for change in changes]


def verdict(deployment: Deployment, health: Health) -> str:
    """The verdict in words, with its reasons."""
    reasons = "".join(f"<li>{text(reason, 500)}</li>" for reason in health.reasons)
    where = f"{deployment.name}: {deployment.bento} at {deployment.url}"
    return (
        f"<section class='lepton-card lepton-verdict lepton-{health.verdict}' role='status' aria-live='polite'>"
        f"<b><span aria-hidden='true'>{SIGNS[health.verdict]}</span> "
        f"<span data-lepton='verdict'>{health.verdict}</span></b>"
        f"<ul data-lepton='reasons'>{reasons}</ul><span class='lepton-muted'>{text(where)}</span></section>"
    )


def deeper(question: Question, deployment: Deployment, depth: Depth, changes: Sequence[Change], now: float) -> Sections:
    """The sections that take longer.

    Args:
        question: what is asked.
        deployment: which.
        depth: what was found out.
        changes: of what answers.
        now: seconds since the epoch.
    """
    events = events_of(changes)
    parts: Sections = {}
    if depth.health is not None:
        parts["verdict"] = verdict(deployment, depth.health)
        parts["alerts"] = _alerts(depth.health.alerts, now)
    if any(step.drift.features for step in depth.drift):
        parts["heat"] = _heat(question, depth.drift)
    if depth.histograms:
        parts["feature"] = _feature(question, depth.histograms)
    if depth.health is not None and depth.health.quality is not None:
        parts["quality"] = _quality(depth.health.quality, events)
    if depth.usage:
        parts["usage"] = _usage(depth.usage, events)
    if depth.faults:
        parts["faults"] = failure("; ".join(depth.faults))
    return parts


def _heat(question: Question, steps: Sequence[DriftStep]) -> str:
    """Features that moved most at the top; of their order in one step nothing hangs."""
    most: dict[str, float] = {}
    seen: list[dict[str, float]] = []
    for step in steps:
        known = {one.name: one.effect for one in step.drift.features} if step.drift.drifted is not None else {}
        seen.append(known)
        for one in step.drift.features:
            most[one.name] = max(most.get(one.name, 0.0), known.get(one.name, 0.0))
    names = sorted(most, key=lambda name: (-round(most[name], 2), name))
    edges = [step.start for step in steps] + [steps[-1].start + max(step.seconds for step in steps)]
    values = [[known.get(name) for known in seen] for name in names]
    links = [question.link(feature=name) for name in names]
    drawn = figures.heat(names, edges, values, links=links)
    about = "A dot marks an effect above the threshold; gaps had too few rows. A click on a name compares its values."
    return card("Drift over time", f"{drawn}<p class='lepton-muted'>{about}</p>", key="heat")


def _feature(question: Question, found: Sequence[FeatureHistogram]) -> str:
    one = next((one for one in found if one.name == question.feature), found[0])
    bins, before, now = _bins(one)
    others = " ".join(
        link(question.link(feature=other.name), text(other.name, 40), here=True)
        if other.name != one.name
        else f"<b>{text(other.name, 40)}</b>"
        for other in found[:_MOST_LINKS]
    )
    rows = f"{sum(before):,} rows of the reference, {sum(now):,} of the traffic"
    drawn = figures.histograms(one.name, bins, before, now)
    body = f"{drawn}<p class='lepton-muted'>{rows}</p><p class='lepton-links'>{others}</p>"
    return card(f"Values of <span data-lepton='feature'>{text(one.name, 80)}</span>", body, key="histogram")


def _bins(one: FeatureHistogram) -> tuple[list[str], list[int], list[int]]:
    if one.kind == "category":
        bins = list(one.categories)
    else:
        inner = [f"{edge:.4g}" for edge in one.edges]
        bins = [f"below {inner[0]}" if inner else "all"]
        bins += [f"{low} to {high}" for low, high in itertools.pairwise(inner)]
        bins += [f"from {inner[-1]}"] if inner else []
    before, now = list(one.reference), list(one.current)
    for name, old, new in (
        ("not seen", one.reference_unseen, one.current_unseen),
        ("missing", one.reference_missing, one.current_missing),
    ):
        if old or new:
            bins.append(name)
            before.append(old)
            now.append(new)
    return bins, before, now


def _quality(found: Quality, events: Sequence[Event]) -> str:
    rows = [(text(name), text(cell(value))) for name, value in found.rows()]
    body = _over_time(found, events) + table(("score", "value"), rows, key="scores", numbers=1)
    if found.segments:
        body += _segments(found.segments[:_SEGMENTS])
    return card("Quality", body, key="quality")


def _over_time(found: Quality, events: Sequence[Event]) -> str:
    """Curves of what is known; scores of one scale share a picture."""
    measures = {"accuracy": "accuracy", "expected_accuracy": "expected (estimate)"}
    drawn = _curves(found, "Quality over time", measures, events, up=(0.0, 1.05), told=found.card_accuracy)
    measures = {"f1": "F1", "roc_auc": "AUC", "calibration_error": "calib. error"}
    drawn += _curves(found, "F1, AUC and calibration error over time", measures, events, up=(0.0, 1.05))
    drawn += _curves(found, "Log loss over time", {"log_loss": "log loss (nats)"}, events)
    return drawn + _curves(found, "Error over time", {"error": "mean abs. error", "rmse": "RMSE"}, events)


def _curves(
    found: Quality,
    title: str,
    measures: Mapping[str, str],
    events: Sequence[Event],
    *,
    up: tuple[float, float] | None = None,
    told: float | None = None,
) -> str:
    known = [step for step in found.steps if any(getattr(step, name) is not None for name in measures)]
    if not known:
        return ""
    middles = tuple(step.start + step.seconds / 2 for step in known)
    tracks = [Track(words, middles, tuple(getattr(step, name) for step in known)) for name, words in measures.items()]
    if told is not None:
        tracks.append(Track("model card", middles, (told,) * len(known)))
    return figures.trends(tracks, title=title, up=up, events=events)


def _segments(found: Sequence[Segment]) -> str:
    """The worst segments with every score that is known of one."""
    names = [name for name in _SCORES if any(getattr(one, name) is not None for one in found)]
    rows = [(text(f"{one}"), str(one.labelled), *(text(cell(getattr(one, name))) for name in names)) for one in found]
    columns = ("worst segments", "labelled", *(_SCORES[name] for name in names))
    return table(columns, rows, key="segments", numbers=len(columns) - 1)


def _alerts(found: Sequence[Alert], now: float) -> str:
    if not found:
        note = "No alert is set; next: <code>lepton monitor DEPLOYMENT --alerts FILE</code>."
        return card("Alerts", f"<p class='lepton-muted'>{note}</p>", key="alerts")
    rows = [
        (
            text(one.name, 60),
            toned(one.status, _STATES[one.status]),
            text(one.severity),
            text(one.rule, 120),
            text(one.fault or one.trouble or one.message, 200),
            "-" if one.since is None else ago(one.since, now),
        )
        for one in found
    ]
    return card("Alerts", table(("alert", "status", "severity", "rule", "says", "since"), rows, key="alert-rows"))


def _usage(steps: Sequence[UsageStep], events: Sequence[Event]) -> str:
    middles = tuple(step.start + step.seconds / 2 for step in steps)
    cpu = Track("cores in use", middles, tuple(step.cpu for step in steps))
    memory = Track("MiB per worker", middles, tuple(step.memory_bytes / 2**20 for step in steps))
    drawn = figures.trends([cpu], title="Processors in use", events=events)
    return card("What it uses", drawn + figures.trends([memory], title="Resident memory", events=events), key="usage")
