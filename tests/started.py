"""Programs that tests of several rooms start, what runs below a process, and what is built of this tree."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest

from lepton_nb import processes

__all__ = ["archives", "running_children", "start_jupyterlab"]


def _running_children(pid: int, word: str, *, at_least: int = 0, recursive: bool = False) -> list[psutil.Process]:
    """The living children of `pid` whose command has `word`, once there are `at_least` so many.

    What was just killed is a child until its parent has looked, and has no command; what has just been forked still
    has its parent's. Neither counts.
    """
    deadline, found = time.monotonic() + 20, []
    while True:
        with contextlib.suppress(psutil.NoSuchProcess):
            found = [one for one in psutil.Process(pid).children(recursive) if word in _command_of(one)]
        if len(found) >= at_least:
            return found
        assert time.monotonic() < deadline, f"{len(found)} children of {pid} run {word}, expected {at_least}"
        time.sleep(0.02)


def _command_of(process: psutil.Process) -> str:
    with contextlib.suppress(psutil.NoSuchProcess):
        return " ".join(process.cmdline())
    return ""


@pytest.fixture(scope="session")
def running_children() -> Callable[..., list[psutil.Process]]:
    return _running_children


@pytest.fixture(scope="session")
def start_jupyterlab() -> Callable[..., tuple[str, str, processes.Identity]]:
    """Starts a real JupyterLab whose own files lie in a folder: its address, token and process."""

    def start(
        folder: Path, root: Path, *options: str, python: Sequence[str] = (), settings: bool = False
    ) -> tuple[str, str, processes.Identity]:
        from jupyter_server.serverapp import list_running_servers

        env = {name: value for name, value in os.environ.items() if not name.startswith(("LEPTON_", "MLFLOW_"))}
        env |= {f"JUPYTER_{kind}_DIR": str(folder / kind.lower()) for kind in ("CONFIG", "DATA", "RUNTIME")}
        if settings:
            env |= {f"JUPYTERLAB_{kind}_DIR": str(folder / kind.lower()) for kind in ("SETTINGS", "WORKSPACES")}
        command = [sys.executable, *python, "-m", "jupyterlab", "--no-browser", "--allow-root"]
        command += ["--ServerApp.port=0", f"--ServerApp.root_dir={root}", *options]
        identity = processes.start(command, log=folder / "log", cwd=folder, env=env)
        deadline = time.monotonic() + 60
        while not (found := list(list_running_servers(folder / "runtime"))):
            assert processes.is_alive(identity), (folder / "log").read_text()[-2000:]
            assert time.monotonic() < deadline, "JupyterLab did not come up"
            time.sleep(0.1)
        # The file that tells the address is there before anybody answers at it.
        with socket.socket() as probe:
            while probe.connect_ex(("127.0.0.1", urlsplit(found[0]["url"]).port or 0)):
                assert time.monotonic() < deadline, "JupyterLab did not answer"
                time.sleep(0.1)
        return found[0]["url"], found[0]["token"], identity

    return start


@pytest.fixture(scope="session")
def archives() -> Path:
    """The folder of the wheel and the source archive of this tree, built once for all of xdist's processes."""
    from filelock import FileLock

    import lepton_nb

    folder = Path(os.environ["XDG_RUNTIME_DIR"]) / "dist"
    with FileLock(f"{folder}.lock"):
        if not folder.exists():
            command = [sys.executable, "-m", "hatchling", "build", "-d", f"{folder}.new"]
            root = Path(lepton_nb.__file__).parents[1]
            done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr
            Path(f"{folder}.new").rename(folder)
    return folder
