"""Trainings that go on and that ended."""

from __future__ import annotations

from collections.abc import Sequence

from ... import figures
from ...records import Run, cell, duration
from ..learning import Watched
from ..question import Question
from .markup import Sections, ago, card, head, link, number, sections_of, table, text, tiles, toned

__all__ = ["training"]

_NOTHING = (
    "<section class='lepton-card' data-lepton='nothing'><h2>Nothing was trained</h2>"
    "<p>Next: <code>lepton train cnn --data digits</code>.</p></section>"
)
_PARAMS = 12


def training(question: Question, runs: Sequence[Run], watched: Sequence[Watched], now: float) -> Sections:
    """The sections of the page of trainings.

    Args:
        question: what is asked.
        runs: the newest runs.
        watched: those whose curves are drawn.
        now: seconds since the epoch.
    """
    if not runs:
        return sections_of(head(question), {"nothing": _NOTHING})
    metrics = _shared(watched)
    metric = question.metric if question.metric in metrics else _usual(metrics)
    controls = [("metric", "metric", [(name, name) for name in metrics], metric)] if len(watched) > 1 else []
    parts: Sections = {}
    for number_, one in enumerate(watched):
        if one.facts is not None and one.run.status == "running":
            parts[f"progress-{number_}"] = card(f"Goes on: {text(one.run.name, 80)}", _progress(one))
    if len(watched) > 1:
        lines = [line for one in watched for line in one.lines if line.name == metric]
        parts["comparison"] = card(f"{text(metric, 60)} of {len(watched)} runs", figures.overlay(lines, metric=metric))
        parts["differences"] = card("What differs", _differences(watched))
    for number_, one in enumerate(watched):
        best = one.facts.best_step if one.facts else None
        drawn = figures.curves(one.lines, title=one.run.name, best=best)
        parts[f"curves-{number_}"] = card(f"Curves of {text(one.run.name, 80)}", drawn)
    shown = {one.run.id for one in watched}
    rows = [_row(question, run, shown, watched, now) for run in runs]
    columns = ("run", "status", "model", "drawn", "age", "metric", "value")
    listed = f"<section class='lepton-card'>{table(columns, rows, key='runs', numbers=1)}</section>"
    return sections_of(head(question, controls), {"table": listed}, parts)


def _row(question: Question, run: Run, shown: set[str], watched: Sequence[Watched], now: float) -> tuple[str, ...]:
    metric, value = run.main_metric or ("-", None)
    ids = [one.run.id for one in watched]
    name = link(question.link(runs=(run.id,)), text(run.name, 80), here=True)
    if run.id in shown:
        drawn = link(question.link(runs=tuple(i for i in ids if i != run.id)), "remove", here=True)
    else:
        drawn = link(question.link(runs=(*ids, run.id)), "compare", here=True)
    return (
        name,
        toned(run.status),
        text(run.model, 60),
        drawn,
        ago(run.created, now),
        text(metric, 60),
        "-" if value is None else text(cell(value)),
    )


def _progress(one: Watched) -> str:
    facts = one.facts
    if facts is None:
        return ""
    epochs = f"{facts.epoch:,} of {facts.epochs:,}" if facts.epochs else f"{facts.epoch:,}"
    batches = f"{facts.done:,} of {facts.total:,}" if facts.total else f"{facts.done:,}"
    left = "-" if facts.left is None else duration(facts.left)
    memory = "-" if facts.memory is None else f"{facts.memory / 2**20:,.0f}"
    rows = [
        ("epoch", "epochs", epochs, ""),
        ("batch", "batches", batches, ""),
        ("left", "time left", left, ""),
        ("speed", "speed", number(facts.rate and float(f"{facts.rate:.3g}")), "rows/s"),
        ("memory", "memory", memory, "MiB"),
    ]
    return tiles(rows)


def _differences(watched: Sequence[Watched]) -> str:
    """The last metrics of each run, and the parameters that are not the same."""
    runs = [one.run for one in watched]
    measured = sorted({name for run in runs for name in run.metrics})
    rows = [(text(name, 60), *(_value(run.metrics.get(name)) for run in runs)) for name in measured]
    for name in sorted({name for run in runs for name in run.params}):
        values = [run.params.get(name) for run in runs]
        if len(set(values)) > 1 and len(rows) < _PARAMS * 3:
            rows.append((f"param {text(name, 60)}", *("-" if one is None else text(one, 60) for one in values)))
    return table(("", *(run.name for run in runs)), rows, key="differences")


def _value(value: float | None) -> str:
    return "-" if value is None else text(cell(value))


def _shared(watched: Sequence[Watched]) -> list[str]:
    """Metrics that all have, else those that any has."""
    named = [{line.name for line in one.lines} for one in watched]
    if not named:
        return []
    return sorted(set.intersection(*named) or set.union(*named))


def _usual(metrics: Sequence[str]) -> str:
    wanted = ("val_loss", "val_accuracy", "train_loss")
    return next((name for name in wanted if name in metrics), metrics[0] if metrics else "")
