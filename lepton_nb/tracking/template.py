"""The workspace's own store: one SQLite file, made once.

MLflow's first touch of an empty file runs every migration since 2018, for seconds, and several processes that
do so at once leave it broken. So a migrated file is kept per MLflow version in the user's cache, and a workspace
gets a copy of it, under a lock.
"""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

from ..errors import TrackingError
from ..workspace import Workspace, locked
from .address import sqlite_address, sqlite_file, uri

__all__ = ["copy_known", "create"]

_PLACE = "/lepton-artifacts"

# In a process of its own: MLflow and alembic write their progress to standard error.
_MAKE = f"""
import sys
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
store = SqlAlchemyStore(sys.argv[1], {_PLACE!r})
store.create_experiment("lepton", artifact_location={_PLACE!r})
"""


def create(ws: Workspace) -> None:
    """Make the SQLite store when there is none; any number of processes may do so at once.

    Args:
        ws: the workspace. Nothing is made when `MLFLOW_TRACKING_URI` names a server.

    Raises:
        TrackingError: MLflow could not make it.
    """
    target = sqlite_file(uri(ws))
    if target is None or target.exists():
        return
    with locked(target.with_name(f"{target.name}.lock")):
        if target.exists():
            return
        handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        os.close(handle)
        new = Path(name)
        try:
            _copy_template(new)
            _point(new, ws.artifacts.absolute())
            new.chmod(0o600)
            new.replace(target)
        finally:
            new.unlink(missing_ok=True)


def copy_known(target: Path, artifacts: Path) -> bool:
    """Make a store elsewhere, where that takes no time.

    Args:
        target: the file to write.
        artifacts: where its experiments keep their files.

    Returns:
        Whether this user has a migrated store of the installed MLflow to copy.
    """
    path = _folder() / f"mlflow-{importlib.metadata.version('mlflow')}.db"
    if not path.is_file():
        return False
    shutil.copyfile(path, target)
    _point(target, artifacts)
    return True


def _folder() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lepton_nb"


def _copy_template(new: Path) -> None:
    """Write a migrated, empty store of the installed MLflow."""
    folder = _folder()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        # A folder that is there may still refuse files: it may be another user's, or full.
        tempfile.TemporaryFile(dir=folder).close()
    except OSError:
        with tempfile.TemporaryDirectory(prefix="lepton-") as scratch:
            shutil.copyfile(_template(Path(scratch)), new)
    else:
        shutil.copyfile(_template(folder), new)


def _template(folder: Path) -> Path:
    """The template in a folder, made when it is not there."""
    version = importlib.metadata.version("mlflow")
    path = folder / f"mlflow-{version}.db"
    with locked(folder / f"mlflow-{version}.lock", timeout=120):
        if not path.exists():
            _make(path)
    return path


def _make(path: Path) -> None:
    with tempfile.TemporaryDirectory(dir=path.parent) as scratch:
        new = Path(scratch) / "mlflow.db"
        address = sqlite_address(new)
        environment = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_TRACKING_URI": address}
        command = [sys.executable, "-c", _MAKE, address]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["no message"])[-1]
            raise TrackingError("MLflow could not make its store", got=last, hint="lepton doctor")
        new.replace(path)


def _point(path: Path, artifacts: Path) -> None:
    """Let the experiments keep their files in the workspace."""
    connection = sqlite3.connect(path)
    with connection:
        connection.execute(
            "UPDATE experiments SET artifact_location = replace(artifact_location, ?, ?)", (_PLACE, artifacts.as_uri())
        )
    connection.close()
