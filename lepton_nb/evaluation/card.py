"""The model card."""

from __future__ import annotations

from ..artifact import add_file, build, data_of
from ..errors import DataError
from ..records import Card, Data, Run, plain
from ..scores import HELD_OUT_FILE
from ..workspace import Workspace

__all__ = ["CARD", "evaluate"]

CARD = "card.json"


def evaluate(ws: Workspace, run: Run, data: Data, part: str = "test") -> Card:
    """Measure a run: quality on one part of a data set, latency, memory and size.

    Everything is measured on the artifact, through ONNX Runtime, as it is served later. The card of the run's own
    test part is kept beside the model as `card.json`, with its sums in `heldout.json`; others are only returned.

    Args:
        ws: the workspace.
        run: a run that ended with weights.
        data: the run's own data, or other data with the same columns and no further classes.
        part: `train`, `validation` or `test`.

    Raises:
        DataError: the columns or classes of other data are not the run's, or the part is unknown or empty.
        PackagingError: the run has no artifact and none can be built.
    """
    own = data if data.id == run.data else data_of(ws, run)
    _check(data, own, part)
    artifact = build(ws, run, own)

    from .measure import measure

    measured = measure(artifact.path, data, part)
    card = Card(
        run=run.id,
        data=data.id,
        part=part,
        rows=measured.rows,
        classes=tuple(own.classes),
        metrics=measured.metrics,
        confusion=measured.confusion,
        parameters=artifact.parameters,
        model_bytes=artifact.model_bytes,
        latency_p50_ms=measured.latency_p50_ms,
        latency_p95_ms=measured.latency_p95_ms,
        peak_memory_mb=measured.peak_memory_mb,
        task=own.task,
        notes=measured.notes,
    )
    if data.id == run.data and part == "test":
        # How sure the model was and how often it was right: by this, accuracy is estimated where labels are missing.
        if measured.tally is not None:
            add_file(run, artifact, HELD_OUT_FILE, {"part": part, **measured.tally.to_dict()})
        add_file(run, artifact, CARD, plain(card))
    return card


def _check(data: Data, own: Data, part: str) -> None:
    rows = data.rows.get(part)
    if not rows:
        raise DataError(
            f"data {data.name} has no rows in part {part!r}",
            expected=", ".join(f"{name} ({count} rows)" for name, count in data.rows.items() if count),
        )
    if data.task != own.task:
        raise DataError(f"data {data.name} is for {data.task}", expected=f"data for {own.task}, as the run was")
    if data.task != "classification" and (data.classes, data.targets) != (own.classes, own.targets):
        raise DataError(
            f"data {data.name} has other targets",
            expected=", ".join(own.targets or own.classes),
            got=", ".join(data.targets or data.classes),
        )
    if strange := [name for name in data.classes if name not in own.classes]:
        raise DataError(
            f"data {data.name} has classes which the run does not know: {', '.join(strange)}",
            expected=", ".join(own.classes),
        )
    theirs = {(one.name, one.kind, one.shape) for one in data.columns}
    missing = [one.name for one in own.columns if (one.name, one.kind, one.shape) not in theirs]
    if missing:
        raise DataError(
            f"data {data.name} lacks what the run takes: {', '.join(missing)}",
            expected=", ".join(f"{one.name} ({one.kind})" for one in own.columns),
        )
