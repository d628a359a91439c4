"""The best run of a study is a version of a registered model."""

from __future__ import annotations

import time
from collections.abc import Sequence

from ... import tracking
from ...errors import LeptonError
from ...records import Trial, best_of
from ...workspace import Workspace
from .plan import Plan

__all__ = ["BEST", "register"]

BEST = "best"


def register(ws: Workspace, plan: Plan, trials: Sequence[Trial]) -> str:
    """Have the alias `best` of the model that is called as the study point to its best run.

    Args:
        ws: the workspace.
        plan: of the study.
        trials: of the study.

    Returns:
        The model and the alias; empty where there is no best run, or the tracking store is away.
    """
    best = best_of((one for one in trials if one.run), plan.wanted[0])
    if best is None:
        return ""
    try:
        tracking.flush(ws, best.run, wait=10.0)
        tracking.point_alias(ws, plan.name, BEST, best.run)
    except LeptonError as cause:
        stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime())
        print(f"{stamp} the best run is not registered: {cause}", flush=True)  # noqa: T201 - the study's log
        return ""
    return f"{plan.name}@{BEST}"
