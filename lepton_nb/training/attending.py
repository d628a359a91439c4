"""Waiting for a trainer, from the process that started it or from any other."""

from __future__ import annotations

import time
from typing import Any
from weakref import WeakValueDictionary

from .. import errors, tracking
from ..errors import LeptonError, NotFoundError, TrackingError, TrainingError
from ..models import load_weights
from ..processes import Identity
from ..records import Event, Failed, Finished, Note, Report, Run, silent
from ..workspace import Workspace
from .checkpoints import good_checkpoint
from .following import Watch, cause_of_death, last_lines

__all__ = ["attach", "attended", "result", "trains"]

# Networks of this notebook by the run that trains them: whoever sees its end gives them their weights.
_instances: WeakValueDictionary[str, Any] = WeakValueDictionary()


def trains(run_id: str, network: Any) -> None:
    """A run trains this very object, which holds the best weights when its end is seen in this process."""
    _instances[run_id] = network


def attended(ws: Workspace, run_id: str, trainer: Identity, report: Report) -> Run:
    """Watch a trainer to its end. The first interrupt stops it, the second one kills it.

    Args:
        ws: the workspace.
        run_id: the run.
        trainer: its process.
        report: told what happens.

    Raises:
        TrainingError: the training failed.
    """
    ending = Watch(ws.run(run_id), trainer, report).attend()
    return _ended(ws, run_id, trainer, ending, report)


def attach(ws: Workspace, ref: str, *, report: Report = silent) -> Run:
    """Show a run as the cell that started it does, from its first event on, and wait for its end.

    An interrupt leaves the run alone, and returns it still running.

    Args:
        ws: the workspace.
        ref: id, unique prefix, name or `last`.
        report: told every event.

    Returns:
        The run.

    Raises:
        NotFoundError: there is no such run, or none that was started here.
        TrainingError: it has failed.
    """
    run = tracking.get(ws, ref)
    trainer = tracking.process_of(ws, run.id)
    if trainer is None or not run.path.is_dir():
        raise NotFoundError(f"run {run.name} ({run.id[:8]}) was not started on this machine", hint="lepton runs")
    try:
        ending = Watch(run.path, trainer, report).follow()
    except KeyboardInterrupt:
        report(Note(time.time(), f"left; the training goes on: lepton attach {run.name}, or lepton stop {run.name}"))
        return result(ws, run.id)
    return _ended(ws, run.id, trainer, ending, report)


def result(ws: Workspace, run_id: str) -> Run:
    """The run as the store has it, or as its folder tells it when a server does not answer."""
    try:
        tracking.flush(ws, run_id, wait=10.0)
        return tracking.get(ws, run_id)
    except TrackingError:
        return tracking.recorded(ws, run_id)


def _ended(ws: Workspace, run_id: str, trainer: Identity, ending: Event | None, report: Report) -> Run:
    """The run after its last event; a death without one is told to the store first."""
    # An end is told once; and a trainer whose run goes on in another one has no say any more.
    is_told = tracking.ending(ws, run_id) is not None or tracking.process_of(ws, run_id) != trainer
    if ending is None and not is_told:
        cause = cause_of_death(trainer, ws.run(run_id))
        tracking.finish_run(ws, run_id, "failed", cause)
        report(Failed(time.time(), "TrainingError", cause))
    elif isinstance(ending, Finished) and not is_told:
        tracking.finish_run(ws, run_id, "stopped", ending.text)
    run = result(ws, run_id)
    into = _instances.get(run_id)
    if into is not None and (run.path / "weights.safetensors").exists():
        load_weights(run.path / "weights.safetensors", into)
    if run.status == "failed":
        # What is told by an error of ours says it all: a log ends with the same once more.
        words = [] if _is_told_whole(run.cause or "") else last_lines(run.path, 5)
        where = "goes on from its last checkpoint" if good_checkpoint(run.path)[0] else "starts it again"
        raise TrainingError(
            f"run {run.name} ({run_id[:8]}) failed",
            got=run.cause or "no cause",
            hint=f"lepton resume {run.name} {where}; see {run.path / 'log'}"
            + (f", which ends with: {' | '.join(words)}" if words else ""),
        )
    return run


def _is_told_whole(cause: str) -> bool:
    """Whether a cause is an error of ours, which names the thing, what was expected, and the next step."""
    kind = getattr(errors, cause.partition(":")[0], None)
    return isinstance(kind, type) and issubclass(kind, LeptonError)
