"""What a training leaves in its cell: a picture and a summary, without any widget."""

from __future__ import annotations

from collections.abc import Mapping

from .. import figures
from ..records import Table, duration
from .state import Training

__all__ = ["bundle", "summary"]

_MOST_BYTES = 200_000
_LONGEST = 300


def summary(training: Training) -> Table:
    """Status, epochs, the best epoch, time, speed and memory."""
    facts = training.facts
    rows = [("status", _short(f"{facts.phase}: {facts.text}" if facts.text else facts.phase))]
    rows.append(("epochs", f"{facts.epoch:,} of {facts.epochs:,}" if facts.epochs else f"{facts.epoch:,}"))
    if facts.done:
        rows.append(("batches", f"{facts.done:,} of {facts.total:,}" if facts.total else f"{facts.done:,}"))
    if facts.best is not None:
        rows.append(("best epoch", _short(f"{facts.best:,}: {measured(facts.best_metrics)}")))
    last = {one.name: one.last for one in training.series.values()}
    if last:
        rows.append(("last values", _short(measured(last))))
    rows.append(("time", duration(facts.seconds)))
    if facts.rate is not None:
        rows.append(("rows per second", f"{facts.rate:,.0f}"))
    if facts.peak is not None:
        rows.append(("most memory", f"{facts.peak / 2**20:,.0f} MiB"))
    if training.unseen:
        rows.append(("not drawn", _short(", ".join(sorted(training.unseen)))))
    return Table(_short(f"training {training.name}"), (), rows)


def bundle(training: Training) -> dict[str, str]:
    """Picture and summary as a notebook keeps them, 200 KB at most."""
    drawn = figures.curves(training.lines(), title=training.name, best=training.facts.best_step)
    table = summary(training)
    page = f"<div class='lepton-training-left'><div style='max-width: 640px'>{drawn}</div>{table.html()}</div>"
    left = {"text/plain": table.text(), "image/svg+xml": drawn, "text/html": page}
    # A page shows the picture inside its own text, where the picture takes the page's colours.
    if sum(len(part.encode()) for part in left.values()) > _MOST_BYTES:
        left.pop("text/html")
    return left


def measured(metrics: Mapping[str, float]) -> str:
    """Names and values in a line."""
    return ", ".join(f"{name} {value:.4g}" for name, value in metrics.items())


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
