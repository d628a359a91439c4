"""Which runs the deployments were made from: these must not be cleaned away."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ..errors import FormatError
from ..runtime import ModelError, read_object, read_slots
from ..workspace import Workspace
from .deployed import recorded

__all__ = ["served_runs"]


def served_runs(ws: Workspace) -> dict[str, str]:
    """The runs that deployments serve, whether these run or not; nothing is written.

    Args:
        ws: the workspace.

    Returns:
        For each run's id the name of a deployment.

    Raises:
        FormatError: a deployment's files are broken, so that nobody can tell what it serves.
    """
    found: dict[str, str] = {}
    for folder in sorted(path for path in ws.deployments.glob("*") if path.is_dir()):
        try:
            for model in set(_models(ws, folder)):
                # A Bento that was deleted points to nothing any more.
                if (model / "manifest.json").is_file():
                    found.setdefault(str(read_object(model / "manifest.json")["run"]), folder.name)
        except (ModelError, FormatError, KeyError, TypeError) as cause:
            raise FormatError(
                f"deployment {folder.name} does not tell what it serves",
                got=str(cause),
                hint=f"end its server if one runs, remove {folder}, and serve it again: lepton serve BENTO",
            ) from cause
    return found


def _models(ws: Workspace, folder: Path) -> Iterator[Path]:
    """The model folders that a deployment names: its slots say what answers, its record what was served."""
    slots = folder / "slots.json"
    if slots.is_file():
        yield from (slot.path for slot in read_slots(slots).values())
    try:
        record = recorded(ws, folder.name)
    except FormatError:
        if not slots.is_file():
            raise
        record = None
    if record is not None:
        name, _, version = record.bento.partition(":")
        yield ws.bentoml / "bentos" / name / version / "src" / "model"
