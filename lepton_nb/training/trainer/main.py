"""The trainer's process: `python -m lepton_nb.training.trainer.main RUN_FOLDER`."""

from __future__ import annotations

import contextlib
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from ... import tracking
from ...errors import LeptonError
from ...records import Failed, Finished, printable
from ...workspace import Workspace
from ..events import EventLog
from ..job import Job

__all__ = ["main"]

_MESSAGE = 1000


def main(folder: Path, log: EventLog | None = None) -> int:
    """Do the job of a run's folder, and tell how it ended: its events first, then the tracking store.

    Args:
        folder: the run's folder.
        log: where the events go (default: the run's own file).

    Returns:
        The exit status: 0 when it finished or was stopped.
    """
    job, log = Job.read(folder), log or EventLog(folder)
    ws = Workspace(job.home)
    tracking.mark_process(ws, job.id)

    def fail(cause: BaseException) -> None:
        kind, message = type(cause).__name__, printable(str(cause))[:_MESSAGE]
        # On a full disk neither can be written: then whoever waits finds the process gone, and the log.
        with contextlib.suppress(OSError, LeptonError):
            tracking.finish_run(ws, job.id, "failed", f"{kind}: {message}", send=False)
            log.write(Failed(time.time(), kind, message))

    try:
        status, text = _work(job, log, fail)
    except BaseException as cause:  # noqa: BLE001 -- whatever ends the training is told to whoever waits for it
        traceback.print_exc()
        fail(cause)
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


def _work(job: Job, log: EventLog, fail: Callable[[BaseException], None]) -> tuple[str, str]:
    """Do the job in this process, or lead those that do it."""
    if job.fit.on == "ray":
        from .ray_driver import drive

        return drive(job, log)
    if job.fit.devices > 1:
        from .devices import lead

        return lead(job, log, fail)
    from .fitting import fit

    return fit(job, log)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
