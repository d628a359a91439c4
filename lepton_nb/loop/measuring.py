"""Champion and challenger on the same rows: what the gate's conditions are decided by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError, ServingError
from ..runtime import ModelError
from ..scores import classification_scores, difference_interval, mcnemar

__all__ = ["Rows", "compare", "right_answers", "slower"]

_ROWS_AT_ONCE = 8192
# A segment of fewer rows says nothing: its accuracy is off by a tenth by chance.
_SEGMENT_ROWS = 50
_PARTS = 4
# A network that takes so much longer than another is told from chance, and matters.
_SLOWER, _SLOWER_MS = 1.5, 0.5
_QUANTILES = {0.5: "p50", 0.95: "p95"}


@dataclass(frozen=True)
class Rows:
    """Rows whose class is known.

    Args:
        inputs: per input N values, as a model takes them: number float64 [N], category and text objects [N], array
            [N, *shape] of its type.
        truth: [N] class names.
    """

    inputs: Mapping[str, NDArray[Any]]
    truth: NDArray[Any]

    def __len__(self) -> int:
        return len(self.truth)


def compare(champion: Path, challenger: Path, rows: Rows, *, prefix: str = "", seed: int = 0) -> dict[str, float]:
    """Measure two models on the same rows.

    Args:
        champion: the model folder of what answers now.
        challenger: that of what may answer next.
        rows: which neither was trained on.
        prefix: in front of every name; with one, only quality is measured: cost does not hang on the rows.
        seed: of the bootstrap.

    Returns:
        The facts that `gate.yml` explains.

    Raises:
        ServingError: a model cannot be loaded, or fails on the rows.
        DataError: there are no rows.
    """
    if not len(rows):
        raise DataError("there are no rows to judge by", expected="labelled predictions")
    facts: dict[str, float] = {f"{prefix}rows": len(rows)}
    sides = {"champion": _loaded(champion), "challenger": _loaded(challenger)}
    right = {}
    for name, model in sides.items():
        probabilities, targets = _answers(model, rows)
        scores = classification_scores(probabilities, targets)
        right[name] = probabilities.argmax(axis=1) == targets
        facts |= {f"{prefix}{name}.{score}": value for score, value in scores.items()}
    before, after = right["champion"], right["challenger"]
    low, high = difference_interval(before, after, seed=seed)
    facts[f"{prefix}difference"] = float(after.mean() - before.mean())
    facts |= {f"{prefix}difference_low": low, f"{prefix}difference_high": high}
    facts[f"{prefix}p_value"] = mcnemar(before, after)
    facts |= {f"{prefix}{name}": value for name, value in _segments(rows, before, after).items()}
    return facts if prefix else facts | _costs(sides, {"champion": champion, "challenger": challenger}, rows)


def right_answers(model: Path, rows: Rows) -> NDArray[np.bool_]:
    """Whether a model is right, row by row; bool [N].

    Raises:
        ServingError: the model cannot be loaded, or fails on the rows.
    """
    probabilities, targets = _answers(_loaded(model), rows)
    found: NDArray[np.bool_] = probabilities.argmax(axis=1) == targets
    return found


def _loaded(folder: Path) -> Any:
    from ..runtime.model import Model

    try:
        return Model.load(folder)
    except (ModelError, OSError) as cause:
        raise ServingError(
            f"the model in {folder} cannot be asked", got=str(cause), hint="package the run again"
        ) from cause


def _answers(model: Any, rows: Rows) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Probabilities, with a column of zeros for a class that this model does not know, and the true classes."""
    if not model.signature.is_classification:
        raise ServingError("a model tells no class, and cannot be judged by classes", got=model.signature.task)
    try:
        parts = [
            model.predict({name: values[start : start + _ROWS_AT_ONCE] for name, values in rows.inputs.items()})
            for start in range(0, len(rows), _ROWS_AT_ONCE)
        ]
    except Exception as cause:
        raise ServingError("a model fails on the rows that it is judged by", got=str(cause)) from cause
    answers = np.concatenate(parts).astype(np.float64)
    if not np.isfinite(answers).all():
        raise ServingError("a model answers with no number on the rows that it is judged by")
    classes = list(model.signature.classes)
    known = [*classes, *(name for name in np.unique(rows.truth).tolist() if name not in classes)]
    place = {name: number for number, name in enumerate(known)}
    probabilities = np.zeros((len(rows), len(known)))
    probabilities[:, : len(classes)] = answers
    return probabilities, np.array([place[name] for name in rows.truth.tolist()], dtype=np.int64)


def _segments(rows: Rows, before: NDArray[np.bool_], after: NDArray[np.bool_]) -> dict[str, float]:
    """How the worst segment fares: each category of a column, and each quarter of a column of numbers."""
    masks = [np.ones(len(rows), dtype=bool)]
    for values in rows.inputs.values():
        if values.ndim == 1:
            masks += _parts(values)
    kept = [mask for mask in masks if mask.sum() >= _SEGMENT_ROWS] or masks[:1]
    first, second = ([float(right[mask].mean()) for mask in kept] for right in (before, after))
    lost = max(one - other for one, other in zip(first, second, strict=True))
    return {"champion.worst_segment": min(first), "challenger.worst_segment": min(second), "segment_loss": lost}


def _parts(values: NDArray[Any]) -> list[NDArray[np.bool_]]:
    if values.dtype.kind in "OU":
        text = np.array(["" if one is None else str(one) for one in values.tolist()], dtype=object)
        found, counts = np.unique(text, return_counts=True)
        # Of free text each row is a value of its own: a mask for each would fill the memory.
        return [text == one for one in found[counts >= _SEGMENT_ROWS]]
    known = values[np.isfinite(values)].astype(np.float64)
    if not known.size:
        return []
    edges = np.unique(np.quantile(known, np.arange(1, _PARTS) / _PARTS))
    where = np.where(np.isfinite(values), np.searchsorted(edges, values), -1)
    return [where == one for one in np.unique(where)]


def slower(before: Path, after: Path) -> str:
    """Why a model is to blame when answers take longer than with the one before it; empty when it is not.

    Asked side by side, row by row: what else keeps the machine busy meets both.

    Raises:
        ServingError: a model cannot be loaded, or fails on an empty row.
    """
    models = {"before": _Empty(_loaded(before)), "after": _Empty(_loaded(after))}
    spent = {name: found[0.5] for name, found in _latencies(models, {"row": np.zeros(1)}).items()}
    if spent["after"] <= _SLOWER * spent["before"] + _SLOWER_MS:
        return ""
    return f"its network takes {spent['after']:.3g} ms for a row, the one before it {spent['before']:.3g} ms"


class _Empty:
    """Asks a model for an empty row, of whatever kinds its inputs are."""

    def __init__(self, model: Any) -> None:
        self._model = model

    def predict(self, _: Any) -> None:
        try:
            self._model.warm_up()
        except ModelError as cause:
            raise ServingError("a model cannot be timed", got=str(cause)) from cause


def _latencies(models: Mapping[str, Any], inputs: Mapping[str, NDArray[Any]]) -> dict[str, dict[float, float]]:
    """Quantiles of the milliseconds for one row; the models are asked in turn, and each counts at its best."""
    from ..evaluation.measure import latencies_ms

    turns = [{name: latencies_ms(model, dict(inputs)) for name, model in models.items()} for _ in range(3)]
    return {name: {q: float(min(np.quantile(turn[name], q) for turn in turns)) for q in _QUANTILES} for name in models}


def _costs(sides: Mapping[str, Any], folders: Mapping[str, Path], rows: Rows) -> dict[str, float]:
    facts = {
        f"{name}.latency_{label}_ms": found[q]
        for name, found in _latencies(sides, rows.inputs).items()
        for q, label in _QUANTILES.items()
    }
    return facts | {f"{name}.model_bytes": (folders[name] / "model.onnx").stat().st_size for name in sides}
