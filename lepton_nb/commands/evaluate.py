"""`lepton evaluate`: how good a run is, and what it costs."""

from __future__ import annotations

import time
from typing import Annotated, Literal, cast

from ..errors import UsageError
from ..records import Card, Metric
from ..workspace import current
from .declare import Arg, Opt
from .find import data_of, run_of, source_of


def evaluate(
    run: Annotated[object, Arg("id, unique prefix, name or last.", "[RUN]", completes="run")] = "last",
    *,
    data: Annotated[object, Opt("Other data than the run's own.", "DATA", completes="data")] = None,
    part: Annotated[
        Literal["test", "validation", "train"] | None,
        Opt("Which rows (default: test; of a run on loaders, those kept of its validation)."),
    ] = None,
) -> Card:
    """Measure quality, latency, memory and size of a run's artifact on rows it did not train on.

    A run on loaders is measured on the rows that it kept of them: a regression by mae, rmse and r2, other tensors by
    the largest difference to the trained network and what the network's own validation step counts. An agent plays
    200 episodes on seeds that it was never trained on: its return, and in a maze how often the goal is reached and how
    many steps above the shortest way that takes.
    """
    from .. import artifact, evaluation, models, tracking

    ws = current()
    found = run_of(ws, run)
    examples, place = artifact.examples_of(found), models.environment_of(found.path)
    if examples is not None and place is not None:
        other, part = None if data is None else models.environment(source_of(data)), part or "test"
        card = evaluation.evaluate_agent(found, examples, place, other, part)
    elif examples is not None:
        if data is not None:
            raise UsageError(
                f"run {found.name} was trained on loaders of a notebook's own, and is measured on rows of them",
                expected="no other data",
                hint="leave --data out",
            )
        card = evaluation.evaluate_examples(found, examples, part or "")
        part = cast("Literal['validation', 'train']", card.part)
    else:
        own, part = artifact.data_of(ws, found), part or "test"
        card = evaluation.evaluate(ws, found, own if data is None else data_of(ws, data), part=part)
    # On other data the card says something of that data, not of the run.
    if card.data == found.data or (examples is not None and place is None):
        tracking.log_files(ws, found.id, sorted((found.path / "artifact").glob("*.*")), send=False)
        step, now = 0, time.time()
        tracking.log_metrics(ws, found.id, [Metric(f"{part}_{k}", v, step, now) for k, v in card.metrics.items()])
    return card
