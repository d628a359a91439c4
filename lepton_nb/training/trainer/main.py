"""The trainer's process: `python -m lepton_nb.training.trainer.main RUN_FOLDER`."""

from __future__ import annotations

import sys
import time
import traceback
from pathlib import Path

from ... import tracking
from ...errors import LeptonError
from ...records import Failed, Finished
from ...workspace import Workspace
from ..events import EventLog
from ..job import Job

__all__ = ["main"]


def main(folder: Path) -> int:
    """Do the job of a run's folder, and tell how it ended: its events first, then the tracking store.

    Args:
        folder: the run's folder.

    Returns:
        The exit status: 0 when it finished or was stopped.
    """
    job, log = Job.read(folder), EventLog(folder)
    ws = Workspace(job.home)
    tracking.mark_process(ws, job.id)
    try:
        from .fitting import fit

        status, text = fit(job, log)
    except BaseException as cause:  # noqa: BLE001 -- whatever ends the training is told to whoever waits for it
        traceback.print_exc()
        kind, message = type(cause).__name__, " ".join(str(cause).split())[:500]
        tracking.finish_run(ws, job.id, "failed", f"{kind}: {message}", send=False)
        log.write(Failed(time.time(), kind, message))
        code = 1
    else:
        tracking.finish_run(ws, job.id, "stopped" if status == "stopped" else "finished", send=False)
        log.write(Finished(time.time(), status, text))
        code = 0
    try:
        tracking.flush(ws, job.id, wait=5.0)
    except LeptonError:
        # The lines stay in the folder; the next one who reaches the store sends them.
        traceback.print_exc()
    return code


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
