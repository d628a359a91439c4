"""How a study stands, as whoever asks is told."""

from __future__ import annotations

import dataclasses

from ... import figures, tracking
from ...errors import FormatError, NotFoundError, near
from ...processes import is_alive
from ...records import Studies, Study, StudyStatus, Trial
from ...workspace import Workspace
from .place import LOG, Place, place_of, places
from .plan import PLAN, Plan

__all__ = ["is_study", "studies", "study_of"]


def is_study(ws: Workspace, name: str) -> bool:
    """Whether there is a study of that name."""
    return (ws.home / "tunes" / name / PLAN).is_file() if name and "/" not in name else False


def study_of(ws: Workspace, name: str) -> Study:
    """One study.

    Args:
        ws: the workspace.
        name: its name, or `last`.

    Raises:
        NotFoundError: there is none.
        FormatError: what was recorded cannot be read.
    """
    if name == "last" and (found := places(ws)):
        return _study(ws, found[0])
    if not is_study(ws, name):
        names = [place.folder.name for place in places(ws)]
        raise NotFoundError(
            f"no study is called {name!r}",
            expected=f"one of {', '.join(names[:10])}" if names else "",
            hint=near(name, names) or "lepton tune NET --data DATA --space 'lr=log(1e-4,1e-1)'",
        )
    return _study(ws, place_of(ws, name))


def studies(ws: Workspace) -> Studies:
    """All studies, newest first; one that is broken is shown as failed, with the reason."""
    found = []
    for place in places(ws):
        try:
            found.append(_study(ws, place))
        except FormatError as fault:
            name = place.folder.name
            found.append(Study(name, "failed", "", "", (), (), 0, {}, place.folder, 0.0, cause=str(fault)))
    return Studies(tuple(found))


def _study(ws: Workspace, place: Place) -> Study:
    plan = Plan.read(place.folder)
    process, said, cause = place.process()
    trials, more = place.trials()
    status: StudyStatus = "running" if process else "failed"
    if process is None and said in ("finished", "stopped"):
        status = "finished" if said == "finished" else "stopped"
    elif process is None and said != "failed":
        cause = f"its process has ended; see {place.folder / LOG}"
    if process is None:
        trials = tuple(_left(ws, one) for one in trials)
    return Study(
        name=plan.name,
        status=status,
        network=plan.network,
        data=plan.data_name,
        objectives=plan.wanted,
        trials=trials,
        wanted=plan.trials,
        importance=more.get("importance", {}),
        path=place.folder,
        created=plan.created,
        registered=str(more.get("registered", "")),
        cause=cause,
        draw=figures.board,
    )


def _left(ws: Workspace, one: Trial) -> Trial:
    """A trial of a study that nobody works on: its run may go on all the same."""
    if one.status != "running":
        return one
    process = tracking.process_of(ws, one.run) if one.run else None
    return one if process and is_alive(process) else dataclasses.replace(one, status="stopped")
