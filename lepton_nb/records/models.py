"""What a trained model becomes: an artifact, a card, a Bento."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .shown import Result, Table

__all__ = ["Artifact", "Bento", "Card"]


@dataclass(frozen=True)
class Artifact:
    """One self-contained `model.onnx` with its signature, reference and manifest.

    Args:
        path: folder that holds the files.
        sha256: SHA-256 of `model.onnx`.
        model_bytes: size of `model.onnx`.
        parity: largest absolute difference between ONNX Runtime and the network on the held-out batch.
        parameters: number of trainable and frozen values of the network.
    """

    path: Path
    sha256: str
    model_bytes: int
    parity: float
    parameters: int


@dataclass(frozen=True)
class Card(Result):
    """How good a model is, and what it costs, measured on the artifact that is shipped.

    Args:
        run: id of the run.
        data: hash of the data set.
        part: which part was measured.
        rows: number of rows measured.
        classes: class names.
        metrics: of a classification accuracy, f1 (macro), roc_auc (one against rest, macro), log_loss (nats),
            calibration_error (expected, 15 bins), of more than ten classes recall_at_10; of a regression mae, rmse, r2,
            and of one with quantiles coverage (the share of true values between the outer ones); of labels f1 (micro),
            f1_macro, exact_match, roc_auc (macro), log_loss (nats); of other tasks largest_difference (to the trained
            network) and what the network's own validation step counts.
        confusion: rows are the true classes, columns the predicted ones, in counts; none of other tasks.
        parameters: number of trainable and frozen values of the network.
        model_bytes: size of `model.onnx`.
        latency_p50_ms: median milliseconds for one row, one thread, in process.
        latency_p95_ms: 95th percentile of the same.
        peak_memory_mb: peak resident MiB of a fresh process that loads the artifact and predicts.
        task: what the model is for: `classification`, `regression`, `multilabel` or `tensors`.
        notes: what was taken for granted; may be none.
    """

    run: str
    data: str
    part: str
    rows: int
    classes: tuple[str, ...]
    metrics: Mapping[str, float]
    confusion: tuple[tuple[int, ...], ...]
    parameters: int
    model_bytes: int
    latency_p50_ms: float
    latency_p95_ms: float
    peak_memory_mb: float
    task: str = "classification"
    notes: tuple[str, ...] = ()

    def table(self) -> Table:
        """Quality first, then cost."""
        rows: list[tuple[object, ...]] = [(name, value) for name, value in self.metrics.items()]
        rows += [
            ("parameters", f"{self.parameters:,}"),
            ("model size", f"{self.model_bytes:,} bytes"),
            ("latency p50 / p95", f"{self.latency_p50_ms:.3f} / {self.latency_p95_ms:.3f} ms"),
            ("peak memory", f"{self.peak_memory_mb:.0f} MiB"),
        ]
        title = f"card of run {self.run[:8]} on {self.rows} {self.part} rows"
        return Table(title, (), rows, "\n".join(self.notes))


@dataclass(frozen=True)
class Bento(Result):
    """A package in the Bento store. Its text is its tag.

    Args:
        tag: `name:version`.
        path: folder of the built Bento.
        run: id of the run it came from.
        sha256: SHA-256 of its `model.onnx`.
        model_bytes: size of its `model.onnx`.
        created: seconds since the epoch.
        imported: whether it came as a file from elsewhere.
        code: whether it holds a network's source instead of a graph; it is loaded, not served.
    """

    tag: str
    path: Path
    run: str
    sha256: str
    model_bytes: int
    created: float
    imported: bool = False
    code: bool = False

    def __str__(self) -> str:
        return self.tag

    @property
    def model(self) -> Path:
        """Folder with `model.onnx`, `signature.json`, `reference.json`, `card.json`, `manifest.json`."""
        return self.path / "src" / "model"

    def table(self) -> Table:
        """Tag, origin and size."""
        return Table(
            f"Bento {self.tag}",
            (),
            (
                ("run", self.run),
                ("model size", f"{self.model_bytes:,} bytes"),
                ("sha256", self.sha256),
                ("path", str(self.path)),
            ),
            f"next: lepton_nb.load_model('{self.tag}')" if self.code else f"next: lepton serve {self.tag}",
        )
