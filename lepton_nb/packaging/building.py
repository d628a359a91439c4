"""From a run to a Bento in the store."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from ..artifact import build
from ..errors import PackagingError
from ..records import Bento, Data, Run
from ..runtime import manifest_of, verify_manifest
from ..workspace import Workspace, write_atomic, write_json
from .naming import checked, name_of, new_tag
from .sbom import SBOM
from .store import IMPORTED, find

__all__ = ["IMPORTED", "build_bento", "package"]

_HERE = Path(__file__).resolve().parent
_RUNTIME = _HERE.parent / "runtime"
# What the runtime and the service import. BentoML brings Starlette, uvicorn and NumPy, but does not promise to.
_NEEDED = (
    "bentoml", "fsspec", "httptools", "nanoarrow", "numpy", "onnxruntime", "orjson", "starlette", "uvicorn", "uvloop",
)  # fmt: skip
_LABEL = "lepton-run"


def package(ws: Workspace, run: Run, data: Data, *, name: str | None = None) -> Bento:
    """Package a run: build its artifact when there is none yet, then a Bento around it.

    The Bento holds `src/service.py`, `src/lepton_runtime/` and `src/model/`; it is served by `lepton serve` and by
    `bentoml serve`, where neither torch nor lepton_nb is installed. Its requirements are pinned, and `sbom.json`
    beside the model lists them with their licences.

    Args:
        ws: the workspace.
        run: a run that ended with weights.
        data: the data it was trained on.
        name: of the Bento (default: the run's name, else the network's).

    Returns:
        The Bento, with a version of its own: packaging twice gives two.

    Raises:
        UsageError: the name is not allowed, or `data` is not what the run was trained on.
        PackagingError: there is no artifact and none can be built, or BentoML refused.
    """
    tag = new_tag(checked(name) if name is not None else name_of(run))
    artifact = build(ws, run, data)
    about = f"run {run.id}, network {run.model}, data {data.name}"
    build_bento(ws, artifact.path, tag, run=run.id, data=data.id, about=about)
    return find(ws, tag)


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

    requirements = pinned(_NEEDED)
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
            "include": ["service.py", "lepton_runtime/", "model/"],
            # BentoML adds its own pin.
            "python": {
                "packages": [one for one in requirements if not one.startswith("bentoml==")],
                "lock_packages": False,
            },
            "build_ctx": str(source),
        }
        (Path(place) / "plan.json").write_text(json.dumps(plan))
        _build(Path(place) / "plan.json", home=ws.bentoml.absolute())


def _lay_out(source: Path, model: Path, tag: str, requirements: tuple[str, ...], *, run: str, data: str) -> None:
    """The files of the Bento, as they lie in its `src`."""
    from .sbom import bill_of

    placed = source / "model"
    shutil.copytree(model, placed)
    verify_manifest(placed)
    write_atomic(placed / SBOM, bill_of(tag, placed, requirements), sync=False)
    write_json(placed / "manifest.json", manifest_of(placed, run=run, data=data).to_dict(), sync=False)
    shutil.copytree(_RUNTIME, source / "lepton_runtime", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(_HERE / "service.py", source)


def _build(plan: Path, *, home: Path) -> None:
    environment = {
        **os.environ,
        "BENTOML_HOME": str(home),
        "BENTOML_DO_NOT_TRACK": "True",
        # The build imports the service; what it serves with is decided where it is served.
        "LEPTON_OPEN": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONPATH": os.pathsep.join(filter(None, [str(_HERE.parents[1]), os.environ.get("PYTHONPATH")])),
    }
    done = subprocess.run(
        [sys.executable, "-m", f"{__package__}.bento_build", str(plan)],
        cwd=plan.parent,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
        raise PackagingError("BentoML could not build the Bento", got=last, hint="lepton doctor checks what it needs")
