"""The model card of a run on a notebook's own loaders, on the rows that were kept of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..artifact import add_file, build_examples, wanted_of
from ..errors import DataError
from ..models import Batch, Examples
from ..records import Artifact, Card, Run, plain
from ..scores import HELD_OUT_FILE

__all__ = ["evaluate_examples"]

_PARTS = ("validation", "train")


def evaluate_examples(run: Run, examples: Examples, part: str = "") -> Card:
    """Measure a run on loaders of its own, on its artifact, as `evaluate` does.

    Args:
        run: a run that ended with weights.
        examples: what was kept of its loaders.
        part: `validation` or `train`; empty for rows that the network did not learn from, where there are some.

    Returns:
        The card. Its metrics are those of `Card`, by the task that the run was packaged for, else by what its targets
        say. The card of the held-out rows is kept beside the model, with its sums.

    Raises:
        DataError: nothing was kept of that part.
        PackagingError: the run has no artifact and none can be built.
    """
    part = part or examples.part
    batches = _batches(run, examples, part)
    wanted = wanted_of(run)
    artifact = build_examples(run, examples, wanted)

    from ..artifact.quality import confusion_of, tally_of
    from ..artifact.subject import subject_of
    from ..artifact.telling import golden_rows, notes_of
    from ..runtime.model import Model
    from .measure import latencies_ms, peak_memory_mb

    subject, model = subject_of(run, examples, wanted).over(batches), Model.load(artifact.path)
    answers = [model.ask(one) for one in subject.batches]
    p50, p95 = np.percentile(latencies_ms(model, golden_rows(subject, model.signature)[0]), [50, 95])
    card = Card(
        run=run.id,
        data=examples.id,
        part=part,
        rows=subject.rows,
        classes=model.signature.classes,
        metrics=_metrics(subject, batches, model),
        confusion=confusion_of(subject, answers),
        parameters=artifact.parameters,
        model_bytes=artifact.model_bytes,
        latency_p50_ms=float(p50),
        latency_p95_ms=float(p95),
        peak_memory_mb=peak_memory_mb(artifact.path),
        task=subject.task,
        notes=tuple(notes_of(subject, model.signature)),
    )
    if part == "validation":
        _keep(run, artifact, card, tally_of(subject, answers))
    return card


def _batches(run: Run, examples: Examples, part: str) -> tuple[Batch, ...]:
    batches = {"validation": examples.validation, "train": examples.train}.get(part, ())
    if not batches:
        raise DataError(
            f"run {run.name} keeps no rows of part {part!r}",
            expected=" or ".join(one for one in _PARTS if getattr(examples, one)) or "rows of its loaders",
            hint="of loaders of a notebook's own the first rows are kept while they are trained and validated on",
        )
    return batches


def _metrics(subject: Any, batches: tuple[Batch, ...], model: Any) -> dict[str, float]:
    """By the task: scores of its answers, or how far they are from the network's, and what its own step counts."""
    from ..artifact.losses import counted
    from ..artifact.quality import difference_of, scores_of

    answers = [model.ask(one) for one in subject.batches]
    if subject.task != "tensors":
        return scores_of(subject, answers)
    return {"largest_difference": difference_of(subject, answers), **counted(subject.network, batches, model.ask)}


def _keep(run: Run, artifact: Artifact, card: Card, tally: Any) -> None:
    """Put the card beside the model, with the sums of a classification."""
    if tally is not None:
        add_file(run, artifact, HELD_OUT_FILE, {"part": card.part, **tally.to_dict()})
    add_file(run, artifact, "card.json", plain(card))
