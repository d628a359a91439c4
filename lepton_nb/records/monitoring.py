"""What is known of a model in production."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from .alerts import Alert
from .quality import Quality
from .shown import Result, Table

__all__ = ["Drift", "DriftStep", "FeatureDrift", "FeatureHistogram", "Health", "Traffic", "UsageStep"]


@dataclass(frozen=True)
class FeatureDrift:
    """One feature, current against reference.

    Args:
        name: the input's name, or `prediction` for the predicted class.
        psi: population stability index.
        js: Jensen-Shannon distance (base 2, 0 to 1).
        effect: the same distance with what chance alone adds at these sample sizes taken off: the effect size.
        p_value: of the binned counts: chi-square and, for numbers, Kolmogorov and Smirnov; the smallest, corrected for
            their number.
        adjusted: the p-value corrected over the features (Benjamini-Hochberg).
        drifted: significant and large enough.
        ks: statistic of Kolmogorov and Smirnov, 0 to 1; None for categories.
        ks_p_value: its p-value alone.
        unseen: share of the rows with a category that training did not see; None for numbers.
        missing: share of the rows without a value.
        out_of_range: share of the rows below or above all that training saw; None where that is not known.
    """

    name: str
    psi: float
    js: float
    effect: float
    p_value: float
    adjusted: float
    drifted: bool
    ks: float | None = None
    ks_p_value: float | None = None
    unseen: float | None = None
    missing: float = 0.0
    out_of_range: float | None = None


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
        rows = [
            (f.name, f.psi, f.ks, f.effect, f.adjusted, *_shares(f.unseen, f.missing, f.out_of_range), f.drifted)
            for f in self.features[:10]
        ]
        columns = ("feature", "PSI", "KS", "effect", "adjusted p", "unseen", "missing", "out of range", "drifted")
        return Table(f"drift: {self.verdict} ({self.rows} rows)", columns, rows)


def _shares(*shares: float | None) -> tuple[str | None, ...]:
    return tuple(None if one is None else f"{one:.1%}" for one in shares)


@dataclass(frozen=True)
class DriftStep:
    """The drift of one step of time.

    Args:
        start: its start, seconds since the epoch.
        seconds: its length.
        version: the model whose rows are compared with its own reference; None where none answered.
        drift: of these rows.
    """

    start: float
    seconds: float
    version: str | None
    drift: Drift


@dataclass(frozen=True)
class FeatureHistogram:
    """The counts of one feature before and now, in the same bins.

    Args:
        name: the input's name, or `prediction` for what was predicted.
        kind: `number` or `category`.
        edges: inner edges of the bins, one fewer than bins (number).
        categories: a name per bin (category).
        reference: rows per bin in training, or in the past window that is compared with.
        current: rows per bin now.
        reference_missing: rows without a value.
        current_missing: the same now.
        reference_unseen: rows with a category that training did not see; 0 for numbers.
        current_unseen: the same now.
    """

    name: str
    kind: Literal["number", "category"]
    edges: tuple[float, ...]
    categories: tuple[str, ...]
    reference: tuple[int, ...]
    current: tuple[int, ...]
    reference_missing: int
    current_missing: int
    reference_unseen: int = 0
    current_unseen: int = 0


@dataclass(frozen=True)
class UsageStep:
    """What the processes of a deployment used in one step of time.

    Args:
        start: its start, seconds since the epoch.
        seconds: its length.
        cpu: cores in use, the mean of all workers together; 1.5 is one and a half.
        memory_bytes: resident memory of a worker, the mean.
        workers: how many there were, the mean.
    """

    start: float
    seconds: float
    cpu: float
    memory_bytes: float
    workers: float


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
        quality: how often it is right, where that was asked for.
        alerts: as they stand, where that was asked for.
    """

    deployment: str
    verdict: Literal["healthy", "warning", "drifting", "failing"]
    reasons: tuple[str, ...]
    traffic: Traffic
    drift: Drift
    quality: Quality | None = None
    alerts: tuple[Alert, ...] = ()

    @property
    def exit_status(self) -> int:
        """0 healthy, 1 warning, 2 drifting, 3 failing."""
        return ("healthy", "warning", "drifting", "failing").index(self.verdict)

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
        rows += self.quality.rows() if self.quality else []
        rows += [(f"alert {one.name}", one.status) for one in self.alerts]
        return Table(f"{self.deployment}: {self.verdict}", (), rows, "; ".join(self.reasons))
