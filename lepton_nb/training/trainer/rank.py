"""One of several processes that train together: `python -m lepton_nb.training.trainer.rank RUN_FOLDER NUMBER`."""

from __future__ import annotations

import sys
import traceback
from pathlib import Path

from ..events import EventLog
from ..job import Job
from .failures import is_of_another, tell_failure

__all__ = ["main"]


def main(folder: Path, rank: int) -> int:
    """Do the job of a run's folder beside its first process, and leave there why it failed.

    Args:
        folder: the run's folder.
        rank: number of this process, from 1 on.

    Returns:
        The exit status: 0 when it finished or was stopped.
    """
    try:
        from .devices import join
        from .fitting import fit

        job = Job.read(folder)
        fit(job, EventLog(folder), join(job, rank))
    except BaseException as cause:  # noqa: BLE001 -- whatever ends it is told to the first process
        tell_failure(folder, rank, cause)
        # The first process says what happened when another one is gone; ours would bury it.
        if not is_of_another(cause):
            traceback.print_exc()
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2])))
