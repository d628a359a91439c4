"""What the tracking store knows of runs, corrected by what this machine knows of their processes."""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import AmbiguousError, FormatError, NotFoundError, UsageError
from ..records import Metrics, Run, Runs, RunStatus
from ..workspace import Workspace
from .address import experiment, sqlite_file, uri
from .ending import ending, news, overlay
from .history import History
from .sending import LOCAL_ID, RESUMED, send_all
from .spool import Record, lines
from .store import asking

__all__ = ["find", "get", "recorded", "runs"]

_STATUS: dict[str, RunStatus] = {"FINISHED": "finished", "FAILED": "failed", "KILLED": "stopped"}
_HIDDEN = ("lepton.", "mlflow.")


def runs(ws: Workspace, limit: int = 20) -> Runs:
    """The newest runs.

    Args:
        ws: the workspace.
        limit: how many at most.

    Raises:
        UsageError: the limit is below 1.
        TrackingError: the store refused, or its server does not answer.
    """
    if limit < 1:
        raise UsageError(f"limit {limit} lists nothing", expected="at least 1")
    return Runs(tuple(_search(ws, "", limit)))


def get(ws: Workspace, ref: str) -> Run:
    """One run.

    Args:
        ws: the workspace.
        ref: `last`, an id, a name (the newest of that name), or a unique prefix of an id.

    Raises:
        NotFoundError: nothing fits; the message lists the newest runs.
        AmbiguousError: a prefix fits several runs.
        TrackingError: the store refused, or its server does not answer.
    """
    if (found := find(ws, ref)) is not None:
        return found
    known = [f"{run.name} ({run.id[:8]})" for run in runs(ws, 5).runs]
    raise NotFoundError(
        f"no run is called {ref!r}",
        expected=f"one of {', '.join(known)}, ..." if known else "",
        hint="lepton runs" if known else "lepton train cnn --data digits",
    )


def find(ws: Workspace, ref: str) -> Run | None:
    """As `get`, but None when nothing fits.

    Raises:
        AmbiguousError: a prefix fits several runs.
        TrackingError: the store refused, or its server does not answer.
    """
    if ref == "last":
        return next(iter(_search(ws, "", 1)), None)
    # Neither an id nor a name has other characters, and a quote would end the query's text.
    if not re.fullmatch(r"[\w.\- ]+", ref):
        return None
    for clause in (f"attributes.run_id = '{ref}'", f"tags.`{LOCAL_ID}` = '{ref}'", f"attributes.run_name = '{ref}'"):
        if found := next(iter(_search(ws, clause, 1)), None):
            return found
    fitting = {
        run.id: run
        for clause in (f"attributes.run_id LIKE '{ref}%'", f"tags.`{LOCAL_ID}` LIKE '{ref}%'")
        for run in _search(ws, clause, 10)
        if run.id.startswith(ref)
    }
    if len(fitting) > 1:
        listed = ", ".join(f"{run.name} ({run.id[:12]})" for run in fitting.values())
        raise AmbiguousError(f"{ref!r} fits more than one run: {listed}", hint="give more of the id")
    return next(iter(fitting.values()), None)


def recorded(ws: Workspace, run_id: str) -> Run:
    """A run as its own folder tells it, for when a server does not answer.

    Raises:
        NotFoundError: no such run was started here.
        FormatError: a file of its folder is broken.
    """
    record, job = Record.read(ws, run_id), ws.run(run_id)
    tags = dict(record.tags)
    last: dict[str, tuple[int, float, float]] = {}
    for line in lines(job):
        if line["kind"] == "metrics":
            for name, value, step, moment in line["metrics"]:
                # As MLflow: the last value is that of the last step, not the one that was told last.
                if name not in last or (step, moment) >= last[name][:2]:
                    last[name] = step, moment, math.nan if value is None else value
        elif line["kind"] == "tags":
            tags |= line["tags"]
        elif line["kind"] == "files":
            tags |= {f"sha256.{Path(path).name}": sha for path, sha in line["files"].items()}
        elif line["kind"] == "resume":
            tags[RESUMED] = str(line["count"])
    status, cause, ended = ending(ws, run_id) or overlay(ws, run_id)
    return Run(
        id=run_id,
        name=record.name,
        status=status,
        model=tags.get("lepton.model", ""),
        data=tags.get("lepton.data", ""),
        created=record.created,
        ended=ended,
        params=dict(record.params),
        metrics=Metrics(((name, value) for name, (_, _, value) in last.items()), History(ws.home, run_id, record.name)),
        tags=_shown(tags),
        path=job,
        cause=cause,
    )


def _search(ws: Workspace, clause: str, limit: int) -> list[Run]:
    """Runs of the store, newest first, after what waits in job folders was sent."""
    address = uri(ws)
    file = sqlite_file(address)
    if file is not None and not file.exists():
        return []
    with asking(address) as client:
        send_all(ws, address)
        found = client.get_experiment_by_name(experiment())
        if found is None:
            return []
        newest = ["attributes.start_time DESC"]
        stored = client.search_runs([found.experiment_id], filter_string=clause, max_results=limit, order_by=newest)
        return [_run(ws, one) for one in stored]


def _run(ws: Workspace, stored: Any) -> Run:
    info, data = stored.info, stored.data
    run_id = data.tags.get(LOCAL_ID, info.run_id)
    status, cause = _STATUS.get(info.status, "running"), data.tags.get("lepton.cause", "")
    ended = info.end_time / 1000 if info.end_time else None
    # One run whose folder is broken must not hide the others.
    with contextlib.suppress(FormatError):
        # The store may not know yet of an end or a new beginning.
        is_late, told = news(ws, run_id)
        status, cause, ended = told or (("running", "", None) if is_late else (status, cause, ended))
    if status == "running":
        try:
            status, cause, ended = overlay(ws, run_id)
        except (FormatError, NotFoundError) as broken:
            status, cause, ended = "failed", str(broken), None
    return Run(
        id=run_id,
        name=info.run_name,
        status=status,
        model=data.tags.get("lepton.model", ""),
        data=data.tags.get("lepton.data", ""),
        created=info.start_time / 1000,
        ended=ended,
        params=dict(data.params),
        metrics=Metrics(data.metrics, History(ws.home, run_id, info.run_name)),
        tags=_shown(data.tags),
        path=ws.run(run_id),
        cause=cause,
    )


def _shown(tags: Mapping[str, str]) -> dict[str, str]:
    """The tags for people: those of others and the user's, and how often the run went on."""
    resumed = {"resumed": tags[RESUMED]} if RESUMED in tags else {}
    return {name: value for name, value in tags.items() if not name.startswith(_HIDDEN)} | resumed
