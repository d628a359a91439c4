"""What a worker does beside answering: share its counts, note what it uses, collect garbage, tend the log."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import time
from typing import TYPE_CHECKING

from .metrics import usage_line
from .predlog import PredictionLog
from .sealing import announce, tend

if TYPE_CHECKING:
    from .worker import Worker

__all__ = ["upkeep"]

_EVERY_S, _USAGE_S, _TEND_S = 1.0, 10.0, 30.0
# Garbage is collected when no request is at hand, and at the latest after so long.
_GARBAGE_S = 20.0


async def upkeep(worker: Worker) -> None:
    """Once a second, until cancelled. Nothing of it fails a request or ends the server."""
    settings = worker.settings
    assert settings is not None  # noqa: S101 - it is called when the worker has started
    usage = PredictionLog(settings.log_dir, name="usage")
    announce(settings)
    used, tended, collected = 0.0, time.monotonic(), time.monotonic()
    try:
        while True:
            await asyncio.sleep(_EVERY_S)
            now = time.monotonic()
            if not worker.counters.in_progress or now - collected > _GARBAGE_S:
                gc.collect()
                collected = now
            if settings.log_dir is None:
                continue
            worker.count_lost()
            with contextlib.suppress(OSError):
                worker.counters.flush(settings.log_dir)
            if now - used >= _USAGE_S:
                used = now
                usage.append(usage_line())
            if now - tended >= _TEND_S or (settings.segment_s < _TEND_S and now - tended >= settings.segment_s):
                tended = now
                for one in worker.logs():
                    one.seal()
                closed = set().union(*(one.closed for one in worker.logs()))
                await asyncio.to_thread(tend, settings, closed)
    finally:
        usage.close()
