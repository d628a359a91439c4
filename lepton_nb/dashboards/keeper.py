"""Keeps the windows of all deployments up to date, beside those who look at them and never in their way."""

from __future__ import annotations

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


class Keeper:
    """Reads what is new on the logs, once a second at most; where nothing is new, nothing is opened.

    Args:
        ws: the workspace.
    """

    def __init__(self, ws: Workspace) -> None:
        self._ws = ws
        self._seen: dict[str, object] = {}

    def once(self) -> None:
        """Bring the windows of every deployment up to date. One that cannot be read hinders no other."""
        for folder in sorted(path for path in self._ws.deployments.glob("*") if path.is_dir()):
            state = _written(folder)
            if not state or self._seen.get(folder.name) == state:
                continue
            try:
                monitoring.catch_up(self._ws, folder.name)
            except (LeptonError, OSError) as fault:
                # The page says it as well: it reads the same windows.
                print(f"{folder.name}: {fault}", file=sys.stderr, flush=True)  # noqa: T201
            except Exception:  # noqa: BLE001
                # A fault of ours; the log of this process tells where.
                print(f"{folder.name}: {traceback.format_exc()}", file=sys.stderr, flush=True)  # noqa: T201
            self._seen[folder.name] = state

    def run(self, ended: threading.Event) -> None:
        """Do so until it is told to end; a pass that took long is followed by a rest as long."""
        while not ended.is_set():
            begun = time.monotonic()
            self.once()
            ended.wait(max(_EVERY_S, min(time.monotonic() - begun, 10.0)))


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
