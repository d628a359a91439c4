"""What is known of a model in production."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from .shown import Result, Table

__all__ = ["Drift", "FeatureDrift", "Health", "Traffic"]


@dataclass(frozen=True)
class FeatureDrift:
    """One feature, current against reference.

    Args:
        name: the input's name, or `prediction` for the predicted class.
        psi: population stability index.
        js: Jensen-Shannon distance (base 2, 0 to 1).
        effect: the same distance with what chance alone adds at these sample sizes taken off: the effect size.
        p_value: chi-square test on the binned counts.
        adjusted: the p-value corrected over the features (Benjamini-Hochberg).
        drifted: significant and large enough.
    """

    name: str
    psi: float
    js: float
    effect: float
    p_value: float
    adjusted: float
    drifted: bool


@dataclass(frozen=True)
class Drift(Result):
    """Whether the inputs and outputs still look like the training data.

    Args:
        drifted: True, False, or None when there are fewer than `minimum` rows.
        rows: predictions looked at.
        minimum: rows below which no verdict is given.
        features: every feature, most drifted first.
    """

    drifted: bool | None
    rows: int
    minimum: int
    features: tuple[FeatureDrift, ...]

    @property
    def verdict(self) -> str:
        """`drifting`, `ordinary`, or `too few rows`."""
        return {True: "drifting", False: "ordinary", None: "too few rows"}[self.drifted]

    def table(self) -> Table:
        """One line per feature, the ten most drifted."""
        rows = [(f.name, f.psi, f.effect, f.adjusted, f.drifted) for f in self.features[:10]]
        title = f"drift: {self.verdict} ({self.rows} rows)"
        return Table(title, ("feature", "PSI", "effect", "adjusted p", "drifted"), rows)


@dataclass(frozen=True)
class Traffic:
    """What a deployment did in one window of time.

    Args:
        start: start of the window, seconds since the epoch.
        seconds: its length.
        predictions: rows answered.
        requests: requests answered or refused; one request may ask for many rows.
        errors: requests that failed.
        p50_ms: median latency in milliseconds, or None without predictions; p95 and p99 alike.
        labels: predictions per predicted class.
    """

    start: float
    seconds: float
    predictions: int
    requests: int
    errors: int
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    labels: dict[str, int]


@dataclass(frozen=True)
class Health(Result):
    """The state of a deployment, with the reasons for the verdict.

    Args:
        deployment: its name.
        verdict: the worst of what was found.
        reasons: one line each.
        traffic: everything since `since`, as one window.
        drift: inputs and outputs against the training reference.
    """

    deployment: str
    verdict: Literal["healthy", "warning", "drifting", "failing"]
    reasons: tuple[str, ...]
    traffic: Traffic
    drift: Drift

    def table(self) -> Table:
        """Verdict, traffic and the features that moved most."""
        traffic = self.traffic
        rows: list[tuple[object, ...]] = [
            ("predictions", traffic.predictions),
            ("errors", traffic.errors),
            ("p50 / p95 / p99 ms", (traffic.p50_ms, traffic.p95_ms, traffic.p99_ms)),
            ("drift", self.drift.verdict),
        ]
        rows += [("moved", f"{f.name} (PSI {f.psi:.3g})") for f in self.drift.features if f.drifted][:5]
        return Table(f"{self.deployment}: {self.verdict}", (), rows, "; ".join(self.reasons))
