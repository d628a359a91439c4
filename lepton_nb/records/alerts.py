"""What an alert says of a deployment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

__all__ = ["Alert", "AlertStatus", "Severity"]

AlertStatus = Literal["quiet", "pending", "firing", "unknown", "broken"]
Severity = Literal["info", "warning", "critical"]


@dataclass(frozen=True)
class Alert:
    """One alert, as it was found just now.

    Args:
        name: unique in its file.
        status: `quiet`; `pending`, its rule holds but not long enough; `firing`; `unknown`, nobody can tell yet;
            `broken`, its rule cannot be evaluated.
        severity: how bad it is.
        rule: as it was written.
        message: what it says to people.
        since: since when its rule holds, seconds since the epoch; None where it does not.
        values: what its rule asked for.
        fault: why it is broken; else empty.
        waiting: deliveries of it that have not arrived.
        trouble: why the last of these has not.
    """

    name: str
    status: AlertStatus
    severity: Severity
    rule: str
    message: str
    since: float | None = None
    values: Mapping[str, Any] = field(default_factory=dict)
    fault: str = ""
    waiting: int = 0
    trouble: str = ""

    def __str__(self) -> str:
        return f"{self.name} ({self.severity}): {self.message}"
