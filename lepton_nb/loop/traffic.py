"""What a deployment has answered so far, and how it did since: sums, so that any two moments can be compared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..scores import LATENCY_EDGES_MS, quantile
from ..workspace import Workspace

__all__ = ["Traffic", "Usual", "failing", "slow", "traffic_of"]

_BINS = len(LATENCY_EDGES_MS) + 1
# Below these a share or a quantile says nothing.
_REQUESTS, _ERRORS = 100, 5
_SHARE, _FACTOR, _MARGIN_MS = 0.01, 2.0, 5.0


@dataclass(frozen=True)
class Traffic:
    """Everything that a deployment has answered, or the difference of two such moments.

    Args:
        requests: answered or refused.
        failed: of these the server's fault (5xx).
        rows: per model version, unseen answers of a shadow too.
        latency: answered requests per bin of `scores.LATENCY_EDGES_MS`, int64.
    """

    requests: int = 0
    failed: int = 0
    rows: Mapping[str, int] = field(default_factory=dict)
    latency: NDArray[np.int64] = field(default_factory=lambda: np.zeros(_BINS, dtype=np.int64))

    def since(self, before: Traffic) -> Traffic:
        """What came after `before`."""
        rows = {version: count - before.rows.get(version, 0) for version, count in self.rows.items()}
        return Traffic(
            self.requests - before.requests, self.failed - before.failed, rows, self.latency - before.latency
        )

    def to_dict(self) -> dict[str, Any]:
        """The JSON object; empty bins are left out."""
        bins = {str(place): int(self.latency[place]) for place in np.flatnonzero(self.latency)}
        return {"requests": self.requests, "failed": self.failed, "rows": dict(self.rows), "latency": bins}

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Traffic:
        """The traffic of a JSON object; none of an empty one."""
        latency = np.zeros(_BINS, dtype=np.int64)
        for place, count in value.get("latency", {}).items():
            latency[int(place)] = count
        return cls(int(value.get("requests", 0)), int(value.get("failed", 0)), dict(value.get("rows", {})), latency)


@dataclass(frozen=True)
class Usual:
    """What traffic is like when all is well.

    Args:
        failed: share of the requests that are the server's fault.
        p95_ms: 95 % of the answers take no longer; None when that is not known.
    """

    failed: float = 0.0
    p95_ms: float | None = None

    @classmethod
    def of(cls, traffic: Traffic) -> Usual | None:
        """Of a stretch of traffic; None when it is too little to say."""
        if traffic.requests < _REQUESTS:
            return None
        return cls(traffic.failed / traffic.requests, quantile(traffic.latency, 0.95))

    def to_dict(self) -> dict[str, Any]:
        """The JSON object."""
        return {"failed": self.failed, "p95_ms": self.p95_ms}

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Usual:
        """Of a JSON object."""
        return cls(float(value.get("failed", 0.0)), value.get("p95_ms"))


def traffic_of(ws: Workspace, deployment: str) -> Traffic:
    """Everything that a deployment has answered so far.

    Raises:
        NotFoundError: there is no such deployment.
        FormatError: its log cannot be read.
    """
    from .. import monitoring

    counts = monitoring.observe(ws, deployment, step=monitoring.WHOLE).since(None)
    failed = sum(number for kind, number in counts.errors.items() if kind.startswith("5"))
    rows = {version: model.rows for version, model in counts.models.items()}
    return Traffic(counts.requests, failed, rows, np.asarray(counts.latency, dtype=np.int64))


def failing(traffic: Traffic, usual: Usual) -> str:
    """Why more requests of a stretch failed than usually do, one line; empty when they did not, or are too few to say.

    Example:
        >>> failing(Traffic(200, 50), Usual())
        '50 of 200 requests failed (25.0%, usually 0.0%)'
        >>> failing(Traffic(200, 0), Usual())
        ''
    """
    if traffic.failed < _ERRORS or traffic.failed / traffic.requests <= _FACTOR * usual.failed + _SHARE:
        return ""
    share = traffic.failed / traffic.requests
    return f"{traffic.failed} of {traffic.requests} requests failed ({share:.1%}, usually {usual.failed:.1%})"


def slow(traffic: Traffic, usual: Usual) -> str:
    """Why a stretch took longer than usual, one line; empty when it did not, or is too short to say."""
    if usual.p95_ms is None or int(traffic.latency.sum()) < _REQUESTS:
        return ""
    p95 = quantile(traffic.latency, 0.95)
    if p95 is None or p95 <= _FACTOR * usual.p95_ms + _MARGIN_MS:
        return ""
    return f"95 % of the answers take up to {p95:.3g} ms, usually {usual.p95_ms:.3g} ms"
