"""What a model version takes and answers."""

from __future__ import annotations

from pathlib import Path

from ...runtime import ModelError, Signature, read_signature
from ...workspace import Workspace
from ..windows import model_folder

__all__ = ["signature_of"]


def signature_of(ws: Workspace, folder: Path, version: str) -> Signature | None:
    """The signature of a version that a deployment has or had; None when its model is gone."""
    path = model_folder(ws, folder, version)
    try:
        return None if path is None else read_signature(path)
    except ModelError:
        return None
