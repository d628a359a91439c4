"""Measuring an artifact: its answers, its time and its memory."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..artifact import stacked
from ..data import read
from ..errors import PackagingError
from ..records import Data
from ..runtime import Signature
from ..runtime.model import Model
from ..scores import Tally, confusion, coverage, task_scores

__all__ = ["Measured", "latencies_ms", "measure", "peak_memory_mb"]

_WARM_UP, _TIMED = 50, 400
_PACKAGE_PARENT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Measured:
    """What was measured; the names are the card's."""

    rows: int
    metrics: dict[str, float]
    confusion: tuple[tuple[int, ...], ...]
    tally: Tally | None
    notes: tuple[str, ...]
    latency_p50_ms: float
    latency_p95_ms: float
    peak_memory_mb: float


def measure(folder: Path, data: Data, part: str) -> Measured:
    """Measure the model in `folder` on one part of a data set."""
    model = Model.load(folder)
    inputs, targets = read(data, part)
    found = model.predict(inputs)
    answers = stacked(found)
    counts: tuple[tuple[int, ...], ...] = ()
    tally = None
    if model.signature.is_classification:
        # Other data may order its classes otherwise, or lack some.
        classes = model.signature.classes
        targets = np.array([classes.index(name) for name in data.classes], dtype=np.int64)[targets]
        counts = tuple(tuple(map(int, row)) for row in confusion(answers, targets, len(classes)))
        tally = Tally.of(answers, targets)
    covered, notes = _covered(model.signature, found, targets)
    p50, p95 = np.percentile(latencies_ms(model, inputs), [50, 95])
    return Measured(
        rows=len(targets),
        metrics=task_scores(data.task, answers, targets) | covered,
        confusion=counts,
        tally=tally,
        notes=notes,
        latency_p50_ms=float(p50),
        latency_p95_ms=float(p95),
        peak_memory_mb=peak_memory_mb(folder),
    )


def _covered(signature: Signature, found: Any, targets: NDArray[Any]) -> tuple[dict[str, float], tuple[str, ...]]:
    """How many true values lie between the outer quantiles, and how many should; nothing of a model that has none."""
    if not (told := signature.quantiles):
        return {}, ()
    first, last = told[0], told[-1]
    wanted = (last.quantile or 0.0) - (first.quantile or 0.0)
    note = f"coverage: the share of true values from {first.name} to {last.name}, which is to be {wanted:.0%}"
    return {"coverage": coverage(found[first.name], found[last.name], targets)}, (note,)


def latencies_ms(model: Model, inputs: dict[str, NDArray[Any]]) -> NDArray[np.float64]:
    """Milliseconds per prediction of a single row, in process, on one thread, after a warm-up.

    Args:
        model: a loaded model.
        inputs: raw inputs of N rows; they are taken in turn.
    """
    count = len(next(iter(inputs.values())))
    rows = [{name: values[i : i + 1] for name, values in inputs.items()} for i in range(min(count, _TIMED))]
    spent = np.empty(_WARM_UP + _TIMED)
    for turn in range(len(spent)):
        row = rows[turn % len(rows)]
        began = time.perf_counter_ns()
        model.predict(row)
        spent[turn] = (time.perf_counter_ns() - began) / 1e6
    return spent[_WARM_UP:]


def peak_memory_mb(folder: Path) -> float:
    """Peak resident MiB of a fresh process that loads the model in `folder` and predicts one row."""
    done = subprocess.run(
        [sys.executable, "-m", "lepton_nb.evaluation.footprint", str(folder)],
        cwd=_PACKAGE_PARENT,
        capture_output=True,
        text=True,
        check=False,
    )
    try:
        return float(done.stdout)
    except ValueError as cause:
        last = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
        raise PackagingError(f"a fresh process cannot run the model in {folder}", got=last) from cause
