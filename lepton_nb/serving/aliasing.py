"""The tracking store's aliases say what answers."""

from __future__ import annotations

import time

from ..errors import LeptonError
from ..records import Deployment, Note, Report
from ..runtime import CHALLENGER, CHAMPION, ModelError, read_object, read_slots
from ..workspace import Workspace

__all__ = ["point_aliases"]


def point_aliases(ws: Workspace, deployment: Deployment, report: Report) -> None:
    """Have the tracking store's aliases say what answers. The slots are the truth: a store that is away is told of.

    Args:
        ws: the workspace.
        deployment: whose slots were changed.
        report: hears of a store that is away.
    """
    from .. import tracking

    slots = read_slots(deployment.path / "slots.json")
    try:
        for alias in (CHAMPION, CHALLENGER):
            if alias in slots:
                run_id = str(read_object(slots[alias].path / "manifest.json")["run"])
                tracking.point_alias(ws, deployment.name, alias, run_id, slots[alias].bento)
            else:
                tracking.remove_alias(ws, deployment.name, alias)
    except (LeptonError, ModelError, KeyError) as cause:
        report(Note(time.time(), f"the tracking store's aliases do not say so yet: {cause}"))
