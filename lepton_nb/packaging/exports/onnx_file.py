"""The artifact's own `model.onnx`: preprocessing and network in one graph, as it is served."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path

from ...artifact.folder import MODEL, TOKENIZER
from ...errors import PackagingError
from ...runtime import ModelError, manifest_of
from ...runtime.model import Model
from .formats import Made, Subject

__all__ = ["make", "of_bytes", "require"]


def require() -> None:
    """Nothing that is not there: what makes the artifact makes this file."""


def make(subject: Subject) -> Made:
    """The artifact's graph.

    Args:
        subject: what is exported.
    """
    return of_bytes(subject, (subject.artifact.path / MODEL).read_bytes())


def of_bytes(subject: Subject, content: bytes, note: str = "") -> Made:
    """An ONNX file that takes the artifact's inputs, run as the runtime runs a model that is served.

    Args:
        subject: what is exported.
        content: the file.
        note: of the file.

    Raises:
        PackagingError: the runtime would not serve it.
    """
    artifact, run = subject.artifact, subject.run
    data = run.data if subject.network is None else subject.network.examples.id
    with tempfile.TemporaryDirectory(prefix="lepton-export-") as place:
        folder = Path(place)
        for name in ("signature.json", *([TOKENIZER] if (artifact.path / TOKENIZER).is_file() else [])):
            shutil.copy(artifact.path / name, folder)
        (folder / MODEL).write_bytes(content)
        manifest = {"format": 1, **manifest_of(folder, run=run.id, data=data).to_dict()}
        (folder / "manifest.json").write_text(json.dumps(manifest))
        try:
            model = Model.load(folder)
        except ModelError as cause:
            raise PackagingError(f"the exported graph of {run.model} cannot be run", got=str(cause)) from cause
    # A text's token ids are what every format takes; the tokenizer is not in the file.
    return Made(content, model.predict if subject.network is None else model.ask, note=note)
