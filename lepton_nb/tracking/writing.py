"""What is said of a run while it runs and afterwards."""

from __future__ import annotations

import dataclasses
import re
import time
import uuid
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from ..records import Metric, RunStatus, plain
from ..workspace import Workspace, file_sha256, mask, mask_all
from . import sending, spool
from .address import uri
from .liveness import mark_process
from .provenance import provenance
from .store import Unreachable, reaching
from .template import create

__all__ = ["finish_run", "flush", "log_files", "log_metrics", "metric_name", "set_tags", "spool_metrics", "start_run"]

_FOREIGN = re.compile(r"[^\w\-. :/]")


def start_run(ws: Workspace, name: str, params: Mapping[str, object], tags: Mapping[str, str]) -> str:
    """Enter a run in the tracking store and make its job folder (mode 0700).

    The git commit, the notebook and a digest of the environment are added to the tags. Secrets are masked in
    whatever is given. The run counts as running while this process lives, until `mark_process` names another one.

    Args:
        ws: the workspace.
        name: for people; need not be unique.
        params: what was asked for.
        tags: `lepton.model` and `lepton.data`, and what the user adds.

    Returns:
        The run's id: the store's, or one of our own when a server does not answer now. The run is entered there
        when it does.

    Raises:
        TrackingError: the store refused.
    """
    address = uri(ws)
    texts = {metric_name(key): mask(str(value)) for key, value in params.items()}
    known = mask_all({**provenance(ws.root), **tags})
    record = spool.Record("", None, address, mask(name), texts, known, time.time())
    create(ws)
    try:
        with reaching(address) as client:
            store_id = sending.enter(client, ws, record)
        record = dataclasses.replace(record, id=store_id, store_id=store_id)
    except Unreachable:
        record = dataclasses.replace(record, id=uuid.uuid4().hex)
    ws.runs.mkdir(parents=True, exist_ok=True)
    ws.run(record.id).mkdir(mode=0o700)
    record.write(ws)
    mark_process(ws, record.id)
    return record.id


def spool_metrics(ws: Workspace, run_id: str, metrics: Iterable[Metric]) -> None:
    """Keep metrics in the job folder; `flush` sends them."""
    values = [(metric_name(m.name), plain(float(m.value)), m.step, m.time) for m in metrics]
    if values:
        spool.append(ws.run(run_id), "metrics", {"metrics": values})


def flush(ws: Workspace, run_id: str, wait: float = 0.0) -> bool:
    """Send what waits in the job folder.

    Args:
        ws: the workspace.
        run_id: the run.
        wait: seconds to wait for another process that is sending.

    Returns:
        Whether the store has everything; False when the server does not answer, or another process is sending.

    Raises:
        TrackingError: the store refused.
    """
    try:
        return sending.send(ws, run_id, wait)
    except Unreachable:
        return False


def log_metrics(ws: Workspace, run_id: str, metrics: Sequence[Metric]) -> None:
    """Record metrics; what a server cannot take now waits in the job folder.

    Args:
        ws: the workspace.
        run_id: the run.
        metrics: values with their steps and times.

    Raises:
        NotFoundError: no such run was started here.
        TrackingError: the store refused.
    """
    spool.Record.read(ws, run_id)
    spool_metrics(ws, run_id, metrics)
    flush(ws, run_id)


def set_tags(ws: Workspace, run_id: str, tags: Mapping[str, str]) -> None:
    """Set tags, replacing those of the same name.

    Raises:
        NotFoundError: no such run was started here.
        TrackingError: the store refused.
    """
    spool.Record.read(ws, run_id)
    spool.append(ws.run(run_id), "tags", {"tags": {metric_name(key): str(value) for key, value in tags.items()}})
    flush(ws, run_id)


def log_files(ws: Workspace, run_id: str, paths: Sequence[Path], *, send: bool = True) -> None:
    """Copy files to the store's artifacts, each with a tag `sha256.NAME`.

    Args:
        ws: the workspace.
        run_id: the run.
        paths: files that stay as they are.
        send: now; else the next `flush` does.

    Raises:
        NotFoundError: no such run was started here.
        FileNotFoundError: a file does not exist.
        TrackingError: the store refused.
    """
    spool.Record.read(ws, run_id)
    files = {str(path.absolute()): file_sha256(path) for path in paths}
    spool.append(ws.run(run_id), "files", {"files": files})
    if send:
        flush(ws, run_id)


def finish_run(ws: Workspace, run_id: str, status: RunStatus, cause: str = "", *, send: bool = True) -> None:
    """Say how a run ended.

    Args:
        ws: the workspace.
        run_id: the run.
        status: `finished`, `failed` or `stopped`.
        cause: one line when it failed.
        send: now; else the next `flush` does.

    Raises:
        NotFoundError: no such run was started here.
        TrackingError: the store refused.
    """
    spool.Record.read(ws, run_id)
    body = {"status": status, "cause": " ".join(cause.split()), "time": time.time()}
    spool.append(ws.run(run_id), "finish", body)
    if send:
        flush(ws, run_id)


def metric_name(name: str) -> str:
    """A name as the store has it, of a metric, a parameter or a tag: MLflow does not take every character.

    Example:
        >>> metric_name("acc@1")
        'acc_1'
    """
    return _FOREIGN.sub("_", name)[:250]
