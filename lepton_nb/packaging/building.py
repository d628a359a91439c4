"""From a run to a Bento in the store."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from .. import kernels
from ..artifact import Wanted, build, build_examples
from ..errors import InexpressibleError, PackagingError, UsageError
from ..models import Examples
from ..records import Bento, Data, Run
from ..runtime import ModelError, manifest_of, read_signature, verify_manifest
from ..workspace import Workspace, write_atomic, write_json
from .naming import checked, name_of, new_tag
from .sbom import SBOM
from .stating import stated
from .store import IMPORTED, find
from .trial import SOURCE

__all__ = ["IMPORTED", "build_bento", "load_code", "package"]

_HERE = Path(__file__).resolve().parent
_RUNTIME = _HERE.parent / "runtime"
# What the runtime and the service import. BentoML brings Starlette, uvicorn and NumPy, but does not promise to.
_NEEDED = (
    "bentoml", "fsspec", "httptools", "nanoarrow", "numpy", "onnxruntime", "orjson", "pillow", "starlette", "uvicorn",
    "uvloop",
)  # fmt: skip
# What loads a network's source; what else that imports is for who loads it to read.
_CODE_NEEDED = ("bentoml", "numpy", "onnxruntime", "pytorch-lightning", "safetensors", "torch")
# What reads a text besides; no other model needs it.
_TEXT_NEEDED = ("tokenizers",)
_LABEL = "lepton-run"
_BUILDING, _ABANDONED_S = ".building-", 3600
_DOCTOR = "lepton doctor checks what it needs"


def package(
    ws: Workspace,
    run: Run,
    data: Data | Examples,
    *,
    name: str | None = None,
    allow_code: bool = False,
    closed: Collection[str] = (),
    units: Mapping[str, str] | None = None,
    wanted: Wanted | None = None,
) -> Bento:
    """Package a run: build its artifact when there is none yet, then a Bento around it.

    The Bento holds `src/service.py`, `src/lepton_runtime/` and `src/model/`; it is served by `lepton serve` and by
    `bentoml serve`, where neither torch nor lepton_nb is installed. Its requirements are pinned, and `sbom.json`
    beside the model lists them with their licences.

    Args:
        ws: the workspace.
        run: a run that ended with weights.
        data: the data it was trained on, or what was kept of loaders of a notebook's own.
        name: of the Bento (default: the run's name, else the network's).
        allow_code: ship a network that ONNX cannot express as source and weights.
        closed: columns whose categories may not be others than training saw.
        units: of numbers, by column, for whoever reads the signature.
        wanted: what is asked of a package of such loaders.

    Returns:
        The Bento, with a version of its own: packaging twice gives two.

    Raises:
        UsageError: the name is not allowed, `data` is not what the run was trained on, or a column is not there.
        InexpressibleError: ONNX has no form for the network, and `allow_code` is not given.
        PackagingError: there is no artifact and none can be built, or BentoML refused.
    """
    tag = new_tag(checked(name) if name is not None else name_of(run))
    source = data.name if isinstance(data, Data) else run.data
    about = f"run {run.id}, network {run.model}, data {source}"
    try:
        model = _built(ws, run, data, wanted or Wanted())
    except InexpressibleError as cause:
        if not allow_code:
            raise _unshipped(cause, run) from cause
        with tempfile.TemporaryDirectory(prefix="lepton-code-") as place:
            model = _coded(Path(place) / "made", run, data, wanted or Wanted())
            about += f". It holds Python source, {SOURCE}: whoever loads it runs that"
            _build_stated(ws, model, tag, (closed, units or {}), run.id, data.id, about)
    else:
        _build_stated(ws, model, tag, (closed, units or {}), run.id, data.id, about)
    return find(ws, tag)


def _built(ws: Workspace, run: Run, data: Data | Examples, wanted: Wanted) -> Path:
    """The folder of the run's artifact."""
    if not isinstance(data, Data):
        return build_examples(run, data, wanted).path
    if wanted:
        raise UsageError(
            f"run {run.name or run.id} was trained on loaded data, which says what the model takes and answers",
            expected="a run on loaders of a notebook's own for task, classes, outputs and tokenizer",
            hint="leave these options out",
        )
    return build(ws, run, data).path


def _unshipped(cause: InexpressibleError, run: Run) -> InexpressibleError:
    """What stood in the way, and that the source can be shipped instead."""
    hint = f"{cause.hint}; or ship its source: lepton package {run.name or run.id} --allow-code"
    return InexpressibleError(cause.what, expected=cause.expected, got=cause.got, hint=hint)


def _build_stated(
    ws: Workspace,
    model: Path,
    tag: str,
    stating: tuple[Collection[str], Mapping[str, str]],
    run: str,
    data: str,
    about: str,
) -> None:
    """Build a Bento of a model whose signature says what was stated besides."""
    with tempfile.TemporaryDirectory(prefix="lepton-stated-") as place:
        if any(stating):
            model = stated(model, Path(place) / "model", *stating)
        build_bento(ws, model, tag, run=run, data=data, about=about)


def _coded(folder: Path, run: Run, data: Data | Examples, wanted: Wanted) -> Path:
    """The folder of a run's source and weights, made."""
    from ..artifact.coded import assemble_coded
    from ..artifact.coded_tensors import assemble_coded_tensors

    folder.mkdir()
    if isinstance(data, Data):
        assemble_coded(folder, run, data)
    else:
        assemble_coded_tensors(folder, run, data, wanted)
    return folder


def load_code(bento: Bento) -> Any:
    """Run the source in a Bento, and give its network with the trained weights.

    Args:
        bento: one that was packaged, or imported, with `allow_code`.

    Returns:
        The torch module, in evaluation mode, on the CPU; it takes prepared rows.

    Raises:
        PackagingError: it holds no source, or is not what its manifest says.
    """
    from ..artifact.coded import Coded

    if not bento.code:
        raise PackagingError(f"Bento {bento.tag} holds a graph, and no network of torch", hint="lepton predict asks it")
    try:
        verify_manifest(bento.model)
    except ModelError as cause:
        raise PackagingError(
            f"Bento {bento.tag} was changed", got=str(cause), hint="package or import it again"
        ) from cause
    return Coded.load(bento.model).network


def build_bento(
    ws: Workspace,
    model: Path,
    tag: str,
    *,
    run: str,
    data: str,
    about: str,
    labels: Mapping[str, str] | None = None,
) -> None:
    """Build a Bento around a model folder, with this installation's runtime and service.

    Args:
        ws: the workspace.
        model: the folder; it is not changed.
        tag: `name:version` of the Bento.
        run: id of the run that the model came from.
        data: hash of the data it was trained on.
        about: what its README says.
        labels: further labels of the Bento.

    Raises:
        PackagingError: BentoML refused.
    """
    from .requirements import pinned

    code = (model / SOURCE).is_file()
    reads_text = any(one.kind == "text" for one in read_signature(model).inputs)
    requirements = pinned((*(_CODE_NEEDED if code else _NEEDED), *(_TEXT_NEEDED if reads_text else ())))
    with tempfile.TemporaryDirectory(prefix="lepton-bento-") as place:
        source = Path(place) / "source"
        _lay_out(source, model, tag, requirements, run=run, data=data)
        name, _, version = tag.partition(":")
        plan = {
            "service": "service:Model",
            "name": name,
            "version": version,
            "labels": {_LABEL: run[:63], "lepton-data": data[:12], **(labels or {})},
            "description": f"# {tag}\n\nA packaged model: {about}.\n",
            "include": ["service.py", "model/", *([] if code else ["lepton_runtime/"])],
            # BentoML adds its own pin.
            "python": {
                "packages": [one for one in requirements if not one.startswith("bentoml==")],
                "lock_packages": False,
            },
            "build_ctx": str(source),
        }
        (Path(place) / "plan.json").write_text(json.dumps(plan))
        _enter(ws, Path(place) / "plan.json", name, version)


def _lay_out(source: Path, model: Path, tag: str, requirements: tuple[str, ...], *, run: str, data: str) -> None:
    """The files of the Bento, as they lie in its `src`."""
    from .sbom import bill_of

    placed = source / "model"
    shutil.copytree(model, placed)
    verify_manifest(placed)
    write_atomic(placed / SBOM, bill_of(tag, placed, requirements), sync=False)
    write_json(placed / "manifest.json", manifest_of(placed, run=run, data=data).to_dict(), sync=False)
    if (placed / SOURCE).is_file():
        shutil.copy(_HERE / "code_service.py", source / "service.py")
        return
    shutil.copytree(_RUNTIME, source / "lepton_runtime", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(_HERE / "service.py", source)


def _enter(ws: Workspace, plan: Path, name: str, version: str) -> None:
    """Build the Bento beside the store, and put it there in one rename: a kill leaves no half of one."""
    home, is_new = ws.bentoml.absolute(), not ws.bentoml.exists()
    try:
        home.mkdir(parents=True, exist_ok=True)
        for left in home.glob(f"{_BUILDING}*"):
            # One that was killed; younger ones may be at work.
            if time.time() - left.stat().st_mtime > _ABANDONED_S:
                shutil.rmtree(left, ignore_errors=True)
        with tempfile.TemporaryDirectory(prefix=_BUILDING, dir=home) as place:
            _build(plan, home=Path(place))
            target = home / "bentos" / name / version
            target.parent.mkdir(parents=True, exist_ok=True)
            (Path(place) / "bentos" / name / version).rename(target)
            # What BentoML takes for `name:latest`.
            write_atomic(target.parent / "latest", version, sync=False)
    except OSError as cause:
        raise PackagingError("BentoML could not build the Bento", got=str(cause), hint=_DOCTOR) from cause
    finally:
        if is_new:
            # Nothing was put there.
            with contextlib.suppress(OSError):
                home.rmdir()


def _build(plan: Path, *, home: Path) -> None:
    environment = {
        **os.environ,
        "BENTOML_HOME": str(home),
        "BENTOML_DO_NOT_TRACK": "True",
        # The build imports the service; what it serves with is decided where it is served.
        "LEPTON_OPEN": "1",
        # What fails is to be told last.
        "PYTHONUNBUFFERED": "1",
        "PYTHONPATH": os.pathsep.join(filter(None, [str(_HERE.parents[1]), os.environ.get("PYTHONPATH")])),
    }
    log = plan.with_name("log")
    # BentoML's imports take longer than the build: a template that runs has done them.
    building = kernels.start_bound(
        f"{__package__}.bento_build", [str(plan)], log=log, cwd=plan.parent, env=environment, start_template=False
    )
    with contextlib.closing(building):
        status = building.wait()
    if status:
        last = (log.read_text(errors="replace").strip().splitlines() or [f"exit status {status}"])[-1]
        raise PackagingError("BentoML could not build the Bento", got=last, hint=_DOCTOR)
