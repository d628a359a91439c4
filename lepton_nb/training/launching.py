"""The trainer's process is started for a job that lies ready."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from .. import kernels, processes, tracking
from ..kernels.waiting import sleeping
from ..processes import Identity
from ..workspace import Workspace
from .following import oom_kills

__all__ = ["launch", "trainer_environment"]

_PACKAGE = Path(__file__).resolve().parents[2]


def launch(ws: Workspace, run_id: str, cwd: Path, variables: Mapping[str, str] | None = None) -> Identity:
    """Start the trainer of a run, in a session of its own that outlives this process.

    Args:
        ws: the workspace.
        run_id: the run, whose job is written.
        cwd: its working folder; this process's own when it is gone.
        variables: of its environment, beside this process's own.
    """
    folder = ws.run(run_id)
    if (kills := oom_kills()) is not None:
        (folder / "oom_kills").write_text(str(kills))
    trainer = kernels.start_detached(
        "lepton_nb.training.trainer.main",
        [str(folder.absolute())],
        log=folder / "log",
        cwd=cwd if cwd.is_dir() else Path.cwd(),
        env={**trainer_environment(), **(variables or {})},
    )
    try:
        tracking.mark_process(ws, run_id, trainer)
    except BaseException:
        processes.stop(trainer, grace=0.0)
        raise
    return trainer


def trainer_environment() -> dict[str, str]:
    """This process's environment, and what a trainer needs on top."""
    # The trainer imports the package that this process runs, wherever that lies.
    paths = os.pathsep.join(filter(None, [str(_PACKAGE), os.environ.get("PYTHONPATH", "")]))
    ours = {"PYTHONPATH": paths, "PYTHONFAULTHANDLER": "1", "PYTHONUNBUFFERED": "1"}
    return {**sleeping(), **os.environ, **ours}
