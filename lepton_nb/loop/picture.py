"""What a watch decided, along with how often the models were right."""

from __future__ import annotations

from collections.abc import Sequence

from .. import figures, monitoring
from ..errors import LeptonError
from ..figures import Event, Track
from ..records import QualityStep
from ..workspace import Workspace
from .place import place_of

__all__ = ["draw"]

_MOST = 5
_SIGNS = {
    "triggered": "T",
    "retrained": "N",
    "passed": "G",
    "refused": "X",
    "withdrawn": "W",
    "failed": "F",
    "promoted": "P",
    "noticed": "?",
    "worse": "!",
    "rolled back": "R",
}
_TOLD = "T triggered, N retrained, G passed the gate, X refused, W withdrawn, F failed, P promoted, R rolled back"


def draw(ws: Workspace, deployment: str) -> str:
    """The accuracy of each model that answered, over time, with the decisions as marks.

    Args:
        ws: the workspace.
        deployment: its name.

    Returns:
        HTML with one `<svg>` element; nothing where no label has come, or where what came cannot be read.
    """
    try:
        decisions = place_of(ws, deployment).decisions()
        tracks = _tracks(monitoring.quality(ws, deployment).steps)
    except LeptonError:
        return ""
    if not tracks:
        return ""
    marks = [Event(one.time, _SIGNS[one.action]) for one in decisions if one.action in _SIGNS]
    times = [moment for one in tracks for moment in one.times] + [one.time for one in marks]
    across = (min(times), max(*times, min(times) + 1.0))
    drawn = figures.trends(tracks, title=f"Accuracy of {deployment}", across=across, up=(0.0, 1.05), events=marks)
    return f"{drawn}<p>{_TOLD}</p>" if marks else drawn


def _tracks(steps: Sequence[QualityStep]) -> list[Track]:
    """A curve for each model whose answers were labelled, the newest five."""
    known: dict[str, list[tuple[float, float]]] = {}
    for one in steps:
        if one.accuracy is not None:
            known.setdefault(one.version, []).append((one.start + one.seconds / 2, one.accuracy))
    newest = sorted(known.items(), key=lambda item: item[1][0])[-_MOST:]
    return [Track(version, *map(tuple, zip(*points, strict=True))) for version, points in newest]
