"""The one place that talks to MLflow, which is imported when it is first needed."""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import socket
import threading
import urllib.request
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from ..errors import NotFoundError, TrackingError
from ..workspace import Workspace
from .address import experiment, is_remote, shown

__all__ = ["Unreachable", "asking", "experiment_id", "preload", "reaching"]

_CONTACT_S = 3.0
# A server that is gone must be noticed in seconds; connections are opened when used, so that a store that was
# deleted and made anew is not written to through a dead file. What the user set wins.
_SETTINGS = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_SQLALCHEMYSTORE_POOLCLASS": "NullPool",
    "MLFLOW_ENABLE_ASYNC_LOGGING": "false",
}
_lock = threading.RLock()


class Unreachable(Exception):  # noqa: N818 -- a state of the store that callers wait out, never shown
    """The server does not answer now; the message says why."""


def preload() -> None:
    """Import MLflow, which takes seconds: better before a lock is taken than while it is held."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    import mlflow.tracking  # noqa: F401


@contextlib.contextmanager
def reaching(address: str) -> Iterator[Any]:
    """MLflow's client for a store, with short timeouts.

    Args:
        address: the tracking URI.

    Raises:
        Unreachable: a server does not answer.
        NotFoundError: the store has no such run.
        TrackingError: the store refused.
    """
    _check_contact(address)
    with _lock, _environment(_SETTINGS):
        preload()
        from mlflow.exceptions import MlflowException

        try:
            yield _client(address)
        except MlflowException as cause:
            text = str(cause)[:300]
            if is_remote(address) and _is_fault_of_the_server(cause):
                raise Unreachable(text) from cause
            if cause.error_code == "RESOURCE_DOES_NOT_EXIST":
                raise NotFoundError("the tracking store has no such run", got=text) from cause
            hint = "mlflow db upgrade, after a backup" if "schema" in text else "check MLFLOW_TRACKING_URI"
            raise TrackingError(f"the tracking store {shown(address)} refused", got=text, hint=hint) from cause
        except OSError as cause:
            raise Unreachable(str(cause)) from cause


@contextlib.contextmanager
def asking(address: str) -> Iterator[Any]:
    """As `reaching`, for those who need an answer now.

    Raises:
        TrackingError: the server does not answer, or refused.
        NotFoundError: the store has no such run.
    """
    try:
        with reaching(address) as client:
            yield client
    except Unreachable as cause:
        raise TrackingError(
            f"the tracking server {shown(address)} does not answer",
            got=str(cause).replace(address, shown(address)),
            hint="start it, or unset MLFLOW_TRACKING_URI to use the workspace's own store",
        ) from cause


def experiment_id(client: Any, ws: Workspace, address: str) -> str:
    """The id of our experiment, made when the store has none."""
    from mlflow.exceptions import MlflowException

    name = experiment()
    if (found := client.get_experiment_by_name(name)) is not None:
        return str(found.experiment_id)
    place = None if is_remote(address) else str(ws.artifacts.absolute())
    try:
        return str(client.create_experiment(name, artifact_location=place))
    except MlflowException:
        # Another process made it between the two calls.
        if (found := client.get_experiment_by_name(name)) is None:
            raise
        return str(found.experiment_id)


def _is_fault_of_the_server(cause: Any) -> bool:
    return bool(cause.get_http_status_code() >= 500)


@functools.lru_cache(maxsize=8)
def _client(address: str) -> Any:
    from mlflow.tracking import MlflowClient

    # MLflow announces its connection pool to everybody, as a line on standard error.
    announcer = logging.getLogger("mlflow.store.db.utils")
    before = announcer.level
    announcer.setLevel(logging.WARNING)
    try:
        return MlflowClient(tracking_uri=address, registry_uri=address)
    finally:
        announcer.setLevel(before)


def _check_contact(address: str) -> None:
    """Knock before MLflow does: its own retries take minutes."""
    if not is_remote(address):
        return
    parts = urlsplit(address)
    host = parts.hostname or ""
    if urllib.request.getproxies().get(parts.scheme) and not urllib.request.proxy_bypass(host):
        return
    try:
        port = parts.port or (443 if parts.scheme == "https" else 80)
        socket.create_connection((host, port), timeout=_CONTACT_S).close()
    except (OSError, ValueError) as cause:
        raise Unreachable(str(cause)) from cause


@contextlib.contextmanager
def _environment(settings: Mapping[str, str]) -> Iterator[None]:
    ours = {name: value for name, value in settings.items() if name not in os.environ}
    os.environ.update(ours)
    try:
        yield
    finally:
        for name in ours:
            os.environ.pop(name, None)
