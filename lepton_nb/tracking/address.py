"""Which tracking store a workspace uses."""

from __future__ import annotations

import os
import re
from pathlib import Path
from urllib.parse import quote, unquote

from ..workspace import Workspace

__all__ = ["experiment", "is_remote", "shown", "sqlite_address", "sqlite_file", "uri"]


def uri(ws: Workspace) -> str:
    """`MLFLOW_TRACKING_URI` when it is set, else the workspace's own SQLite file."""
    return os.environ.get("MLFLOW_TRACKING_URI") or sqlite_address(ws.mlflow_db)


def sqlite_address(path: Path) -> str:
    """The address of an SQLite file, whatever characters its path has.

    Args:
        path: the file.

    Example:
        >>> sqlite_address(Path("/home/ada/mlflow.db")), sqlite_address(Path("/home/a#b/mlflow.db"))
        ('sqlite:////home/ada/mlflow.db', 'sqlite+pysqlite:////home/a%23b/mlflow.db')
    """
    text = str(path.absolute())
    if not re.search("[%#?]", text):
        return f"sqlite:///{text}"
    # Of an address without a driver, MLflow takes the quoted path for a folder and makes it.
    return f"sqlite+pysqlite:///{quote(text)}"


def experiment() -> str:
    """`MLFLOW_EXPERIMENT_NAME` when it is set, else `lepton`."""
    return os.environ.get("MLFLOW_EXPERIMENT_NAME") or "lepton"


def sqlite_file(address: str) -> Path | None:
    """The file of an SQLite store, None for any other store.

    Example:
        >>> sqlite_file("sqlite:////home/ada/.lepton/mlflow.db"), sqlite_file("http://localhost:5000")
        (PosixPath('/home/ada/.lepton/mlflow.db'), None)
    """
    found = re.fullmatch(r"sqlite(?:\+pysqlite)?:///([^?]+)(?:\?.*)?", address)
    return Path(unquote(found[1])) if found and found[1] != ":memory:" else None


def is_remote(address: str) -> bool:
    """Whether the store is a server, which may be away for a while."""
    return address.startswith(("http://", "https://"))


def shown(address: str) -> str:
    """The address without a password.

    Example:
        >>> shown("https://ada:secret@tracking.example/api?token=1")
        'https://tracking.example/api'
    """
    return re.sub(r"//[^/@]*@", "//", address).split("?")[0]
