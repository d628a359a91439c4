"""What the first use of a store leaves behind in a process, made before anybody waits for it."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from ..records import Metric
from ..workspace import Workspace
from . import spool
from .address import sqlite_address
from .sending import enter, send
from .store import forget, reaching
from .template import copy_known
from .writing import finish_run, log_files, set_tags, spool_metrics

__all__ = ["rehearse"]


def rehearse() -> None:
    """Enter a run in a store that goes again, and tell of it all that a trainer tells.

    MLflow and SQLAlchemy make tables of their own when they are first used, which take longer than many an import; a
    template does so once for all of its children. Nothing is done where no workspace of this user has a store yet: to
    make the first one takes seconds. No connection, file or thread is left.
    """
    with tempfile.TemporaryDirectory(prefix="lepton-rehearsal-") as name:
        ws = Workspace(Path(name))
        if not copy_known(ws.mlflow_db, ws.artifacts):
            return
        address, now = sqlite_address(ws.mlflow_db), time.time()
        try:
            record = spool.Record("", None, address, "rehearsal", {"epochs": "1"}, {"lepton.model": "none"}, now)
            with reaching(address) as client:
                run_id = enter(client, ws, record)
            ws.run(run_id).mkdir(parents=True)
            spool.Record(run_id, run_id, address, record.name, record.params, record.tags, now).write(ws)
            spool_metrics(ws, run_id, [Metric("loss", 1.0, 0, now), Metric("loss", 0.5, 1, now)])
            weights = Path(name) / "weights"
            weights.touch()
            log_files(ws, run_id, [weights], send=False)
            finish_run(ws, run_id, "finished", send=False)
            send(ws, run_id)
            set_tags(ws, run_id, {"pruned": "at epoch 1"})
        finally:
            forget()
