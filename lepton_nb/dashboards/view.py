"""What the page of the deployments says: values in, HTML out. Every text from outside is escaped here."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape

from .. import figures
from ..records import Deployment, Health, Traffic

__all__ = ["Overview", "Selected", "failure", "figure_cards", "headline", "nothing", "overview", "tiles", "verdict"]

# A sign beside each word, so that no meaning rests on a colour alone.
_SIGNS = {"healthy": "✓", "warning": "!", "drifting": "≠", "failing": "✕"}


@dataclass(frozen=True)
class Selected:
    """What is known of the deployment that is looked at.

    Args:
        deployment: which.
        health: its verdict, traffic and drift over the chosen time.
        steps: its traffic step by step.
        rate: requests per second of the last minute.
    """

    deployment: Deployment
    health: Health
    steps: tuple[Traffic, ...] = ()
    rate: float = 0.0


@dataclass(frozen=True)
class Overview:
    """What the whole page shows.

    Args:
        deployments: every deployment with its health; None where it cannot be read.
        selected: the one that is looked at.
        fault: why it cannot be shown, else empty.
    """

    deployments: Sequence[tuple[Deployment, Health | None]] = field(default_factory=tuple)
    selected: Selected | None = None
    fault: str = ""


def headline(moment: float, *, seconds: float) -> str:
    """The title with the time of the last update.

    Args:
        moment: when the page was brought up to date, seconds since the epoch.
        seconds: how often that happens.
    """
    clock = time.strftime("%H:%M:%S", time.localtime(moment))
    return (
        f"<h1>Deployments</h1><div class='lepton-muted'>last update <time data-lepton='updated'>{clock}</time>, "
        f"every {seconds:g} s by itself</div>"
    )


def nothing() -> str:
    """What to do when nothing is deployed."""
    return (
        "<section class='lepton-card' data-lepton='nothing'><h2>Nothing is deployed</h2>"
        "<p>Next: <code>lepton serve BENTO</code>, or <code>%lepton serve BENTO</code> in a notebook. "
        "This page shows it as soon as it runs.</p></section>"
    )


def failure(text: str) -> str:
    """Something that hinders the page, in one line."""
    sign = _SIGNS["failing"]
    return (
        "<section class='lepton-card lepton-verdict lepton-failing' role='alert' data-lepton='failure'>"
        f"<b>{sign} cannot be shown</b> <span>{escape(text)}</span></section>"
    )


def overview(found: Sequence[tuple[Deployment, Health | None]], selected: str) -> str:
    """One line per deployment."""
    titles = ("deployment", "status", "verdict", "model")
    numbers = ("requests", "errors", "p95 ms")
    head = "".join(f"<th scope='col'>{title}</th>" for title in titles)
    head += "".join(f"<th scope='col' class='lepton-number'>{title}</th>" for title in numbers)
    rows = "".join(_line(deployment, health, deployment.name == selected) for deployment, health in found)
    return (
        "<section class='lepton-card'><h2>All deployments</h2><div class='lepton-scroll'>"
        f"<table data-lepton='overview'><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div></section>"
    )


def _line(deployment: Deployment, health: Health | None, current: bool) -> str:
    traffic = health.traffic if health else None
    numbers = (traffic.requests, traffic.errors, _ms(traffic.p95_ms)) if traffic else ("-", "-", "-")
    verdict = _toned(health.verdict) if health else "-"
    cells = "".join(f"<td>{text}</td>" for text in (escape(deployment.name), escape(deployment.status), verdict))
    cells += f"<td>{escape(deployment.bento)}</td>"
    cells += "".join(f"<td class='lepton-number'>{_number(value)}</td>" for value in numbers)
    return f"<tr{' aria-current=true' if current else ''}>{cells}</tr>"


def verdict(selected: Selected) -> str:
    """The verdict in words, with its reasons."""
    health = selected.health
    reasons = "".join(f"<li>{escape(reason)}</li>" for reason in health.reasons)
    where = f"{selected.deployment.name}: {selected.deployment.bento} at {selected.deployment.url}"
    return (
        f"<section class='lepton-card lepton-verdict lepton-{health.verdict}' role='status' aria-live='polite'>"
        f"<b><span aria-hidden='true'>{_SIGNS[health.verdict]}</span> "
        f"<span data-lepton='verdict'>{health.verdict}</span></b>"
        f"<ul data-lepton='reasons'>{reasons}</ul><span class='lepton-muted'>{escape(where)}</span></section>"
    )


def tiles(selected: Selected) -> str:
    """The numbers that matter most."""
    traffic, deployment = selected.health.traffic, selected.deployment
    share = traffic.errors / traffic.requests if traffic.requests else 0.0
    entries = (
        ("status", "status", escape(deployment.status), ""),
        ("requests", "requests", _number(traffic.requests), ""),
        ("rate", "last minute", f"{selected.rate:.2f}", "requests/s"),
        ("errors", "errors", _number(traffic.errors), f"{share:.1%}"),
        ("p50", "latency p50", _ms(traffic.p50_ms), "ms"),
        ("p95", "latency p95", _ms(traffic.p95_ms), "ms"),
        ("p99", "latency p99", _ms(traffic.p99_ms), "ms"),
        ("predictions", "predictions", _number(traffic.predictions), ""),
    )
    cards = "".join(
        f"<div class='lepton-card'><div class='lepton-name'>{title}</div>"
        f"<div class='lepton-value'><span data-lepton='{key}'>{value}</span> <small>{unit}</small></div></div>"
        for key, title, value, unit in entries
    )
    return f"<div class='lepton-tiles'>{cards}</div>"


def figure_cards(selected: Selected) -> tuple[str, str, str, str]:
    """The four figures, each in its card: requests, latency, prediction mix, drift."""
    drift = selected.health.drift
    judged = f"{drift.rows:,} rows compared with the training data"
    if drift.drifted is None:
        judged = f"{drift.rows:,} rows of the {drift.minimum} that a verdict needs"
    said = f"Drift per feature: <span data-lepton='drift'>{drift.verdict}</span>"
    return (
        _card("Requests per second", figures.requests(selected.steps)),
        _card("Latency", figures.latency(selected.steps)),
        _card("Predictions per class", figures.mix(selected.steps)),
        _card(
            said,
            figures.drift(drift) + f"<p class='lepton-muted'>{judged}; a feature has drifted when chance does "
            "not explain the difference and it is larger than the threshold (Jensen-Shannon distance).</p>",
        ),
    )


def _card(title: str, body: str) -> str:
    return f"<section class='lepton-card lepton-figure'><h2>{title}</h2>{body}</section>"


def _toned(word: str) -> str:
    return f"<span class='lepton-{word}'><span class='lepton-tone'>{_SIGNS[word]} {word}</span></span>"


def _number(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)


def _ms(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.2f}" if value < 100 else f"{value:,.0f}"
