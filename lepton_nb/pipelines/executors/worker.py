"""The process of one step: `python -m lepton_nb.pipelines.executors.worker STEPFOLDER`."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import threading
from pathlib import Path

import psutil

from ...workspace import read_json, write_json

__all__ = ["main"]


def main(folder: Path) -> None:
    """Execute the notebook that `job.json` names and write `result.json`.

    Args:
        folder: the step's folder; standard input is a pipe that the executor holds.
    """
    job = read_json(folder / "job.json")
    sockets = Path(job["sockets"])
    threading.Thread(target=_follow_owner, args=(sockets,), name="lepton-owner", daemon=True).start()
    # jsonschema compiles this grammar at import, 1.4 s, for a check that no notebook asks for.
    sys.modules["rfc3987_syntax"] = None  # type: ignore[assignment] # marks a module as not importable
    from ..engine import execute

    failure = execute(
        Path(job["notebook"]),
        Path(job["executed"]),
        job["parameters"],
        cell_file=folder / "cell",
        sockets=sockets,
    )
    error, cell = (failure.error, failure.cell) if failure else ("", None)
    write_json(folder / "result.json", {"error": error, "cell": cell})


def _follow_owner(sockets: Path) -> None:
    """End with everything below when the pipe closes: its other end's owner is gone."""
    while os.read(0, 1):
        pass
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            process.kill()
    shutil.rmtree(sockets, ignore_errors=True)
    os._exit(1)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
