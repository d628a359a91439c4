"""From a run to a Bento in the store."""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from ..artifact import build
from ..errors import PackagingError, UsageError
from ..records import Artifact, Bento, Data, Run
from ..runtime import verify_manifest
from ..workspace import Workspace, check_name
from .store import find

__all__ = ["package"]

_HERE = Path(__file__).resolve().parent
_RUNTIME = _HERE.parent / "runtime"
# What the runtime and the service import. BentoML brings Starlette, uvicorn and NumPy, but does not promise to.
_NEEDED = ("bentoml", "numpy", "onnxruntime", "orjson", "starlette", "uvicorn")
_LABEL = "lepton-run"


def package(ws: Workspace, run: Run, data: Data, *, name: str | None = None) -> Bento:
    """Package a run: build its artifact when there is none yet, then a Bento around it.

    The Bento holds `src/service.py`, `src/lepton_runtime/` and `src/model/`; it is served by `lepton serve` and by
    `bentoml serve`, where neither torch nor lepton_nb is installed. Its requirements are pinned.

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
    chosen = _checked(name) if name is not None else _name_of(run)
    artifact = build(ws, run, data)
    tag = f"{chosen}:{time.strftime('%Y%m%d%H%M%S', time.gmtime())}-{secrets.token_hex(3)}"
    with tempfile.TemporaryDirectory(prefix="lepton-bento-") as place:
        source = Path(place) / "source"
        _lay_out(source, artifact)
        plan = Path(place) / "plan.json"
        plan.write_text(json.dumps(_plan(source, tag, run, data)))
        _build(plan, home=ws.bentoml.absolute())
    return find(ws, tag)


def _checked(name: str) -> str:
    check_name(name, "Bento name")
    if not name[-1].isalnum():
        raise UsageError(f"Bento name {name!r} is not allowed", expected="a letter or a digit at its end")
    return name


def _name_of(run: Run) -> str:
    """The run's name as a Bento may be called, else the network's."""
    for text in (run.name, run.model):
        # `BigNet` reads as `big-net`, as people would write it.
        spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", text)
        fitted = re.sub(r"[^a-z0-9_.-]+", "-", spaced.lower())[:63].strip("-_.")
        if fitted:
            return fitted
    return "model"


def _lay_out(source: Path, artifact: Artifact) -> None:
    """The files of the Bento, as they lie in its `src`."""
    shutil.copytree(artifact.path, source / "model")
    verify_manifest(source / "model")
    shutil.copytree(_RUNTIME, source / "lepton_runtime", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(_HERE / "service.py", source)


def _plan(source: Path, tag: str, run: Run, data: Data) -> dict[str, object]:
    from .requirements import pinned

    name, _, version = tag.partition(":")
    return {
        "service": "service:Model",
        "name": name,
        "version": version,
        "labels": {_LABEL: run.id, "lepton-data": data.id[:12]},
        "description": f"# {tag}\n\nA packaged model: run {run.id}, network {run.model}, data {data.name}.\n",
        "include": ["service.py", "lepton_runtime/", "model/"],
        # BentoML adds its own pin.
        "python": {
            "packages": [one for one in pinned(_NEEDED) if not one.startswith("bentoml==")],
            "lock_packages": False,
        },
        "build_ctx": str(source),
    }


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
