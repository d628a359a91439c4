"""Where a run came from: the commit, the notebook, the environment."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

__all__ = ["provenance"]

_INSTALLED = re.compile(r"([^-]+)-(.+)\.(?:dist-info|egg-info)")


def provenance(folder: Path) -> dict[str, str]:
    """Tags that say where a run came from, those that can be known.

    Args:
        folder: the project's root.

    Returns:
        `git_commit` (with `-dirty` when files differ from it), `notebook`, `environment` (SHA-256 over the
        installed distributions' names and versions), `python`, and MLflow's own names of the first two.
    """
    tags = {"environment": environment_digest(), "python": sys.version.split()[0]}
    if commit := git_commit(folder):
        tags |= {"git_commit": commit, "mlflow.source.git.commit": commit.removesuffix("-dirty")}
    if notebook := notebook_name():
        tags |= {"notebook": notebook, "mlflow.source.name": notebook, "mlflow.source.type": "NOTEBOOK"}
    return tags


def git_commit(folder: Path) -> str:
    """The commit of the repository that holds `folder`, empty when there is none."""
    program = shutil.which("git")
    if program is None or not folder.is_dir():
        return ""
    # The status must not write the index: another git may be at work.
    git = [program, "--no-optional-locks", "-C", str(folder)]
    try:
        head = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, timeout=5, check=True)
        changed = subprocess.run(
            [*git, "status", "--porcelain", "--untracked-files=no"],
            capture_output=True, text=True, timeout=5, check=True,
        )  # fmt: skip
    except (subprocess.SubprocessError, OSError):
        return ""
    return head.stdout.strip() + ("-dirty" if changed.stdout.strip() else "")


@functools.cache
def environment_digest() -> str:
    """SHA-256 over the names and versions of what is installed, in hexadecimal."""
    found: dict[str, str] = {}
    for place in sys.path:
        with contextlib.suppress(OSError), os.scandir(place or ".") as entries:
            for entry in entries:
                # The folder's name says both (Binary distribution format); to read what is in them takes half a second.
                if (known := _INSTALLED.fullmatch(entry.name)) is not None:
                    found.setdefault(re.sub(r"[-_.]+", "-", known[1]).lower(), known[2])
    return hashlib.sha256("\n".join(f"{name}=={found[name]}" for name in sorted(found)).encode()).hexdigest()


def notebook_name() -> str:
    """The notebook this process runs, empty when it cannot be known."""
    names = vars(sys.modules["__main__"])
    for known in (
        names.get("PAPERMILL_INPUT_PATH"),
        names.get("__vsc_ipynb_file__"),
        os.environ.get("JPY_SESSION_NAME"),
    ):
        if isinstance(known, str) and known.endswith(".ipynb"):
            return Path(known).name
    return ""
