"""From a run to its artifact, made once: the same weights, network and data are not exported again."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import FormatError, NotFoundError, PackagingError, UsageError
from ..models import Examples, read_examples
from ..records import Artifact, Data, Run
from ..runtime import ModelError, verify_manifest
from ..workspace import Workspace, file_sha256, locked, read_json, write_json
from .folder import FOLDER, MODEL, RECORD, TOKENIZER, lock_of, seal
from .wanted import Wanted

if TYPE_CHECKING:
    from .assembly import Assembled

__all__ = ["build", "build_examples", "data_of", "examples_of", "wanted_of"]

# Part of the key: raised when the same run would give another artifact than before.
_RECIPE = 5
# Whoever exports the same run at this moment is waited for: a large network takes minutes.
_PATIENCE_S = 900


def build(ws: Workspace, run: Run, data: Data) -> Artifact:
    """The artifact of a run, in `artifact/` of its job folder.

    Preprocessing is converted and merged in front of the network, so that the graph takes typed columns or
    arrays; its answers are compared with the network's own on the validation part before anything is kept.

    Args:
        ws: the workspace.
        run: a run that ended with weights.
        data: the data it was trained on.

    Returns:
        The artifact; the one already there when weights, network and data are the same.

    Raises:
        UsageError: `data` is not what the run was trained on.
        PackagingError: the run still trains or has no weights, ONNX cannot express the network, or the graph
            does not answer as the network does. Nothing is changed on disk.
    """
    _check(run, data)

    def assembled(folder: Path) -> Assembled:
        from .assembly import assemble

        return assemble(folder, run, data)

    with locked(lock_of(run), timeout=_PATIENCE_S):
        key = _key(run, data.id)
        return _built(run, key) or _make(run, data.id, key, assembled)


def build_examples(run: Run, examples: Examples, wanted: Wanted) -> Artifact:
    """As `build`, of a run on loaders of a notebook's own.

    Args:
        run: a run that ended with weights.
        examples: what was kept of its loaders.
        wanted: what is asked of the package.

    Raises:
        PackagingError: the run still trains or has no weights, what it takes is not known, ONNX cannot express the
            network, or the graph does not answer as the network does. Nothing is changed on disk.
    """
    weights_of(run)
    wanted = wanted.named(examples.classes)

    def assembled(folder: Path) -> Assembled:
        from .tensors import assemble_tensors

        return assemble_tensors(folder, run, examples, wanted)

    with locked(lock_of(run), timeout=_PATIENCE_S):
        key = _key(run, examples.id, wanted.key())
        return _built(run, key) or _make(run, examples.id, key, assembled, wanted=wanted.to_dict())


def wanted_of(run: Run) -> Wanted:
    """What the artifact of a run on loaders of its own was asked to be; nothing in particular where there is none."""
    try:
        return Wanted.from_dict(read_json(run.path / RECORD)["wanted"], run.path / FOLDER / TOKENIZER)
    except (OSError, FormatError, KeyError, TypeError, ValueError):
        return Wanted()


def examples_of(run: Run) -> Examples | None:
    """What was kept of a run's own loaders; None for a run on a loaded data set.

    Raises:
        PackagingError: nothing was kept.
    """
    try:
        own = read_json(run.path / "job" / "job.json").get("loaders")
    except FileNotFoundError:
        own = None
    if not own:
        return None
    found = read_examples(run.path / "job")
    if found is None:
        raise PackagingError(
            f"nothing was kept of what run {run.name} was trained on",
            expected="some rows of its loaders, which every training keeps in its first epoch",
            hint="train it again",
        )
    return found


def weights_of(run: Run) -> Path:
    """The file with the trained weights.

    Raises:
        PackagingError: the run still trains, or ended without weights.
    """
    weights = run.path / "weights.safetensors"
    if run.status == "running":
        raise PackagingError(f"run {run.id} is still training", hint=f"wait for it, or lepton stop {run.id}")
    if not weights.is_file():
        raise PackagingError(
            f"run {run.id} has no trained weights", got=f"status {run.status} {run.cause}", hint="train it again"
        )
    return weights


def _check(run: Run, data: Data) -> None:
    weights_of(run)
    if run.data != data.id:
        raise UsageError(
            f"run {run.id} was not trained on data {data.name} ({data.id[:12]})",
            expected=f"data {run.data[:12]}, whose preprocessing belongs to the network",
        )


def _key(run: Run, data: str, more: Sequence[object] = ()) -> str:
    """The hash of everything that decides what the artifact is."""
    job = sorted(path for path in (run.path / "job").glob("*") if path.is_file())
    parts = {path.name: file_sha256(path) for path in [weights_of(run), *job]}
    return hashlib.sha256(json.dumps([_RECIPE, data, parts, *more], sort_keys=True).encode()).hexdigest()


def _built(run: Run, key: str) -> Artifact | None:
    """The artifact that lies there, when it is whole and its key fits."""
    try:
        record = read_json(run.path / RECORD)
        folder = run.path / FOLDER
        files = verify_manifest(folder).files
    except (FileNotFoundError, NotADirectoryError, FormatError, ModelError):
        return None
    if record.get("key") != key:
        return None
    size = (folder / MODEL).stat().st_size
    return Artifact(folder, files[MODEL], size, float(record["parity"]), int(record["parameters"]))


def _make(run: Run, data: str, key: str, assembled: Callable[[Path], Assembled], **more: object) -> Artifact:
    for left_over in run.path.glob(f".{FOLDER}-*"):
        shutil.rmtree(left_over, ignore_errors=True)
    staging = Path(tempfile.mkdtemp(prefix=f".{FOLDER}-", dir=run.path))
    try:
        made = assembled(staging)
        seal(staging, run=run.id, data=data)
        staging.chmod(0o755)
        folder = run.path / FOLDER
        # An old record must not vouch for the new folder when we are killed between the two.
        (run.path / RECORD).unlink(missing_ok=True)
        shutil.rmtree(folder, ignore_errors=True)
        staging.rename(folder)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    write_json(run.path / RECORD, {"key": key, "parity": made.parity, "parameters": made.parameters, **more})
    model = folder / MODEL
    return Artifact(folder, file_sha256(model), model.stat().st_size, made.parity, made.parameters)


def data_of(ws: Workspace, run: Run) -> Data:
    """The data a run was trained on.

    Raises:
        NotFoundError: it is not in this workspace any more.
        PackagingError: it never was: the run was trained on loaders of a notebook's own.
    """
    from ..data import find

    try:
        own = read_json(run.path / "job" / "job.json").get("loaders")
    except FileNotFoundError:
        own = None
    if own:
        raise PackagingError(
            f"run {run.name} was trained on {run.data or 'loaders of its own'}, which are not kept in the workspace",
            expected="a loaded data set, whose preprocessing and test part belong to the model",
            hint="train it on what lepton data load gives",
        )
    try:
        return find(ws, run.data)
    except NotFoundError as cause:
        raise NotFoundError(
            f"data {run.data[:12]} of run {run.id} is not in {ws.data}", hint="load it again: lepton data load SOURCE"
        ) from cause
