"""Which runs were started here, told by their folders alone: for completion, which can wait for nobody."""

from __future__ import annotations

import contextlib

from ..errors import LeptonError
from ..workspace import Workspace
from .spool import Record

__all__ = ["known"]


def known(ws: Workspace, limit: int = 200) -> tuple[tuple[str, str], ...]:
    """The newest runs that were started here; the store is not asked, and a folder that is broken is left out.

    Args:
        ws: the workspace.
        limit: how many folders to look into at most.

    Returns:
        Id and name of each, newest first.
    """
    found = []
    for path in ws.runs.glob("*/tracking.json"):
        # It may be deleted meanwhile.
        with contextlib.suppress(OSError):
            found.append((path.stat().st_mtime, path.parent.name))
    records = []
    for _, run_id in sorted(found, reverse=True)[:limit]:
        with contextlib.suppress(LeptonError, OSError, RecursionError):
            record = Record.read(ws, run_id)
            records.append((float(record.created), run_id, str(record.name)))
    return tuple((run_id, name) for _, run_id, name in sorted(records, reverse=True))
