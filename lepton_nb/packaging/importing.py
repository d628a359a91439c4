"""A package that came as a file becomes a Bento of this store."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import Collection
from pathlib import Path

from ..errors import ConflictError, FormatError, PackagingError, UsageError
from ..records import Bento
from ..runtime import ModelError, read_object, read_signature, verify_manifest
from ..runtime.formats import MODEL_FILE
from ..runtime.onnxfile import stands_alone
from ..workspace import Workspace, check_name
from .archive import unpack
from .building import IMPORTED, build_bento
from .naming import checked
from .store import find
from .trial import GOLDEN, SOURCE

__all__ = ["import_package"]

_TRIAL_S = 300
_SUFFIXES = frozenset({".json", ".onnx", ".safetensors"})
_WORD = re.compile(r"[A-Za-z0-9_.-]{0,64}")


def import_package(ws: Workspace, file: Path, *, name: str | None = None, allow_code: bool = False) -> Bento:
    """Put the model of a package file into this store, when nothing about it is amiss.

    Sizes, names and hashes are checked before anything is unpacked, the manifest afterwards, and then the model
    answers its golden batch in a process of its own. What is served is this installation's own runtime and service
    around that model: those in the file are never run, and nothing is unpickled.

    Args:
        ws: the workspace.
        file: what `write_archive` made.
        name: of the Bento (default: the one it was packaged under); its version stays.
        allow_code: run and keep a network that is shipped as source.

    Returns:
        The Bento, ready to be served.

    Raises:
        NotFoundError: there is no such file.
        FormatError: it is no package, is broken or changed, or holds what no package holds.
        UsageError: the name is not allowed.
        ConflictError: the store has a Bento of that name and version.
        PackagingError: it holds source and `allow_code` is not given, or does not answer its golden batch as it
            should. The store is as it was after every one of these.
    """
    with tempfile.TemporaryDirectory(prefix="lepton-import-") as place:
        model = Path(place) / "model"
        contents = unpack(Path(file), model)
        tag = f"{_name(file, contents.name, name)}:{check_name(contents.version, 'Bento version')}"
        run, data = _origin(Path(file), model)
        if (ws.bentoml / "bentos" / Path(*tag.split(":"))).exists():
            raise ConflictError(f"Bento {tag} is in the store already", hint="lepton package import FILE --name OTHER")
        if (model / SOURCE).exists() and not allow_code:
            raise PackagingError(
                f"{file} holds the source of a network, which would run here",
                expected="a package of one ONNX graph",
                hint=f"read {SOURCE} in it; lepton package import {Path(file).name} --allow-code takes it all the same",
            )
        _answered(Path(file), model, allow_code=allow_code)
        labels = {IMPORTED: "true"}
        build_bento(ws, model, tag, run=run, data=data, about=f"imported from {Path(file).name}", labels=labels)
    return find(ws, tag)


def _name(file: Path, own: str, asked: str | None) -> str:
    try:
        return checked(own if asked is None else asked)
    except UsageError as cause:
        if asked is not None:
            raise
        raise FormatError(f"{file} is not a package that can be imported", got=str(cause)) from cause


def _origin(file: Path, model: Path) -> tuple[str, str]:
    """Run and data of a model folder that is just what its manifest says, and holds nothing but what is ours."""
    try:
        manifest = verify_manifest(model)
        _check_files(model, manifest.files)
        read_object(model / GOLDEN)
        read_signature(model)
    except (ModelError, OSError, ArithmeticError, RecursionError) as cause:
        raise FormatError(f"{file} is not a package that can be imported", got=str(cause)) from cause
    # It becomes a label, and is shown.
    for word in (manifest.run, manifest.data):
        if not _WORD.fullmatch(word):
            raise FormatError(f"{file} is not a package that can be imported", got=f"the run or data {word[:80]!r}")
    return manifest.run, manifest.data


def _check_files(model: Path, names: Collection[str]) -> None:
    """Refuse a file of a kind that no package holds, and a graph that reaches for other files."""
    for name in names:
        path = model / name
        if path.suffix not in _SUFFIXES and name != SOURCE:
            raise ModelError(f"{name}, a file of a kind that no package holds")
        if path.suffix == ".onnx" and not stands_alone(path.read_bytes()):
            raise ModelError(f"{name} refers to other files; a model is one file")
    if SOURCE in names and MODEL_FILE in names:
        raise ModelError(f"{SOURCE} beside {MODEL_FILE}, of which a package holds one")


def _answered(file: Path, model: Path, *, allow_code: bool) -> None:
    """Ask for the golden batch in another process: a graph that never ends, or ends its process, ends that one."""
    command = [sys.executable, "-m", f"{__package__}.trial", str(model)]
    try:
        done = subprocess.run(
            [*command, *(["--allow-code"] if allow_code else [])],
            cwd=Path(__file__).resolve().parents[2],
            capture_output=True,
            text=True,
            check=False,
            timeout=_TRIAL_S,
        )
    except subprocess.TimeoutExpired as cause:
        raise PackagingError(f"{file} did not answer its golden batch within {_TRIAL_S} s") from cause
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
        raise PackagingError(f"{file} was not imported: it does not answer its golden batch", got=last)
