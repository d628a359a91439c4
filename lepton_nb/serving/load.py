"""What a deployment answers just now, from the counts that its workers leave."""

from __future__ import annotations

import contextlib
import os
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..records import Load
from ..runtime import ModelError, read_object

__all__ = ["load_of", "tail"]

_FORGOTTEN_S = 90.0
_WORK = ("/predict", "other")


def load_of(folder: Path, now: float | None = None) -> Load | None:
    """Requests, latency and errors of about the last minute, over all workers; None when nothing was counted.

    Args:
        folder: of the deployment.
        now: seconds since the epoch; default: this moment.
    """
    now = time.time() if now is None else now
    recent: Counter[str] = Counter()
    total: Counter[str] = Counter()
    spans = []
    for path in folder.glob("metrics-*.json"):
        with contextlib.suppress(ModelError, KeyError, TypeError, ValueError):
            value = read_object(path)
            total.update(value["counts"])
            if now - float(value["time"]) < _FORGOTTEN_S:
                recent.update(value["recent"])
                spans.append(now - float(value["since"]))
    if not total:
        return None
    asked = {key: count for key, count in recent.items() if key.startswith("requests ") and key.split(" ")[1] in _WORK}
    requests = sum(asked.values())
    failed = sum(count for key, count in asked.items() if int(key.split(" ")[2]) >= 500)
    return Load(
        requests_per_s=requests / max(1.0, *spans) if spans else 0.0,
        p95_ms=_quantile(recent, 0.95),
        error_share=failed / requests if requests else 0.0,
        lost=int(total["lost  "]),
    )


def _quantile(counts: Counter[str], share: float) -> float | None:
    """A quantile of the latency of predictions in milliseconds, evenly spread within its bucket."""
    from ..runtime.metrics import BUCKETS_S

    edges: Sequence[float] = (0.0, *BUCKETS_S, BUCKETS_S[-1])
    buckets: list[int] = [
        sum(counts[f"bucket {path} {place}"] for path in _WORK) for place in range(len(BUCKETS_S) + 1)
    ]
    wanted, below = share * sum(buckets), 0
    for place, count in enumerate(buckets):
        if count and below + count >= wanted:
            low, high = edges[place], edges[place + 1]
            return round(1e3 * (low + (high - low) * (wanted - below) / count), 3)
        below += count
    return None


def tail(path: Path, lines: int) -> tuple[str, ...]:
    """The last lines of a text file; none when there is no file."""
    try:
        with path.open("rb") as stream:
            size = os.fstat(stream.fileno()).st_size
            stream.seek(max(0, size - 400 * lines))
            text: Any = stream.read().decode(errors="replace")
    except FileNotFoundError:
        return ()
    return tuple(text.splitlines()[-lines:])
