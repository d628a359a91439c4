"""A study goes, with the runs of its trials."""

from __future__ import annotations

import contextlib

from ... import tracking
from ...errors import ConflictError, NotFoundError
from ...processes import is_alive
from ...records import Study
from ...workspace import Workspace, discard, locked
from .place import place_of
from .reading import study_of
from .registering import BEST

__all__ = ["delete_study"]


def delete_study(ws: Workspace, name: str) -> Study:
    """Delete a study, the runs of its trials and its alias in the registry; a storage of others stays as it is.

    The study itself goes last: after a kill in between the same call deletes the rest.

    Args:
        ws: the workspace.
        name: its name.

    Returns:
        The study as it was.

    Raises:
        NotFoundError: there is none.
        ConflictError: it, or one of its runs, is running.
        TrackingError: the store refused, or its server does not answer.
    """
    found = study_of(ws, name)
    place = place_of(ws, found.name)
    with locked(place.folder / "start.lock"):
        if found.status == "running":
            raise ConflictError(f"study {found.name!r} is running", hint=f"lepton stop {found.name}, then delete it")
        runs = [one.run for one in found.trials if one.run and ws.run(one.run).is_dir()]
        for run_id in runs:
            process = tracking.process_of(ws, run_id)
            if process and is_alive(process) and tracking.ending(ws, run_id) is None:
                raise ConflictError(f"a run of study {found.name!r} goes on", hint=f"lepton stop {run_id[:8]}")
        tracking.remove_alias(ws, found.name, BEST)
        for run_id in runs:
            with contextlib.suppress(NotFoundError):
                tracking.delete(ws, run_id)
    discard(ws, place.folder)
    return found
