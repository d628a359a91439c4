"""A study is led on a Ray cluster. Ray reads its environment when it is imported, so the connection comes first."""

from __future__ import annotations

import contextlib
import os

from ...errors import MissingError, PipelineError, TrainingError
from ...processes.cluster import connected
from ...workspace import Workspace
from ..trainer.ray_driver import private_folder
from .place import Place
from .plan import Plan

__all__ = ["drive_on_cluster"]

# What Ray Tune would write beside its results, or tell a terminal; a worker stays where it is put.
_QUIET = {"TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1", "RAY_CHDIR_TO_TRIAL_DIR": "0", "RAY_AIR_NEW_OUTPUT": "0"}


def drive_on_cluster(ws: Workspace, place: Place, plan: Plan) -> str:
    """Work on a study on the cluster of `RAY_ADDRESS`, or on one of this machine that ends with it.

    Args:
        ws: the workspace, which all nodes see under the same path.
        place: of the study.
        plan: of the study.

    Returns:
        How it ended: `finished` or `stopped`.

    Raises:
        MissingError: Ray is not installed.
        TrainingError: the cluster cannot be reached.
    """
    os.environ |= _QUIET
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(private_folder())
        try:
            stack.enter_context(connected(os.environ.get("RAY_ADDRESS") or None, folder))
        except PipelineError as cause:
            raise TrainingError(cause.what, expected=cause.expected, got=cause.got, hint=cause.hint) from None
        try:
            from .ray_tuner import drive
        except ModuleNotFoundError as cause:
            raise MissingError(f"{cause.name} is not installed", hint="pip install 'lepton_nb[ray]'") from cause
        return drive(ws, place, plan)
