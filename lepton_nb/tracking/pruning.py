"""Runs that are over for long enough to go."""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..errors import FormatError
from ..processes import is_alive
from ..records import Removal
from ..workspace import Workspace, size_of
from .address import experiment, is_remote, sqlite_file, uri
from .deleting import remove
from .ending import ending, news
from .liveness import process_of
from .sending import LOCAL_ID
from .store import asking, quiet

__all__ = ["expired", "prune"]

_OVER = ("FINISHED", "FAILED", "KILLED")
_PAGE = 1000
_RUN_ID = re.compile(r"(?<![0-9a-f])[0-9a-f]{32}(?![0-9a-f])")


def expired(ws: Workspace, before: float) -> tuple[Removal, ...]:
    """The runs of this workspace that ended long enough ago; nothing is written.

    A run that was deleted in the store and still has its folder here is among them. One that an alias of a registered
    model points to is `held`.

    Args:
        ws: the workspace.
        before: a moment, in seconds since the epoch.

    Returns:
        The runs that ended before it, oldest first.

    Raises:
        TrackingError: the store refused, or its server does not answer.
    """
    address = uri(ws)
    jobs = {path.name for path in ws.runs.glob("*") if path.is_dir()}
    file = sqlite_file(address)
    # Without runs here only a server is asked: whether it answers is what the caller must know.
    if not is_remote(address) and not (jobs and (file is None or file.exists())):
        return ()
    with asking(address) as client:
        found = client.get_experiment_by_name(experiment())
        stored = _stored(client, found.experiment_id) if jobs and found is not None else ()
        old = {
            one.info.run_id: removal
            for one in stored
            if one.data.tags.get(LOCAL_ID, one.info.run_id) in jobs and (removal := _removal(ws, one, before))
        }
    if not old:
        return ()
    with asking(os.environ.get("MLFLOW_REGISTRY_URI") or address) as client, quiet():
        held = _aliased(client)
    told = [dataclasses.replace(one, held=held.get(store_id, "")) for store_id, one in old.items()]
    return tuple(sorted(told, key=lambda one: one.moment))


def prune(ws: Workspace, run: Removal) -> None:
    """Remove a run that `expired` found.

    Raises:
        TrackingError: the store refused, or its server does not answer; nothing of this run was removed.
    """
    remove(ws, run.id, run.moment)


def _stored(client: Any, experiment_id: str) -> Iterator[Any]:
    """Every run of the store, those that were deleted there included."""
    from mlflow.entities import ViewType

    token = None
    while True:
        page = client.search_runs([experiment_id], run_view_type=ViewType.ALL, max_results=_PAGE, page_token=token)
        yield from page
        if not (token := page.token):
            return


def _removal(ws: Workspace, stored: Any, before: float) -> Removal | None:
    info = stored.info
    run_id = stored.data.tags.get(LOCAL_ID, info.run_id)
    ended = _ended(ws, run_id, info)
    if ended is None or ended >= before:
        return None
    paths = (ws.artifacts / info.run_id, ws.runs / run_id)
    return Removal("run", run_id, info.run_name, ended, sum(map(size_of, paths)), paths)


def _ended(ws: Workspace, run_id: str, info: Any) -> float | None:
    """When a run ended; None while it runs, and for one of which that cannot be known."""
    over = info.status in _OVER
    try:
        # The store may not know yet that it went on.
        over = over and news(ws, run_id) != (True, None)
        told = None if over and info.end_time else ending(ws, run_id)
    except FormatError:
        told = None
    if over and info.end_time:
        return float(info.end_time / 1000)
    if told is not None and told[2] is not None:
        return told[2]
    process = process_of(ws, run_id)
    if not over and (process is None or is_alive(process)):
        return None
    # It died without a word: with the last that it wrote.
    return _last_change(ws.runs / run_id)


def _last_change(job: Path) -> float:
    return max(path.lstat().st_mtime for path in (job, *job.iterdir()))


def _aliased(client: Any) -> dict[str, str]:
    """The store's ids of the runs that aliases of registered models point to, each with one of these aliases."""
    held: dict[str, str] = {}
    token = None
    while True:
        page = client.search_registered_models(page_token=token)
        for model in page:
            for alias, number in model.aliases.items():
                version = client.get_model_version(model.name, number)
                held |= dict.fromkeys(_runs_of(version), f"model {model.name}@{alias}")
        if not (token := page.token):
            return held


def _runs_of(version: Any) -> set[str]:
    """The runs that a version of a registered model was made from; one that was registered by address has no other."""
    return {version.run_id} if version.run_id else set(_RUN_ID.findall(str(version.source)))
