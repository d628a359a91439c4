"""Keeps the windows of all deployments up to date, beside those who look at them and never in their way."""

from __future__ import annotations

import math
import sys
import threading
import time
import traceback
from pathlib import Path

from .. import monitoring
from ..errors import LeptonError
from ..workspace import Workspace

__all__ = ["Keeper", "main"]

_EVERY_S = 1.0
# How often the place of a deployment that runs elsewhere is looked at: servers copy there every half a minute.
_ELSEWHERE_S = 30.0


class Keeper:
    """Reads what is new on the logs, once a second at most; where nothing is new, nothing is opened.

    What is new of a deployment that runs elsewhere nobody can see from here: its place is looked at every half a
    minute, in a thread of its own, since a network may take any time.

    Args:
        ws: the workspace.
    """

    def __init__(self, ws: Workspace) -> None:
        self._ws = ws
        self._seen: dict[str, object] = {}
        self._fetching: dict[str, threading.Thread] = {}
        self._fetched: dict[str, float] = {}

    def once(self) -> None:
        """Bring the windows of every deployment up to date. One that cannot be read hinders no other."""
        here, elsewhere = self._folders()
        for folder in here:
            self._look(folder)
        for folder in elsewhere:
            self._keep(folder.name)

    def run(self, ended: threading.Event) -> None:
        """Do so until it is told to end; a pass that took long is followed by a rest as long."""
        while not ended.is_set():
            begun = time.monotonic()
            here, elsewhere = self._folders()
            for folder in elsewhere:
                self._begin_fetching(folder)
            for folder in here:
                self._look(folder)
            ended.wait(max(_EVERY_S, min(time.monotonic() - begun, 10.0)))

    def _folders(self) -> tuple[list[Path], list[Path]]:
        """Those of the deployments of this machine, and of those that run elsewhere."""
        found: tuple[list[Path], list[Path]] = ([], [])
        for folder in sorted(path for path in self._ws.deployments.glob("*") if path.is_dir()):
            found[(folder / monitoring.ELSEWHERE).exists()].append(folder)
        return found

    def _look(self, folder: Path) -> None:
        state = _written(folder)
        if state and self._seen.get(folder.name) != state:
            self._keep(folder.name)
            self._seen[folder.name] = state

    def _begin_fetching(self, folder: Path) -> None:
        """Look at the place of a deployment when it is time, or labels were told here, and nobody does."""
        name, state, now = folder.name, _written(folder), time.monotonic()
        if (thread := self._fetching.get(name)) and thread.is_alive():
            return
        if self._seen.get(name) == state and now - self._fetched.get(name, -math.inf) < _ELSEWHERE_S:
            return
        self._seen[name], self._fetched[name] = state, now
        self._fetching[name] = threading.Thread(target=self._keep, args=(name,), name=f"lepton-{name}", daemon=True)
        self._fetching[name].start()

    def _keep(self, name: str) -> None:
        try:
            monitoring.catch_up(self._ws, name)
        except (LeptonError, OSError) as fault:
            # The page says it as well: it reads the same windows.
            print(f"{name}: {fault}", file=sys.stderr, flush=True)  # noqa: T201
        except Exception:  # noqa: BLE001
            # A fault of ours; the log of this process tells where.
            print(f"{name}: {traceback.format_exc()}", file=sys.stderr, flush=True)  # noqa: T201


def _written(folder: Path) -> object:
    """The logs of a deployment with their sizes, as far as a listing tells."""
    found = []
    for pattern in ("log-*", "bulk-*", "feedback-*", "usage-*"):
        for path in folder.glob(pattern):
            try:
                found.append((path.name, path.stat().st_size))
            except OSError:
                continue
    return tuple(sorted(found))


def main() -> None:
    """Keep the windows of the workspace that the command line names."""
    Keeper(Workspace(Path(sys.argv[1]))).run(threading.Event())


if __name__ == "__main__":
    main()
