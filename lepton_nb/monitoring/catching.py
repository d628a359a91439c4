"""Windows and labels brought up to date, for whoever keeps them so and looks at nothing."""

from __future__ import annotations

from ..workspace import Workspace
from .labels import join
from .windows import bring_up_to_date, folder_of

__all__ = ["catch_up"]


def catch_up(ws: Workspace, name: str) -> None:
    """Count what is new on a deployment's log, and join the labels that came late.

    Args:
        ws: the workspace.
        name: name of the deployment.

    Raises:
        NotFoundError: there is no such deployment.
        FormatError: its log, labels or windows are broken, or newer than this version reads.
    """
    folder = folder_of(ws, name)
    bring_up_to_date(ws, folder)
    join(ws, folder)
