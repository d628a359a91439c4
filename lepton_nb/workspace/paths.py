"""Where everything lies: the project root and the folders under its `.lepton`."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from ..errors import UsageError

__all__ = ["Workspace", "check_name", "current", "nearest_root"]

_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,62}")
_MARKS = ((".lepton",), (".git", "pyproject.toml"))


@dataclass(frozen=True)
class Workspace:
    """The folders of one project. Nothing is made on disk until something is written there.

    Args:
        home: the `.lepton` folder.
    """

    home: Path

    @property
    def root(self) -> Path:
        """The project root, which holds `.lepton`."""
        return self.home.parent

    @property
    def mlflow_db(self) -> Path:
        """MLflow's SQLite file."""
        return self.home / "mlflow.db"

    @property
    def artifacts(self) -> Path:
        """MLflow's artifact store."""
        return self.home / "artifacts"

    @property
    def data(self) -> Path:
        """Loaded data sets, one folder per hash."""
        return self.home / "data"

    @property
    def runs(self) -> Path:
        """Job folders, one per run."""
        return self.home / "runs"

    @property
    def deployments(self) -> Path:
        """Deployments, one folder per name."""
        return self.home / "deployments"

    @property
    def pipelines(self) -> Path:
        """Pipeline runs, one folder each."""
        return self.home / "pipelines"

    @property
    def bentoml(self) -> Path:
        """The Bento store; `BENTOML_HOME` overrides it."""
        return Path(os.environ.get("BENTOML_HOME") or self.home / "bentoml")

    def run(self, run_id: str) -> Path:
        """The job folder of one run."""
        return self.runs / check_name(run_id, "run id")

    def deployment(self, name: str) -> Path:
        """The folder of one deployment."""
        return self.deployments / check_name(name, "deployment name")


def current(start: Path | None = None) -> Workspace:
    """The workspace that holds `start` (default: the current folder).

    `LEPTON_HOME` names the `.lepton` folder itself. Otherwise the root is the nearest ancestor with
    `.lepton`, else with `.git` or `pyproject.toml`, else `start`.
    """
    if named := os.environ.get("LEPTON_HOME"):
        # A link is kept: the project is where it lies, not where it leads.
        return Workspace(Path(os.path.abspath(Path(named).expanduser())))  # noqa: PTH100 -- `absolute` keeps `..`
    return Workspace(nearest_root((start or Path.cwd()).resolve()) / ".lepton")


def nearest_root(here: Path) -> Path:
    """The project root around a folder, whatever `LEPTON_HOME` says."""
    for marks in _MARKS:
        for folder in (here, *here.parents):
            if any((folder / mark).exists() for mark in marks):
                return folder
    return here


def check_name(name: str, what: str = "name") -> str:
    """`name` itself, when it is a legal name that stays inside the workspace.

    Args:
        name: the name.
        what: how the message calls it.

    Raises:
        UsageError: the name does not match `[a-z0-9][a-z0-9_.-]{0,62}`.
    """
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"{what} {name!r} is not allowed",
            expected="1 to 63 of a-z, 0-9, '_', '.', '-', starting with a letter or a digit",
        )
    return name
