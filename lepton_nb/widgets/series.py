"""A curve that grows: a bounded number of its points, its extremes among them."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..records import Line

__all__ = ["MOST_POINTS", "Series"]

_BUCKETS = 400
# Two of a bucket, a gap in it, and the first and the last point of all.
MOST_POINTS = 3 * _BUCKETS + 2

_Point = tuple[int, float]


@dataclass(slots=True)
class _Bucket:
    """Neighbouring points, of which the lowest, the highest and a gap are kept."""

    count: int
    low: _Point | None
    high: _Point | None
    gap: int | None

    @classmethod
    def of(cls, step: int, value: float) -> _Bucket:
        """One point; one that is not finite is a gap."""
        if math.isfinite(value):
            return cls(1, (step, value), (step, value), None)
        return cls(1, None, None, step)

    def take(self, other: _Bucket) -> None:
        """Take in the points of the bucket that follows."""
        self.count += other.count
        if self.low is None or (other.low is not None and other.low[1] < self.low[1]):
            self.low = other.low
        if self.high is None or (other.high is not None and other.high[1] > self.high[1]):
            self.high = other.high
        if self.gap is None:
            self.gap = other.gap

    def points(self) -> set[_Point]:
        """What is kept, a gap as NaN."""
        kept = {point for point in (self.low, self.high) if point is not None}
        return kept if self.gap is None else kept | {(self.gap, math.nan)}


class Series:
    """One curve. However many points come, at most `MOST_POINTS` are kept.

    Neighbouring points share a bucket, which keeps its lowest and highest; when there are too many buckets, two become
    one. So the curve keeps its outline, with every extreme in it.

    Args:
        name: of the metric.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.version = 0
        self._kept = 0
        self._size = 1
        self._buckets: list[_Bucket] = []
        self._first: _Point | None = None
        self._last: _Point | None = None
        self._again = False

    @property
    def count(self) -> int:
        """Points that came."""
        return self._kept + (self._last is not None)

    @property
    def last(self) -> float:
        """The newest value; NaN when there is none."""
        return math.nan if self._last is None else self._last[1]

    def add(self, step: int, value: float) -> None:
        """Take one point. At the same step the newer value counts; an earlier step is late and does not."""
        if self._again:
            self._again = False
            self._cut(step)
        if not math.isfinite(value):
            value = math.nan
        if self._last is None:
            self._first = (step, value)
        elif step < self._last[0]:
            return
        elif step > self._last[0]:
            self._keep(*self._last)
        elif self._first is not None and self._first[0] == step:
            self._first = (step, value)
        self._last = (step, value)
        self.version += 1

    def go_on(self) -> None:
        """The training went on from a checkpoint: what was measured behind it is measured again."""
        self._again = True

    def line(self) -> Line:
        """The points that are kept, by ascending step; the first and the last are the very ones that came."""
        ends = {point for point in (self._first, self._last) if point is not None}
        kept = {step: value for bucket in self._buckets for step, value in bucket.points()}
        kept |= dict(ends)
        steps = tuple(sorted(kept))
        return Line(self.name, steps, tuple(kept[step] for step in steps))

    def _keep(self, step: int, value: float) -> None:
        """Put a point into a bucket. The newest waits outside, since its value may still change."""
        self._kept += 1
        new = _Bucket.of(step, value)
        if self._buckets and self._buckets[-1].count < self._size:
            self._buckets[-1].take(new)
            return
        if len(self._buckets) == _BUCKETS:
            self._halve()
        self._buckets.append(new)

    def _halve(self) -> None:
        pairs = zip(self._buckets[::2], self._buckets[1::2], strict=True)
        merged = []
        for left, right in pairs:
            left.take(right)
            merged.append(left)
        self._buckets = merged
        self._size *= 2

    def _cut(self, step: int) -> None:
        """Drop what lies at `step` or behind it; what is left counts for itself only."""
        line = self.line()
        before = [(at, value) for at, value in zip(line.steps, line.values, strict=True) if at < step]
        if len(before) == len(line.steps):
            return
        self._kept, self._size, self._buckets = 0, 1, []
        self._first, self._last = (before[0], before.pop()) if before else (None, None)
        for point in before:
            self._keep(*point)
