"""A run's network in other formats, and what each of them costs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from .shown import Result, Table

__all__ = ["Export", "Exports"]


@dataclass(frozen=True)
class Export:
    """One file, measured from its own bytes.

    Args:
        format: `onnx`, `onnx-int8`, `pt2` or `executorch`.
        path: the file.
        size_bytes: its size.
        sha256: SHA-256 of its bytes.
        latency_p50_ms: median milliseconds for one row, one thread, in process.
        latency_p95_ms: 95th percentile of the same.
        difference: largest absolute difference of a probability to the trained network's.
        accuracy: share of the rows whose class it names.
        accuracy_lost: the trained network's accuracy less this one's; below 0 where it is the better one.
        note: what it takes, or how it was made; may be empty.
    """

    format: str
    path: Path
    size_bytes: int
    sha256: str
    latency_p50_ms: float
    latency_p95_ms: float
    difference: float
    accuracy: float
    accuracy_lost: float
    note: str


@dataclass(frozen=True)
class Exports(Result):
    """The files that a run was exported to, side by side.

    Args:
        run: id of the run.
        name: name of the run.
        rows: number of test rows that all were measured on.
        accuracy: of the trained network on them.
        files: one per format, in the order they were asked for.
    """

    run: str
    name: str
    rows: int
    accuracy: float
    files: tuple[Export, ...]

    def table(self) -> Table:
        """A row per format, and below it what a number alone does not say."""
        rows = [
            (
                one.format,
                f"{one.size_bytes:,}",
                f"{one.latency_p50_ms:.3f} / {one.latency_p95_ms:.3f}",
                f"{one.difference:.2g}",
                one.accuracy,
                f"{one.accuracy_lost:.4f}",
                str(one.path),
            )
            for one in self.files
        ]
        return Table(
            f"run {self.name} ({self.run[:8]}) on {self.rows} test rows, one at a time, on one thread of this machine; "
            f"the trained network's accuracy is {self.accuracy:.4g}",
            ("format", "bytes", "p50 / p95 ms", "largest difference", "accuracy", "lost", "file"),
            rows,
            "\n".join(f"{one.format}: {one.note}" for one in self.files if one.note),
        )
