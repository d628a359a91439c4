"""What the pages of the deployments are made of, as values."""

from __future__ import annotations

import contextlib
import json
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .. import monitoring, serving
from ..errors import LeptonError
from ..records import Deployment, DriftStep, FeatureHistogram, Health, Quality, Traffic, UsageStep
from ..workspace import Workspace
from .newest import newest_lines
from .watching import Watched, watched

__all__ = ["Change", "Closer", "Depth", "Glance", "changes", "chosen", "closer", "depth", "glance", "whole_health"]

_MOST_CHANGES = 200
_RATE_S = 60.0


@dataclass(frozen=True)
class Glance:
    """A deployment in the list of all.

    Args:
        deployment: which.
        health: its verdict, or None where it cannot be read.
        rate: requests per second of the last minute.
        quality: in a few words; empty where nobody measures it.
        fault: why it cannot be read.
        recounted: before this moment failed requests are not known, seconds since the epoch; None where they are.
    """

    deployment: Deployment
    health: Health | None
    rate: float = 0.0
    quality: str = ""
    fault: str = ""
    recounted: float | None = None


@dataclass(frozen=True)
class Change:
    """A change of what answers.

    Args:
        time: seconds since the epoch.
        action: `promote`, `challenge`, `rollback` and the like.
        champion: the version that answers since then.
        challenger: the one beside it, or empty.
        before: the version that answered until then.
        why: one line.
    """

    time: float
    action: str
    champion: str
    challenger: str
    before: str
    why: str


@dataclass(frozen=True)
class Closer:
    """All that the page of one deployment shows.

    Args:
        deployment: which.
        health: its verdict, traffic and drift over the chosen time.
        steps: its traffic step by step.
        rate: requests per second of the last minute.
        errors: failed requests per status and code.
        versions: predictions per model version.
        changes: of what answers, oldest first.
        watch: over it; None where there was never one.
        recounted: before this moment failed requests are not known, seconds since the epoch; None where they are.
    """

    deployment: Deployment
    health: Health
    steps: tuple[Traffic, ...] = ()
    rate: float = 0.0
    errors: Mapping[str, int] = field(default_factory=dict)
    versions: Mapping[str, int] = field(default_factory=dict)
    changes: tuple[Change, ...] = ()
    watch: Watched | None = None
    recounted: float | None = None


@dataclass(frozen=True)
class Depth:
    """What takes longer to find out of a deployment.

    Args:
        drift: step by step.
        histograms: of each feature, before and now.
        health: with how often it is right and what its alerts say; None where that cannot be read.
        usage: of its processes, step by step.
        faults: why something of it cannot be shown.
    """

    drift: tuple[DriftStep, ...] = ()
    histograms: tuple[FeatureHistogram, ...] = ()
    health: Health | None = None
    usage: tuple[UsageStep, ...] = ()
    faults: tuple[str, ...] = ()


def depth(ws: Workspace, one: Deployment, seconds: float | None) -> Depth:
    """What takes longer to find out; what cannot be read is left out, with the reason."""
    found: dict[str, Any] = {}
    faults = []
    for name, read in (
        ("drift", monitoring.drift_over_time),
        ("histograms", monitoring.histograms),
        ("health", _monitored),
        ("usage", monitoring.usage),
    ):
        try:
            found[name] = read(ws, one, seconds)
        except LeptonError as fault:
            faults.append(f"{name}: {fault}")
    return Depth(**found, faults=tuple(faults))


def _monitored(ws: Workspace, one: Deployment, seconds: float | None) -> Health:
    """The whole verdict. Whoever looks at a page delivers no alert by that."""
    return monitoring.monitor(ws, one, seconds, deliver=False)


def glance(ws: Workspace, one: Deployment, seconds: float | None) -> Glance:
    """A deployment in short; one that cannot be read says why."""
    since = None if seconds is None else time.time() - seconds
    try:
        health = monitoring.health(ws, one, seconds)
        # What the verdict was made of: gathered once.
        observed = monitoring.observe(ws, one.name, since, step=monitoring.WHOLE)
        return Glance(one, health, _rate(ws, one), recounted=observed.recounted)
    except LeptonError as fault:
        return Glance(one, None, fault=str(fault))


def closer(ws: Workspace, one: Deployment, seconds: float | None, now: float) -> Closer:
    """A deployment in full.

    Raises:
        FormatError: its log or its windows cannot be read.
    """
    since = None if seconds is None else now - seconds
    # One window of all: nothing here is told over time.
    observed = monitoring.observe(ws, one.name, since, step=monitoring.WHOLE)
    counts = observed.since(None)
    return Closer(
        one,
        monitoring.health(ws, one, seconds),
        monitoring.traffic(ws, one, seconds),
        _rate(ws, one),
        dict(Counter(counts.errors).most_common()),
        {version: model.rows for version, model in counts.models.items()},
        changes(one.path),
        watched(ws, one.name),
        observed.recounted,
    )


def whole_health(ws: Workspace, one: Deployment, seconds: float | None) -> tuple[Health | None, str]:
    """The whole verdict of a deployment, and how often it is right, short enough for a cell."""
    try:
        health = _monitored(ws, one, seconds)
    except LeptonError:
        return None, ""
    return health, _in_words(health.quality)


def _in_words(found: Quality | None) -> str:
    if found is None:
        return ""
    if found.accuracy is not None:
        return f"{found.accuracy:.1%} of {found.labelled:,}"
    if found.mae is not None:
        return f"off by {found.mae:.3g}"
    return "" if found.expected_accuracy is None else f"about {found.expected_accuracy:.0%} (estimate)"


def changes(folder: Path) -> tuple[Change, ...]:
    """The newest changes of what answers in a deployment; a line that is broken is left out."""
    return tuple(_changes(folder / "slots-history.jsonl"))[-_MOST_CHANGES:]


def _changes(path: Path) -> Iterator[Change]:
    for line in newest_lines(path):
        with contextlib.suppress(ValueError, KeyError, TypeError):
            entry: dict[str, Any] = json.loads(line)
            yield Change(
                float(entry["time"]),
                str(entry["action"]),
                str(entry["champion"]),
                str(entry.get("challenger", "")),
                str(entry.get("before", "")),
                str(entry.get("why", "")),
            )


def _rate(ws: Workspace, one: Deployment) -> float:
    """Requests per second of the last minute, from whole windows."""
    if one.status not in ("running", "elsewhere"):
        return 0.0
    now = time.time()
    latest = monitoring.observe(ws, one.name, since=now - _RATE_S).windows.items()
    # The window that goes on is as long as it lasts so far.
    seconds = max(now - min((span.start for span, _ in latest), default=now), _RATE_S)
    return sum(counts.requests for _, counts in latest) / seconds


def every(ws: Workspace) -> tuple[Deployment, ...]:
    """The deployments of this machine and those that run elsewhere, by name."""
    found = (*serving.deployments(ws).deployments, *monitoring.living_elsewhere(ws))
    return tuple(sorted(found, key=lambda one: one.name))


def chosen(ws: Workspace, name: str) -> tuple[tuple[Deployment, ...], Deployment | None]:
    """Every deployment, and the one that is asked for; without a name the newest that runs."""
    found = every(ws)
    if name or not found:
        return found, next((one for one in found if one.name == name), None)
    return found, max(found, key=lambda one: (one.status == "running", one.created))
