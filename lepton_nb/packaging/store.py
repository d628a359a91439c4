"""The Bentos in the store that were packaged here. Read from their files: importing BentoML takes seconds."""

from __future__ import annotations

import contextlib
from datetime import datetime
from pathlib import Path
from typing import Any

from ..errors import FormatError, NotFoundError
from ..records import Bento, Run
from ..runtime import ModelError, read_object
from ..workspace import Workspace, check_name
from .trial import SOURCE

__all__ = ["IMPORTED", "bentos", "find", "of_run"]

# The label of a Bento that was not packaged here.
IMPORTED = "lepton-imported"


def bentos(ws: Workspace) -> tuple[Bento, ...]:
    """Every Bento of the store that lepton packaged, newest first.

    Args:
        ws: the workspace.
    """
    found = []
    for card in (ws.bentoml / "bentos").glob("*/*/bento.yaml"):
        # Another tool's Bento, or one that is being built or removed now, is not among ours.
        with contextlib.suppress(OSError, FormatError):
            found.append(_open(card.parent))
    return tuple(sorted(found, key=lambda one: one.created, reverse=True))


def find(ws: Workspace, ref: str) -> Bento:
    """A Bento by its tag.

    Args:
        ws: the workspace.
        ref: `name:version`, or `name` (or `name:latest`) for the newest of that name.

    Raises:
        UsageError: the text cannot be a tag.
        NotFoundError: there is no such Bento; the message lists those there are.
        FormatError: it is broken, or lepton did not package it.
    """
    name, colon, version = str(ref).partition(":")
    check_name(name, "Bento name")
    if colon:
        check_name(version, "Bento version")
    known = bentos(ws)
    for one in known:
        if one.tag == ref or (version in ("", "latest") and one.tag.partition(":")[0] == name):
            return one
    folder = ws.bentoml / "bentos" / name / version
    if version and (folder / "bento.yaml").is_file():
        return _open(folder)
    raise NotFoundError(
        f"Bento {str(ref)!r} does not exist", expected=_listed(known), hint="lepton package RUN makes one"
    )


def of_run(ws: Workspace, run: Run) -> Bento:
    """The newest Bento that a run was packaged into; what was imported only says that it is of that run.

    Args:
        ws: the workspace.
        run: the run.

    Raises:
        NotFoundError: it was never packaged.
    """
    for one in bentos(ws):
        if one.run == run.id and not one.imported:
            return one
    raise NotFoundError(f"run {run.id} has no Bento", hint=f"lepton package {run.id}")


def _listed(known: tuple[Bento, ...]) -> str:
    shown = ", ".join(one.tag for one in known[:8])
    more = f" and {len(known) - 8} more" if len(known) > 8 else ""
    return f"one of {shown}{more}" if known else ""


def _open(folder: Path) -> Bento:
    """The Bento in a folder of the store.

    Raises:
        FormatError: it is broken, or has no model of ours.
    """
    model = folder / "src" / "model"
    try:
        manifest = read_object(model / "manifest.json")
        # A network that ONNX cannot express rests as its source and its weights.
        main = "model.onnx" if "model.onnx" in manifest["files"] else "weights.safetensors"
        size = (model / main).stat().st_size
        stated = _stated(folder / "bento.yaml")
        return Bento(
            tag=f"{stated['name']}:{stated['version']}",
            path=folder,
            run=str(manifest["run"]),
            sha256=str(manifest["files"][main]),
            model_bytes=size,
            created=datetime.fromisoformat(str(stated["creation_time"])).timestamp(),
            imported=IMPORTED in (stated.get("labels") or {}),
            code=(model / SOURCE).is_file(),
        )
    except (ModelError, KeyError, TypeError, ValueError, OSError) as cause:
        raise FormatError(
            f"{folder} is not a Bento that lepton packaged", expected="src/model with a manifest", got=str(cause)
        ) from cause


def _stated(card: Path) -> dict[str, Any]:
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        return dict(yaml.load(card.read_bytes(), Loader=loader))  # noqa: S506 - both are safe loaders
    except (yaml.YAMLError, RecursionError) as cause:
        raise ValueError(f"{card.name} is not YAML: {' '.join(str(cause).split())}") from cause
