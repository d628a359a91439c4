"""What the processes of a deployment use: counted from the lines that they leave of themselves."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import orjson

from ..errors import FormatError
from ..runtime import FORMAT
from .counts import Counts

__all__ = ["UsageBatch", "count_usage"]

_SECONDS = 60
# A process tells of itself every ten seconds; over a longer silence nobody knows what it used.
_SILENCE_S = 60.0


@dataclass
class UsageBatch:
    """What a stretch of the lines held.

    Args:
        last: time and CPU seconds of the last line.
        windows: counts per window, by its start in seconds since the epoch.
        broken: lines that are none of ours.
    """

    last: tuple[float, float] | None
    windows: dict[int, Counts] = field(default_factory=dict)
    broken: int = 0


def count_usage(lines: Sequence[bytes], last: tuple[float, float] | None = None) -> UsageBatch:
    """Count lines of `usage-<pid>-<seq>.jsonl` into windows of a minute.

    Args:
        lines: whole lines, in their order.
        last: the `last` of the lines before these.

    Raises:
        FormatError: a line has a newer format than this version reads.
    """
    batch = UsageBatch(last)
    for line in lines:
        try:
            entry = orjson.loads(line)
            number, time = int(entry["format"]), float(entry["time"])
            cpu, memory = float(entry["cpu_seconds"]), float(entry["memory_bytes"])
        except (ValueError, TypeError, KeyError):
            batch.broken += 1
            continue
        if number > FORMAT:
            raise FormatError(
                f"the log of what was used has lines of format {number}",
                expected=f"format {FORMAT} or older",
                hint="upgrade lepton_nb to the version that serves this deployment",
            )
        if not all(map(math.isfinite, (time, cpu, memory))):
            batch.broken += 1
            continue
        before, batch.last = batch.last, (time, cpu)
        if before is None or not 0 < time - before[0] <= _SILENCE_S or cpu < before[1]:
            continue
        milliseconds = (time - before[0]) * 1e3
        used = np.array([(cpu - before[1]) * 1e6, memory / 1024 * milliseconds, milliseconds]).round().astype(np.int64)
        start = int(before[0] // _SECONDS) * _SECONDS
        batch.windows.setdefault(start, Counts()).add(Counts(usage=used))
    return batch
