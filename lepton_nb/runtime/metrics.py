"""Request counters in Prometheus's text format, summed over the workers of one server.

Names follow BentoML's, so one dashboard reads both. Each worker leaves its counts in the log folder about once a
second; the worker that is asked adds the others' to its own.
"""

from __future__ import annotations

import bisect
import contextlib
import threading
import time
from collections import Counter
from pathlib import Path

import orjson
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .formats import FORMAT, uuid7

__all__ = ["Counters", "Measured"]

BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_TOTAL = "bentoml_service_request_total"
_DURATION = "bentoml_service_request_duration_seconds"
_OTHER = "other"


class Counters:
    """What one worker has answered.

    Args:
        endpoints: the paths counted by name; any other path counts as `other`.
    """

    def __init__(self, endpoints: tuple[str, ...]) -> None:
        self._endpoints = frozenset(endpoints)
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._written: Counter[str] = Counter()
        self._name = f"metrics-{uuid7()}.json"

    def observe(self, path: str, status: int, seconds: float) -> None:
        """Count one answer."""
        endpoint = path if path in self._endpoints else _OTHER
        with self._lock:
            self._counts[f"requests {endpoint} {status}"] += 1
            self._counts[f"bucket {endpoint} {bisect.bisect_left(BUCKETS_S, seconds)}"] += 1
            self._counts[f"microseconds {endpoint} "] += round(seconds * 1e6)

    def flush(self, folder: Path) -> None:
        """Leave the counts for the other workers, when they changed."""
        with self._lock:
            counts = self._counts.copy()
        if counts == self._written:
            return
        temporary = folder / f".{self._name}"
        temporary.write_bytes(orjson.dumps({"format": FORMAT, "counts": counts}))
        temporary.replace(folder / self._name)
        self._written = counts

    def merged(self, folder: Path | None) -> Counter[str]:
        """These counts and those of the other workers."""
        with self._lock:
            counts = self._counts.copy()
        for path in folder.glob("metrics-*.json") if folder else ():
            # A file that is gone or broken by now counts nothing.
            with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
                if path.name != self._name:
                    counts.update(orjson.loads(path.read_bytes())["counts"])
        return counts


def exposition(counts: Counter[str], *, service: str, version: str) -> str:
    """The counts as Prometheus text, version 0.0.4.

    Args:
        counts: of `Counters.merged`.
        service: label `service_name`.
        version: label `service_version`.
    """
    common = f'service_name="{_escaped(service)}",service_version="{_escaped(version)}"'
    totals, durations = [], []
    for key in sorted(counts):
        kind, endpoint, last = key.split(" ")
        if kind == "requests":
            labels = f'endpoint="{endpoint}",{common},http_response_code="{last}"'
            totals.append(f"{_TOTAL}{{{labels}}} {counts[key]}")
        elif kind == "microseconds":
            durations += _histogram(counts, endpoint, f'endpoint="{endpoint}",{common}')
    head = (f"# HELP {_TOTAL} Total number of HTTP requests", f"# TYPE {_TOTAL} counter")
    then = (f"# HELP {_DURATION} HTTP request duration in seconds", f"# TYPE {_DURATION} histogram")
    return "\n".join([*head, *totals, *then, *durations, ""])


def _histogram(counts: Counter[str], endpoint: str, labels: str) -> list[str]:
    lines, below = [], 0
    for index, edge in enumerate((*BUCKETS_S, "+Inf")):
        below += counts[f"bucket {endpoint} {index}"]
        lines.append(f'{_DURATION}_bucket{{{labels},le="{edge}"}} {below}')
    seconds = counts[f"microseconds {endpoint} "] / 1e6
    return [*lines, f"{_DURATION}_sum{{{labels}}} {seconds}", f"{_DURATION}_count{{{labels}}} {below}"]


def _escaped(label: str) -> str:
    return label.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


class Measured:
    """Counts every answer of the app behind it.

    Args:
        app: what stands behind it.
        counters: where the answers are counted.
    """

    def __init__(self, app: ASGIApp, counters: Counters) -> None:
        self._app, self._counters = app, counters

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and count its answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun, status = time.perf_counter(), 500

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, watched)
        finally:
            path = scope["path"].removeprefix(scope.get("root_path", ""))
            self._counters.observe(path, status, time.perf_counter() - begun)
