"""Pipelines: the graph of a run, its steps, and what ran before."""

from __future__ import annotations

import time
from calendar import timegm
from collections.abc import Mapping, Sequence
from urllib.parse import quote

from ... import figures
from ...records import PipelineRun, Step, cell, duration
from ..question import Question
from .markup import Sections, ago, card, failure, head, link, sections_of, table, text, toned

__all__ = ["pipelines"]

_NOTHING = (
    "<section class='lepton-card' data-lepton='nothing'><h2>No pipeline has run</h2>"
    "<p>Next: <code>lepton pipeline run FILE</code>.</p></section>"
)
_VALUES = 8


def pipelines(
    question: Question, runs: Sequence[PipelineRun], faults: Sequence[str], now: float, *, served: bool
) -> Sections:
    """The sections of the page of pipelines.

    Args:
        question: what is asked.
        runs: the newest runs, the newest first.
        faults: what is said of runs that cannot be read.
        now: seconds since the epoch.
        served: whether executed notebooks can be opened at `notebook/RUN/STEP` beside the page.
    """
    broken = {"failure": failure("; ".join(faults))} if faults else {}
    if not runs:
        return sections_of(head(question), {"nothing": _NOTHING}, broken)
    one = next((run for run in runs if question.name in (run.id, run.pipeline)), None if question.name else runs[0])
    names = [(run.id, f"{run.pipeline} {run.id}") for run in runs]
    chosen = one.id if one else question.name
    names = names if one else [(question.name, question.name), *names]
    history = f"<section class='lepton-card'>{_history(question, runs, now)}</section>"
    parts: Sections = {"table": history}
    if one is None:
        parts["failure"] = failure(f"there is no run {question.name} among the newest")
    else:
        state = f"{text(one.pipeline, 80)}: {toned(one.status)} in {duration(one.seconds)}"
        parts["graph"] = card(state, f"<div class='lepton-graph'>{one.graph().svg()}</div>", key="graph")
        parts["nothing"] = card("Steps", _steps(one, served=served), kind="")
        parts["times"] = card("Time per step", _times(one))
        before = [run for run in runs if run.pipeline == one.pipeline]
        parts["past"] = card(f"Runs of {text(one.pipeline, 80)}", _past(before))
    return sections_of(head(question, [("name", "run", names, chosen)]), broken, parts)


def _history(question: Question, runs: Sequence[PipelineRun], now: float) -> str:
    rows = []
    for run in runs:
        done = sum(step.status == "completed" for step in run.steps)
        failed = next((step for step in run.steps if step.failed), None)
        rows.append(
            (
                link(question.link(name=run.id), text(run.id), here=True),
                text(run.pipeline, 80),
                toned(run.status),
                text(f"{failed.name}: {failed.error}" if failed else "", 120),
                ago(_begun(run, now), now),
                duration(run.seconds),
                f"{done} of {len(run.steps)}",
            )
        )
    columns = ("run", "pipeline", "status", "trouble", "age", "time", "steps done")
    return table(columns, rows, key="history", numbers=2)


def _steps(run: PipelineRun, *, served: bool) -> str:
    rows = [_step(run, step, served=served) for step in run.steps]
    columns = ("step", "state", "needs", "outputs", "error or note", "attempts", "time", "peak MiB")
    return table(columns, rows, key="steps", numbers=3)


def _step(run: PipelineRun, step: Step, *, served: bool) -> tuple[str, ...]:
    name = text(step.name, 80)
    if served and step.notebook.exists():
        name = link(f"notebook/{quote(run.id)}/{quote(step.name)}", name, key="notebook")
    trouble = f"cell {step.cell}: {step.error}" if step.failed and step.cell else step.error or step.note
    ran = step.attempts or step.cached
    return (
        name,
        toned(step.state),
        text(", ".join(run.needs.get(step.name, ()))),
        _values(step.outputs),
        text(trouble, 300),
        str(step.attempts) if step.attempts else "-",
        duration(step.seconds) if ran else "-",
        "-" if step.peak_memory_mb is None else f"{step.peak_memory_mb:,.0f}",
    )


def _values(values: Mapping[str, object]) -> str:
    shown = [f"{text(name, 60)} = {text(cell(value), 60)}" for name, value in list(values.items())[:_VALUES]]
    more = [f"and {len(values) - len(shown)} more"] if len(values) > len(shown) else []
    return "<br>".join([*shown, *more]) or "-"


def _times(run: PipelineRun) -> str:
    ranked = sorted((step for step in run.steps if step.attempts), key=lambda step: -step.seconds)
    rows = [(step.name, step.seconds, duration(step.seconds), step.failed) for step in ranked]
    return figures.bars(rows, title=f"Seconds per step of {run.pipeline}"[:80])


def _past(runs: Sequence[PipelineRun]) -> str:
    rows = [(run.id, run.seconds, f"{duration(run.seconds)} {run.status}", run.status == "failed") for run in runs[:12]]
    return figures.bars(rows, title="Seconds per run")


def _begun(run: PipelineRun, now: float) -> float:
    """When it began: its id says so, in the time of Greenwich."""
    try:
        return float(timegm(time.strptime(run.id[:15], "%Y%m%d-%H%M%S")))
    except ValueError:
        return now - run.seconds
