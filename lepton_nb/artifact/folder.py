"""The artifact's folder and its manifest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..records import Artifact, Run
from ..runtime import manifest_of, read_object
from ..workspace import locked, write_json

__all__ = ["FOLDER", "MODEL", "RECORD", "TOKENIZER", "add_file", "lock_of", "seal"]

FOLDER = "artifact"
MODEL, TOKENIZER = "model.onnx", "tokenizer.json"
# Beside the folder, not in it: how it was made is no part of what is shipped.
RECORD = "artifact.json"


def lock_of(run: Run) -> Path:
    """The lock that whoever changes the artifact of `run` holds."""
    return run.path / "artifact.lock"


def seal(folder: Path, *, run: str, data: str) -> None:
    """Write the manifest of every file that lies in `folder` now."""
    write_json(folder / "manifest.json", manifest_of(folder, run=run, data=data).to_dict())


def add_file(run: Run, artifact: Artifact, name: str, content: dict[str, Any]) -> Path:
    """Put one more JSON file of ours into an artifact, and into its manifest.

    Args:
        run: the run the artifact was built from.
        artifact: the artifact.
        name: file name, such as `card.json`; a file of that name is replaced.
        content: the object; its format number is added.

    Returns:
        The file.
    """
    path = artifact.path / name
    with locked(lock_of(run)):
        write_json(path, content)
        # Of a run on loaders it is the hash of what was kept of them.
        data = str(read_object(path.with_name("manifest.json"))["data"])
        seal(artifact.path, run=run.id, data=data)
    return path
