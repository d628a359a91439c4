"""How is a deployment? Its traffic, and a verdict with reasons."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Literal

from ..drift import MINIMUM_ROWS
from ..records import Deployment, Drift, Health, Traffic
from ..runtime import CHAMPION, ModelError, read_reference, read_slots
from ..scores import quantile
from ..workspace import Workspace
from .comparing import Between, compared, past_of
from .counts import Counts, ModelCounts
from .stepping import step_of, steps
from .windows import WHOLE, Observed, folder_of, observe

__all__ = ["health", "traffic", "traffic_of"]

# The share of requests that may fail before a verdict says so.
_FAILING_SHARE = 0.05

_Verdict = Literal["healthy", "warning", "drifting", "failing"]
_WORST_FIRST: tuple[_Verdict, ...] = ("failing", "drifting", "warning", "healthy")


def health(
    ws: Workspace, deployment: Deployment | str, since: float | None = None, against: Between | None = None
) -> Health:
    """The state of a deployment: is it up, does it answer, does it still see what it was trained on?

    Args:
        ws: the workspace.
        deployment: the deployment, or its name; by name alone nothing is known of its process.
        since: look at the last so many seconds, in whole windows; None looks at everything.
        against: compare with this stretch of the past, from and to in seconds since the epoch; None compares with the
            training data.

    Raises:
        NotFoundError: there is no such deployment.
        DataError: nothing was answered in `against`.
        FormatError: its log or its windows cannot be read.
    """
    name, now = str(deployment), time.time()
    observed = observe(ws, name, None if since is None else now - since, WHOLE)
    counts = observed.since(None)
    drifting, hints = _drift(ws, name, counts, against)
    found = _process(deployment) + _failures(counts) + hints + _unread(observed)
    verdict = next(level for level in _WORST_FIRST if level == "healthy" or level in [one for one, _ in found])
    reasons = [text for level in _WORST_FIRST for one, text in found if one == level]
    return Health(name, verdict, tuple(reasons), _whole(observed, counts, since, now), drifting)


def traffic(
    ws: Workspace, deployment: Deployment | str, since: float | None = None, step_seconds: float | None = None
) -> tuple[Traffic, ...]:
    """What a deployment did, step by step.

    Args:
        ws: the workspace.
        deployment: the deployment, or its name.
        since: begin so many seconds ago; None begins with the first window.
        step_seconds: length of a step, rounded up to whole windows of a minute; None makes at most 60 steps.

    Returns:
        One entry per step, oldest first, quiet ones too, up to now, or to the last window of a deployment that does
        not run; the step that goes on is as long as it lasts so far. Empty when nothing was ever asked.

    Raises:
        NotFoundError: there is no such deployment.
    """
    now = time.time()
    begin = now - since if since is not None else observe(ws, str(deployment), step=WHOLE).begin
    if begin is None:
        return ()
    step = step_of(now - begin, step_seconds)
    observed = observe(ws, str(deployment), since=None if since is None else begin, step=step)
    if since is None and isinstance(deployment, Deployment) and deployment.status not in ("running", "elsewhere"):
        now = max((span.start + span.seconds for span in observed.windows), default=now) - 1
    return traffic_of(observed, now, since, step_seconds)


def traffic_of(
    observed: Observed, now: float, since: float | None, step_seconds: float | None = None
) -> tuple[Traffic, ...]:
    """The steps of `traffic`, as a function of what was observed and of the clock."""
    if not observed.windows:
        return ()
    begin = now - since if since is not None else min(span.start for span in observed.windows)
    end = max(now, *(span.start for span in observed.windows))
    step = step_of(end - begin, step_seconds)
    return tuple(_traffic(*one) for one in steps(observed.windows, begin, end, step))


def _traffic(start: float, seconds: float, counts: Counts) -> Traffic:
    p50, p95, p99 = (quantile(counts.latency, q) for q in (0.5, 0.95, 0.99))
    errors = counts.errors.total()
    return Traffic(start, seconds, counts.rows, counts.requests, errors, p50, p95, p99, dict(counts.labels))


def _whole(observed: Observed, counts: Counts, since: float | None, now: float) -> Traffic:
    begun = now - since if since is not None else observed.begin if observed.begin is not None else now
    return _traffic(begun, now - begun, counts)


def _drift(
    ws: Workspace, name: str, counts: Counts, against: Between | None
) -> tuple[Drift, list[tuple[_Verdict, str]]]:
    """The drift of the champion, and what hinders the comparison."""
    try:
        champion = read_slots(folder_of(ws, name) / "slots.json")[CHAMPION]
        reference = read_reference(champion.path)
    except ModelError as cause:
        return Drift(None, 0, MINIMUM_ROWS, ()), [("warning", f"drift is unknown: {cause}")]
    seen = counts.models.get(champion.bento, ModelCounts())
    found = compared(seen, reference, past_of(ws, name, champion.bento, against))
    if found.drifted:
        moved = [one.name for one in found.features if one.drifted]
        what = "training data" if against is None else "past window"
        more = f" and {len(moved) - 3} more" if len(moved) > 3 else ""
        return found, [("drifting", f"{', '.join(moved[:3])}{more} moved away from the {what}")]
    if found.drifted is None and found.rows:
        return found, [("healthy", f"too few rows for a drift verdict ({found.rows} of {found.minimum})")]
    return found, []


def _process(deployment: Deployment | str) -> list[tuple[_Verdict, str]]:
    if isinstance(deployment, str) or deployment.status in ("running", "elsewhere"):
        return []
    if deployment.status == "failed":
        return [("failing", deployment.cause or f"its process {deployment.pid} has ended")]
    return [("warning", "it is stopped")]


def _failures(counts: Counts) -> list[tuple[_Verdict, str]]:
    if not counts.requests:
        return [("healthy", "no predictions yet")]
    found: list[tuple[_Verdict, str]] = []
    refused = {kind: number for kind, number in counts.errors.items() if not kind.startswith("5")}
    if (number := sum(refused.values())) >= _FAILING_SHARE * counts.requests and number:
        found.append(("warning", f"{number} of {counts.requests} requests were refused ({_listed(refused)})"))
    broken = {kind: number for kind, number in counts.errors.items() if kind.startswith("5")}
    if number := sum(broken.values()):
        level: _Verdict = "failing" if number >= _FAILING_SHARE * counts.requests else "warning"
        found.append((level, f"{number} of {counts.requests} requests failed in the server ({_listed(broken)})"))
    return found


def _listed(kinds: Mapping[str, int]) -> str:
    return ", ".join(f"{kind}: {number}" for kind, number in sorted(kinds.items()))


def _unread(observed: Observed) -> list[tuple[_Verdict, str]]:
    found: list[tuple[_Verdict, str]] = []
    if observed.broken:
        found.append(("warning", f"{observed.broken} lines of the prediction log are broken"))
    if observed.recounted is not None:
        until = time.strftime("%Y-%m-%d %H:%M", time.gmtime(observed.recounted))
        lost = "windows were lost and counted again from sealed rows: failed requests and use of the machine"
        found.append(("healthy", f"{lost} before {until} UTC are not known"))
    return found
