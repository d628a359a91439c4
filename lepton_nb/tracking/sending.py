"""From a job's folder to the tracking store."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from ..errors import ConflictError, FormatError, NotFoundError, TrackingError
from ..workspace import Workspace, locked
from .spool import Record, is_pending, mark_sent, unsent
from .store import experiment_id, preload, reaching

__all__ = ["LOCAL_ID", "RESUMED", "enter", "send", "send_all"]

LOCAL_ID, RESUMED = "lepton.id", "lepton.resumed"
_BATCH = 1000
_PARAMS = 100
_PARAM_CHARS, _TAG_CHARS = 6000, 5000


def send(ws: Workspace, run_id: str, wait: float = 0.0) -> bool:
    """Send what a run has to tell.

    Args:
        ws: the workspace.
        run_id: the run.
        wait: seconds to wait for another process that is sending.

    Returns:
        Whether the store has everything. False when another process is still sending.

    Raises:
        Unreachable: the server does not answer; everything stays for the next time.
        TrackingError: the store refused.
    """
    job = ws.run(run_id)
    if Record.read(ws, run_id).store_id is not None and not is_pending(job):
        return True
    preload()
    with contextlib.suppress(ConflictError), locked(job / "spool.lock", timeout=wait):
        record = Record.read(ws, run_id)
        with reaching(record.uri) as client:
            if record.store_id is None:
                record = dataclasses.replace(record, store_id=_adopt(client, ws, record))
                record.write(ws)
            while is_pending(job):
                if not _send_lines(client, str(record.store_id), job):
                    break
    return not is_pending(job)


def send_all(ws: Workspace, address: str) -> None:
    """Send what waits in any job's folder for this store.

    Raises:
        Unreachable: the server does not answer.
    """
    for path in ws.runs.glob("*/tracking.json"):
        job = path.parent
        # Most runs have told everything: two file sizes say so.
        if is_pending(job) or b'"store_id": null' in path.read_bytes():
            # One run that the store refuses, or whose files are not readable, must not hide the others.
            with contextlib.suppress(FormatError, NotFoundError, TrackingError):
                if Record.read(ws, job.name).uri == address:
                    send(ws, job.name)


def enter(client: Any, ws: Workspace, record: Record) -> str:
    """Make the run in the store; its parameters and tags go with it.

    Returns:
        The store's id.
    """
    from mlflow.entities import Param

    made = client.create_run(
        experiment_id(client, ws, record.uri),
        start_time=_milliseconds(record.created),
        run_name=record.name,
        tags={name: value[:_TAG_CHARS] for name, value in record.tags.items()},
    )
    params = [Param(name, value[:_PARAM_CHARS]) for name, value in record.params.items()]
    for batch in _batches(params, _PARAMS):
        client.log_batch(made.info.run_id, params=batch)
    return str(made.info.run_id)


def _adopt(client: Any, ws: Workspace, record: Record) -> str:
    """The store's id of a run that started while the server was away; found again when this was interrupted."""
    where = [experiment_id(client, ws, record.uri)]
    if known := client.search_runs(where, filter_string=f"tags.`{LOCAL_ID}` = '{record.id}'", max_results=1):
        return str(known[0].info.run_id)
    return enter(client, ws, dataclasses.replace(record, tags={**record.tags, LOCAL_ID: record.id}))


def _send_lines(client: Any, store_id: str, job: Path) -> bool:
    """Send the waiting lines, neighbouring metrics together; whether there were any."""
    sent = False
    for kind, group in itertools.groupby(unsent(job), key=lambda item: item[1]["kind"]):
        for lines in _batches(group, _BATCH if kind == "metrics" else 1):
            # A run that was deleted in the store has nobody left to tell.
            with contextlib.suppress(NotFoundError):
                _send_one(client, store_id, kind, [body for _, body in lines])
            mark_sent(job, lines[-1][0])
            sent = True
    return sent


def _send_one(client: Any, store_id: str, kind: str, bodies: list[dict[str, Any]]) -> None:
    if kind == "metrics":
        _send_metrics(client, store_id, [tuple(m) for body in bodies for m in body["metrics"]])
    elif kind == "tags":
        _send_tags(client, store_id, bodies[0]["tags"])
    elif kind == "files":
        for name, sha in bodies[0]["files"].items():
            path = Path(name)
            if path.is_file():
                client.log_artifact(store_id, name)
            _send_tags(client, store_id, {f"sha256.{path.name}": sha})
    elif kind == "resume":
        # The cause of an end that is no more; a tag is emptied, as one that is not there cannot be removed.
        _send_tags(client, store_id, {"lepton.cause": "", RESUMED: str(bodies[0]["count"])})
        client.update_run(store_id, status="RUNNING")
    elif kind == "finish":
        status, cause = bodies[0]["status"], bodies[0]["cause"]
        if cause:
            _send_tags(client, store_id, {"lepton.cause": cause})
        ended = {"finished": "FINISHED", "failed": "FAILED", "stopped": "KILLED"}[status]
        client.set_terminated(store_id, status=ended, end_time=_milliseconds(bodies[0]["time"]))


def _send_metrics(client: Any, store_id: str, values: list[tuple[str, float | None, int, float]]) -> None:
    from mlflow.entities import Metric

    metrics = [Metric(n, math.nan if v is None else v, _milliseconds(t), s) for n, v, s, t in values]
    for batch in _batches(metrics, _BATCH):
        client.log_batch(store_id, metrics=batch)


def _send_tags(client: Any, store_id: str, tags: dict[str, str]) -> None:
    from mlflow.entities import RunTag

    entities = [RunTag(name, value[:_TAG_CHARS]) for name, value in tags.items()]
    for batch in _batches(entities, _PARAMS):
        client.log_batch(store_id, tags=batch)


def _batches(items: Iterable[Any], size: int) -> Iterator[list[Any]]:
    waiting = iter(items)
    while batch := list(itertools.islice(waiting, size)):
        yield batch


def _milliseconds(moment: float) -> int:
    return round(moment * 1000)
