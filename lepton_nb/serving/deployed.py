"""What is deployed: the record of each deployment, and whether it still lives."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..errors import FormatError, NotFoundError, UsageError
from ..processes import Identity, is_alive
from ..processes import stop as stop_process
from ..records import Deployment, Deployments, Logs
from ..workspace import Workspace, locked, read_json, write_json
from .load import load_of, tail

__all__ = ["LOG_FILE", "deployments", "get", "get_held", "hold", "logs", "recorded", "stop", "write"]

RECORD_FILE = "deployment.json"
LOG_FILE = "server.log"
_STATUSES = ("running", "stopped", "failed")
_LARGEST_PID = 2**31 - 1
# Seconds since the epoch that a clock can show: to the year 9999.
_LATEST = 253_402_300_800.0


def deployments(ws: Workspace) -> Deployments:
    """Every deployment of the workspace, by name. One whose record is broken is shown as failed, with the reason."""
    found = []
    for path in sorted(ws.deployments.glob(f"*/{RECORD_FILE}")):
        try:
            one = _current(ws, _read(path))
            found.append(dataclasses.replace(one, load=load_of(path.parent)) if one.status == "running" else one)
        except FormatError as fault:
            found.append(_broken(path, str(fault)))
        except FileNotFoundError:
            # Removed since it was listed.
            continue
    return Deployments(tuple(found))


def get(ws: Workspace, name: str) -> Deployment:
    """One deployment. A process found dead is recorded as failed.

    Args:
        ws: the workspace.
        name: its name.

    Raises:
        UsageError: the name is not legal.
        NotFoundError: there is none of that name; the message lists those there are.
        FormatError: its record cannot be read.
    """
    if found := recorded(ws, name):
        return _current(ws, found)
    names = ", ".join(sorted(path.parent.name for path in ws.deployments.glob(f"*/{RECORD_FILE}")))
    raise NotFoundError(
        f"there is no deployment {name!r}",
        expected=f"one of {names}" if names else "",
        hint="lepton deployments" if names else "lepton serve BENTO",
    )


def logs(ws: Workspace, name: str, lines: int = 50) -> Logs:
    """The last lines that a deployment's server wrote.

    Args:
        ws: the workspace.
        name: its name.
        lines: how many.

    Raises:
        UsageError, NotFoundError, FormatError: as `get`.
    """
    if lines < 1:
        raise UsageError(f"{lines} lines cannot be shown", expected="at least 1")
    path = get(ws, name).path / LOG_FILE
    return Logs(name, path, tail(path, lines))


def stop(ws: Workspace, name: str) -> Deployment:
    """End a deployment's processes; one that does not run is left as it is.

    Args:
        ws: the workspace.
        name: its name.

    Raises:
        UsageError, NotFoundError, FormatError: as `get`.
    """
    get(ws, name)
    with hold(ws, name):
        deployment = get_held(ws, name)
        if deployment.status != "running":
            return deployment
        stop_process(Identity(deployment.pid, deployment.started))
        return write(dataclasses.replace(deployment, status="stopped"))


def get_held(ws: Workspace, name: str) -> Deployment:
    """The deployment's state while its lock is held; a dead process is recorded as failed."""
    return _derived(_read(ws.deployment(name) / RECORD_FILE))


def recorded(ws: Workspace, name: str) -> Deployment | None:
    """The deployment as it was recorded last, or None; its process is not looked at."""
    path = ws.deployment(name) / RECORD_FILE
    return _read(path) if path.is_file() else None


def write(deployment: Deployment) -> Deployment:
    """Record a deployment; the caller holds its lock."""
    body = dataclasses.asdict(deployment)
    del body["path"], body["load"]
    write_json(deployment.path / RECORD_FILE, body)
    return deployment


@contextlib.contextmanager
def hold(ws: Workspace, name: str) -> Iterator[Path]:
    """Hold a deployment's lock; gives its folder, which only this user can read."""
    folder = ws.deployment(name)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with locked(folder / "lock"):
        yield folder


def _current(ws: Workspace, deployment: Deployment) -> Deployment:
    if deployment.status != "running" or _lives(deployment):
        return deployment
    try:
        with hold(ws, deployment.name):
            return get_held(ws, deployment.name)
    except OSError:
        # A reader that may not write still sees the truth.
        return _failed(deployment)


def _derived(deployment: Deployment) -> Deployment:
    if deployment.status != "running" or _lives(deployment):
        return deployment
    return write(_failed(deployment))


def _lives(deployment: Deployment) -> bool:
    return is_alive(Identity(deployment.pid, deployment.started))


def _failed(deployment: Deployment) -> Deployment:
    cause = f"its process {deployment.pid} has ended; see {deployment.path / LOG_FILE}"
    return dataclasses.replace(deployment, status="failed", cause=cause)


def _read(path: Path) -> Deployment:
    try:
        return _decoded(read_json(path), path.parent)
    except FormatError as cause:
        # A newer record needs a newer version; what is broken can only be served anew.
        hint = cause.hint or _anew(path)
        raise FormatError(cause.what, expected=cause.expected, got=cause.got, hint=hint) from cause
    except FileNotFoundError:
        raise
    except (KeyError, TypeError, ValueError, OverflowError, RecursionError, OSError) as cause:
        raise FormatError(
            f"{path} is not readable",
            expected="the record of a deployment",
            got=f"{type(cause).__name__} {cause}",
            hint=_anew(path),
        ) from cause


def _anew(path: Path) -> str:
    return f"end its server if one runs, remove {path.parent}, and serve it again: lepton serve BENTO"


def _decoded(value: dict[str, Any], folder: Path) -> Deployment:
    if value["status"] not in _STATUSES or value["name"] != folder.name:
        raise ValueError(f"status {value['status']!r} of deployment {value['name']!r}")
    # A number that is no process must never be signalled: -5 is a whole group of them.
    if not 0 < int(value["pid"]) <= _LARGEST_PID:
        raise ValueError(f"pid {value['pid']}")
    for moment in ("started", "created"):
        if not 0 <= float(value[moment]) < _LATEST:
            raise ValueError(f"{moment} {value[moment]}")
    return Deployment(
        name=str(value["name"]),
        status=value["status"],
        url=str(value["url"]),
        bento=str(value["bento"]),
        pid=int(value["pid"]),
        started=float(value["started"]),
        workers=int(value["workers"]),
        created=float(value["created"]),
        path=folder,
        cause=str(value.get("cause", "")),
        log_inputs=str(value.get("log_inputs", "yes")),
    )


def _broken(path: Path, cause: str) -> Deployment:
    return Deployment(
        name=path.parent.name,
        status="failed",
        url="",
        bento="",
        pid=0,
        started=0.0,
        workers=0,
        created=path.stat().st_mtime,
        path=path.parent,
        cause=cause,
    )
