"""A study from outside of its process: it is started, followed, gone on with, and ended."""

from __future__ import annotations

import time

from ... import kernels, tracking
from ...errors import ConflictError, TrainingError
from ...processes import stop as end_process
from ...records import Note, Report, Study, silent
from ...workspace import Workspace, locked
from ..job import ask_to_stop
from ..launching import trainer_environment
from .place import LOG, Place, place_of
from .reading import study_of
from .telling import Teller

__all__ = ["attach_study", "launch_study", "resume_study", "stop_study", "worked"]

_MAIN = "lepton_nb.training.tuning.main"
_EVERY_S, _STOP_S = 0.1, 180.0


def resume_study(ws: Workspace, name: str, *, detach: bool = False, report: Report = silent) -> Study:
    """Go on with a study that was stopped, or whose process was killed.

    Raises:
        NotFoundError: there is no such study.
        ConflictError: it runs, or has its trials.
        TrainingError: it could not go on.
    """
    found = study_of(ws, name)
    if found.status == "running":
        raise ConflictError(f"study {name!r} is running", hint=f"lepton attach {name}")
    if len(found.ended) >= found.wanted:
        raise ConflictError(
            f"study {name!r} has its {found.wanted} trials",
            hint="the same lepton tune command with more --trials goes on with it",
        )
    place = place_of(ws, found.name)
    launch_study(ws, place)
    return worked(ws, place, detach=detach, report=report)


def attach_study(ws: Workspace, name: str, *, report: Report = silent) -> Study:
    """Show a study as the cell that began it does, and wait for its end; an interrupt leaves it alone.

    Raises:
        NotFoundError: there is no such study.
        TrainingError: it has failed.
    """
    place = place_of(ws, study_of(ws, name).name)
    try:
        return _followed(ws, place, report)
    except KeyboardInterrupt:
        report(Note(time.time(), f"left; the study goes on: lepton attach {name}, or lepton stop {name}"))
        return study_of(ws, name)


def stop_study(ws: Workspace, name: str) -> Study:
    """Stop the trials of a study that are under way, and wait until it has ended; the same command goes on with it.

    Raises:
        NotFoundError: there is no such study.
        ConflictError: it does not run.
        TrainingError: it did not end in three minutes.
    """
    found = study_of(ws, name)
    place = place_of(ws, found.name)
    if found.status != "running":
        raise ConflictError(f"study {name!r} is not running: it is {found.status}", hint=f"lepton resume {name}")
    place.ask_to_stop()
    deadline = time.monotonic() + _STOP_S
    while place.process()[0] is not None:
        if time.monotonic() > deadline:
            raise TrainingError(f"study {name!r} did not end in {_STOP_S:g} s", hint=f"see {place.folder / LOG}")
        time.sleep(_EVERY_S)
    return study_of(ws, name)


def launch_study(ws: Workspace, place: Place) -> None:
    """Start the process of a study, and wait until it works."""
    with locked(place.folder / "start.lock"):
        if place.process()[0] is not None:
            return
        place.forget_request()
        started = kernels.start_detached(
            _MAIN,
            [str(ws.home.absolute()), place.folder.name],
            log=place.folder / LOG,
            cwd=ws.root.absolute(),
            env=trainer_environment(),
        )
        # It may have ended by now, and said why.
        if not place.is_recorded(started):
            place.record(started, "running")


def worked(ws: Workspace, place: Place, *, detach: bool, report: Report) -> Study:
    """The study when its process has ended; the first interrupt stops it, the second one leaves it."""
    name = place.folder.name
    if detach:
        return study_of(ws, name)
    try:
        return _followed(ws, place, report)
    except KeyboardInterrupt:
        place.ask_to_stop()
    try:
        text = "stopping the trials that are under way; interrupt again to kill them"
        report(Note(time.time(), text))
        return _followed(ws, place, report)
    except KeyboardInterrupt:
        _kill(ws, place)
        return study_of(ws, name)


def _followed(ws: Workspace, place: Place, report: Report) -> Study:
    """Tell what happens until nobody works on the study any more.

    Raises:
        TrainingError: it failed, or all of its trials did.
    """
    name, seen = place.folder.name, (-1, -1)
    teller = Teller(report)
    while True:
        lives = place.process()[0] is not None
        if (now := place.stamp()) != seen or not lives:
            seen, found = now, study_of(ws, name)
            teller.tell(found)
        if not lives:
            break
        time.sleep(_EVERY_S)
    teller.end(found)
    if found.status == "failed":
        raise TrainingError(
            f"study {name} cannot go on", got=found.cause, hint=f"lepton resume {name}; see {place.folder / LOG}"
        )
    failed = [one for one in found.trials if one.status == "failed"]
    if failed and len(failed) == len(found.trials):
        raise TrainingError(
            f"all {len(failed)} trials of study {name} failed",
            got=f"trial {failed[0].number}: {failed[0].cause}",
            hint=f"lepton tune show {name}" + (f"; see {ws.run(failed[0].run) / 'log'}" if failed[0].run else ""),
        )
    return found


def _kill(ws: Workspace, place: Place) -> None:
    """End a study and its trials at once; what they have kept stays."""
    if (process := place.process()[0]) is not None:
        end_process(process, grace=0.0)
    for one in place.trials()[0]:
        if one.status == "running" and one.run:
            ask_to_stop(ws.run(one.run))
            if (trainer := tracking.process_of(ws, one.run)) is not None:
                end_process(trainer, grace=0.0)
