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
        difference: largest absolute difference of a probability, or of another output, to the trained network's.
        accuracy: share of the rows whose class it names; None where it names none, or the right one is not known.
        accuracy_lost: the trained network's accuracy less this one's; below 0 where it is the better one.
        note: what it takes, or how it was made; may be empty.
        error: of a model that names no class its `measure` of `Exports`; None where there is none.
        error_added: this one's error less the trained network's.
    """

    format: str
    path: Path
    size_bytes: int
    sha256: str
    latency_p50_ms: float
    latency_p95_ms: float
    difference: float
    accuracy: float | None
    accuracy_lost: float | None
    note: str
    error: float | None = None
    error_added: float | None = None


@dataclass(frozen=True)
class Exports(Result):
    """The files that a run was exported to, side by side.

    Args:
        run: id of the run.
        name: name of the run.
        rows: number of rows that all were measured on.
        accuracy: of the trained network on them; None where there is none.
        files: one per format, in the order they were asked for.
        part: which rows: `test`, or of a run on loaders `validation`, or `train` where it had no other.
        measure: of a model that names no class the name of its error: `rmse` of a regression, else a loss as the
            network's own step counts it; empty where there is none.
        error: of the trained network.
    """

    run: str
    name: str
    rows: int
    accuracy: float | None
    files: tuple[Export, ...]
    part: str = "test"
    measure: str = ""
    error: float | None = None

    def table(self) -> Table:
        """A row per format, and below it what a number alone does not say."""
        is_named = self.accuracy is not None
        rows = [
            (
                one.format,
                f"{one.size_bytes:,}",
                f"{one.latency_p50_ms:.3f} / {one.latency_p95_ms:.3f}",
                f"{one.difference:.2g}",
                *self._quality(one),
                str(one.path),
            )
            for one in self.files
        ]
        measure, network = ("accuracy", self.accuracy) if is_named else (self.measure, self.error)
        known = f"; the trained network's {measure} is {network:.4g}" if network is not None else ""
        quality = (measure, "lost" if is_named else "added") if network is not None else ()
        return Table(
            f"run {self.name} ({self.run[:8]}) on {self.rows} {self.part} rows, one at a time, on one thread of this "
            f"machine{known}",
            ("format", "bytes", "p50 / p95 ms", "largest difference", *quality, "file"),
            rows,
            "\n".join(f"{one.format}: {one.note}" for one in self.files if one.note),
        )

    def _quality(self, one: Export) -> tuple[object, ...]:
        """How good one file is, and by how much it is worse than the network."""
        if self.accuracy is not None:
            return (one.accuracy, "-" if one.accuracy_lost is None else f"{one.accuracy_lost:.4f}")
        return () if self.error is None else (one.error, "-" if one.error_added is None else f"{one.error_added:.4g}")
