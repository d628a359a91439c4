"""`lepton evaluate`: how good a run is, and what it costs."""

from __future__ import annotations

import time
from typing import Annotated, Literal

from ..records import Card, Metric
from ..workspace import current
from .declare import Arg, Opt
from .find import data_of, run_of


def evaluate(
    run: Annotated[object, Arg("id, unique prefix, name or last.", "[RUN]", completes="run")] = "last",
    *,
    data: Annotated[object, Opt("Other data than the run's own.", "DATA", completes="data")] = None,
    part: Annotated[Literal["test", "validation", "train"], Opt("Which rows.")] = "test",
) -> Card:
    """Measure quality, latency, memory and size of a run's artifact on rows it did not train on."""
    from .. import artifact, evaluation, tracking

    ws = current()
    found = run_of(ws, run)
    own = artifact.data_of(ws, found)
    card = evaluation.evaluate(ws, found, own if data is None else data_of(ws, data), part=part)
    # On other data the card says something of that data, not of the run.
    if card.data == found.data:
        tracking.log_files(ws, found.id, sorted((found.path / "artifact").glob("*.*")), send=False)
        step, now = 0, time.time()
        tracking.log_metrics(ws, found.id, [Metric(f"{part}_{k}", v, step, now) for k, v in card.metrics.items()])
    return card
