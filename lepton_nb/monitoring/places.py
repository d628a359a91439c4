"""Where a deployment's log and the models that answered lie."""

from __future__ import annotations

from pathlib import Path

from ..errors import NotFoundError
from ..runtime import ModelError, Signature, read_signature, read_slots
from ..workspace import Workspace

__all__ = ["LOGS", "RECORDS", "USAGE", "folder_of", "model_folder", "signature_of"]

RECORDS = ".records"
# Those of other machines have a time before their names.
LOGS = ("*log-*.jsonl", f"*bulk-*{RECORDS}")
USAGE = "*usage-*.jsonl"


def folder_of(ws: Workspace, name: str) -> Path:
    """The folder of a deployment.

    Raises:
        NotFoundError: there is none; the message lists those that there are.
    """
    folder = ws.deployment(name)
    if not folder.is_dir():
        names = sorted(path.name for path in ws.deployments.glob("*") if path.is_dir())
        raise NotFoundError(
            f"there is no deployment {name!r}",
            expected=f"one of {', '.join(names)}" if names else "",
            hint="lepton deployments" if names else "lepton serve BENTO",
        )
    return folder


def model_folder(ws: Workspace, folder: Path, version: str) -> Path | None:
    """Where the model of a version lies: in a slot, beside the log, in the Bento store, or nowhere."""
    try:
        slots = read_slots(folder / "slots.json").values()
    except ModelError:
        slots = {}.values()
    for slot in slots:
        if slot.bento == version:
            return slot.path
    name, _, tag = version.partition(":")
    if name and tag and Path(name).name == name and Path(tag).name == tag:
        # Of a deployment that runs elsewhere, what is known of its models lies beside its log.
        both = (folder / "models" / name / tag, ws.bentoml / "bentos" / name / tag / "src" / "model")
        return next((path for path in both if path.is_dir()), None)
    return None


def signature_of(ws: Workspace, folder: Path, version: str) -> Signature | None:
    """What a version takes and answers; None when its model is gone."""
    path = model_folder(ws, folder, version)
    try:
        return None if path is None else read_signature(path)
    except ModelError:
        return None
