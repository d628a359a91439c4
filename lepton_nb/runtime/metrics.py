"""Request counters in Prometheus's text format, summed over the workers of one server.

Names follow BentoML's, so one dashboard reads both. Each worker leaves its counts in the log folder about once a
second; the worker that is asked adds the others' to its own.
"""

from __future__ import annotations

import bisect
import contextlib
import os
import threading
import time
from collections import Counter, deque
from pathlib import Path

import orjson
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .formats import FORMAT, uuid7

__all__ = ["BUCKETS_S", "Counters", "Measured", "exposition", "usage_line"]

BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_TOTAL = "bentoml_service_request_total"
_DURATION = "bentoml_service_request_duration_seconds"
_IN_PROGRESS = "bentoml_service_request_in_progress"
_LOST = "lepton_predictions_not_logged_total"
_UNSHADOWED = "lepton_shadow_answers_left_out_total"
_OTHER = "other"
_PAGE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096
_BLOCK = 16384
# What the counts of the last minute are taken from.
_RECENT_S = 60.0


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
        self._past: deque[tuple[float, Counter[str]]] = deque([(time.time(), Counter())])
        self._recent: dict[str, int] = {}
        self._file: int | None = None
        self.in_progress = 0

    def observe(self, path: str, status: int, seconds: float) -> None:
        """Count one answer."""
        endpoint = path if path in self._endpoints else _OTHER
        with self._lock:
            self._counts[f"requests {endpoint} {status}"] += 1
            self._counts[f"bucket {endpoint} {bisect.bisect_left(BUCKETS_S, seconds)}"] += 1
            self._counts[f"microseconds {endpoint} "] += round(seconds * 1e6)

    def left_out(self) -> None:
        """Count an answer of the shadow that was not made."""
        with self._lock:
            self._counts["unshadowed  "] += 1

    def lost(self, total: int) -> None:
        """Predictions of this worker that are not on the log."""
        with self._lock:
            if total:
                self._counts["lost  "] = total

    def flush(self, folder: Path) -> None:
        """Leave the counts for the other workers, and those of the last minute for who looks from outside."""
        with self._lock:
            counts = self._counts.copy()
        now = time.time()
        while len(self._past) > 1 and self._past[1][0] <= now - _RECENT_S:
            self._past.popleft()
        since, before = self._past[0]
        recent = {key: value - before[key] for key, value in counts.items() if value > before[key]}
        if counts == self._written and not recent and not self._recent:
            return
        self._past.append((now, counts))
        value = {"format": FORMAT, "counts": counts, "recent": recent, "since": since, "time": now, "pid": os.getpid()}
        self._leave(folder / self._name, orjson.dumps(value))
        self._written, self._recent = counts, recent

    def _leave(self, path: Path, content: bytes) -> None:
        """Write over what is there, on space that is ours already: a disk that is full still tells what it lost."""
        size = -(-len(content) // _BLOCK) * _BLOCK
        if self._file is None:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        os.pwrite(self._file, content.ljust(max(size, _BLOCK)), 0)

    def close(self) -> None:
        """No more counts are left."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

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


def exposition(counts: Counter[str], *, service: str, version: str, in_progress: int = 0) -> str:
    """The counts as Prometheus text, version 0.0.4.

    Args:
        counts: of `Counters.merged`.
        service: label `service_name`.
        version: label `service_version`.
        in_progress: requests that this worker has at hand.
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
    seconds, memory = _used()
    return "\n".join(
        [
            *_head(_TOTAL, "counter", "Total number of HTTP requests"),
            *totals,
            *_head(_DURATION, "histogram", "HTTP request duration in seconds"),
            *durations,
            *_head(_IN_PROGRESS, "gauge", "HTTP requests that this worker has at hand"),
            f"{_IN_PROGRESS}{{{common}}} {in_progress}",
            *_head(_LOST, "counter", "Requests that were answered, but could not be logged"),
            f"{_LOST}{{{common}}} {counts['lost  ']}",
            *_head(_UNSHADOWED, "counter", "Answers of the shadow that were left out"),
            f"{_UNSHADOWED}{{{common}}} {counts['unshadowed  ']}",
            *_head("process_cpu_seconds_total", "counter", "CPU seconds of the worker that answers this"),
            f"process_cpu_seconds_total {seconds}",
            *_head("process_resident_memory_bytes", "gauge", "Resident memory of the worker that answers this"),
            f"process_resident_memory_bytes {memory}",
            "",
        ]
    )


def _head(name: str, kind: str, text: str) -> tuple[str, str]:
    return f"# HELP {name} {text}", f"# TYPE {name} {kind}"


def _used() -> tuple[float, int]:
    """CPU seconds and resident bytes of this process; no bytes where the system does not tell."""
    times = os.times()
    try:
        memory = int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE
    except (OSError, ValueError, IndexError):
        memory = 0
    return round(times.user + times.system, 3), memory


def usage_line() -> bytes:
    """What this process uses now, as a line of `usage-<pid>-<seq>.jsonl`."""
    seconds, memory = _used()
    value = {"format": FORMAT, "time": time.time(), "pid": os.getpid(), "cpu_seconds": seconds, "memory_bytes": memory}
    return orjson.dumps(value, option=orjson.OPT_APPEND_NEWLINE)


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

        self._counters.in_progress += 1
        try:
            await self._app(scope, receive, watched)
        finally:
            self._counters.in_progress -= 1
            path = scope["path"].removeprefix(scope.get("root_path", ""))
            self._counters.observe(path, status, time.perf_counter() - begun)
