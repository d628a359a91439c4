"""The one place that talks to MLflow, which is imported when it is first needed."""

from __future__ import annotations

import contextlib
import functools
import importlib
import logging
import os
import socket
import sqlite3
import sys
import threading
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from ..errors import NotFoundError, TrackingError
from ..workspace import Workspace
from .address import experiment, is_remote, shown, sqlite_file

__all__ = ["Unreachable", "asking", "experiment_id", "forget", "preload", "quiet", "reaching"]

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
_importing = threading.Event()


class Unreachable(Exception):  # noqa: N818 -- a state of the store that callers wait out, never shown
    """The server does not answer now; the message says why."""


def preload() -> None:
    """Import MLflow, which takes seconds: better before a lock is taken than while it is held.

    In a thread of its own: an interrupt in the middle would leave a module that is half there for good.
    """
    if "mlflow.tracking" in sys.modules and not _importing.is_set():
        return
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")

    def load() -> None:
        import mlflow.tracking  # noqa: F401

        _importing.clear()

    _importing.set()
    loading = threading.Thread(target=load, name="lepton-mlflow")
    loading.start()
    loading.join()
    # What stands in its way is raised where it is asked for.
    importlib.import_module("mlflow.tracking")


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
            raise _refusal(address, cause) from cause
        except _database_errors() as cause:
            raise _refusal(address, cause) from cause
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
    place = None if is_remote(address) else ws.artifacts.absolute().as_uri()
    try:
        return str(client.create_experiment(name, artifact_location=place))
    except MlflowException:
        # Another process made it between the two calls.
        if (found := client.get_experiment_by_name(name)) is None:
            raise
        return str(found.experiment_id)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """While a store of MLflow is opened, which announces its connection pool to everybody as a line on standard error.

    A client opens its registry when that is first asked for.
    """
    announcer = logging.getLogger("mlflow.store.db.utils")
    # A level that is set has every logger of the process look again whom it answers to.
    announcer.addFilter(_is_warning)
    try:
        yield
    finally:
        announcer.removeFilter(_is_warning)


def _is_warning(record: logging.LogRecord) -> bool:
    return record.levelno >= logging.WARNING


def _is_fault_of_the_server(cause: Any) -> bool:
    return bool(cause.get_http_status_code() >= 500)


def _database_errors() -> tuple[type[Exception], ...]:
    """What a database raises; SQLAlchemy's errors are among them once MLflow has imported it."""
    known = sys.modules.get("sqlalchemy.exc")
    return (sqlite3.Error,) if known is None else (sqlite3.Error, known.SQLAlchemyError)


def _refusal(address: str, cause: Exception) -> TrackingError:
    text, file = " ".join(str(cause).split())[:300], sqlite_file(address)
    if file is not None and ("malformed" in text or "not a database" in text):
        hint = f"move {file} away; the folders of the runs stay, and a new store is made for the next run"
        return TrackingError(f"the tracking store {file} is broken", expected="an SQLite database", got=text, hint=hint)
    if "database is locked" in text:
        hint = "another process writes to it: try again"
    elif "schema" in text:
        hint = "mlflow db upgrade, after a backup"
    elif file is not None and isinstance(cause, _database_errors()):
        hint = f"check the rights of {file} and the space left"
    else:
        hint = "check MLFLOW_TRACKING_URI"
    return TrackingError(f"the tracking store {shown(address)} refused", got=text, hint=hint)


def _check_file(file: Path | None) -> None:
    """Look into an SQLite file before MLflow does, which would try a broken one again for minutes."""
    if file is None or not file.is_file():
        return
    with contextlib.closing(sqlite3.connect(f"file:{quote(str(file.absolute()))}?mode=rw", uri=True)) as connection:
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()


@functools.lru_cache(maxsize=8)
def _client(address: str) -> Any:
    from mlflow.tracking import MlflowClient

    _check_file(sqlite_file(address))
    if not is_remote(address):
        _know_schema()
    with quiet():
        return MlflowClient(tracking_uri=address, registry_uri=address)


def _know_schema() -> None:
    """Have MLflow read its migrations once, which say what a store has to be at, and not at each store.

    They are a part of its package; whether this store is there is looked at each time.
    """
    from mlflow.store.db import utils

    read = getattr(utils, "_get_latest_schema_revision", None)
    if read and not hasattr(read, "cache_clear"):
        vars(utils)["_get_latest_schema_revision"] = functools.cache(read)


def forget() -> None:
    """Let go of the stores that were opened in this process."""
    _client.cache_clear()
    stores = sys.modules.get("mlflow.store.tracking.sqlalchemy_store")
    if stores:
        for engine in stores.SqlAlchemyStore._engine_map.values():  # noqa: SLF001 -- no public way
            engine.dispose()
        stores.SqlAlchemyStore._engine_map.clear()  # noqa: SLF001 -- no public way


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
