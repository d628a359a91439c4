"""`lepton doctor`: what is installed, what is missing, and whether the parts work."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path

from ..errors import LeptonError
from ..records import Diagnosis, Finding
from ..workspace import Workspace, current

_PACKAGES = {
    "torch": "train, evaluate, package",
    "pytorch-lightning": "train",
    "scikit-learn": "data, evaluate, monitor",
    "pandas": "data, predict",
    "mlflow": "runs, train",
    "onnx": "evaluate, package",
    "onnxscript": "evaluate, package",
    "skl2onnx": "evaluate, package",
    "onnxruntime": "evaluate, package, serve",
    "bentoml": "package, serve",
    "uvicorn": "serve",
    "papermill": "pipeline",
    "jupyterlab": "the JupyterLab panel",
    "voila": "dashboard",
    "ipywidgets": "progress bars, dashboard",
}
_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome", "firefox")


def doctor() -> Diagnosis:
    """Say what is installed, what is missing for which verb, and whether store, kernel and browser work."""
    ws = current()
    return Diagnosis((_python(), *_packages(), _extension(), _store(ws), _kernel(), _browser()))


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    return Finding("python", sys.version_info >= (3, 11), f"{version} at {sys.executable}", "all", "")


def _packages() -> Iterator[Finding]:
    for name, verbs in _PACKAGES.items():
        try:
            yield Finding(name, True, metadata.version(name), verbs)
        except metadata.PackageNotFoundError:
            yield Finding(name, False, "not installed", verbs, f"pip install {name}")


def _extension() -> Finding:
    folders = [Path(sys.prefix) / "share" / "jupyter" / "labextensions" / "lepton-lab"]
    found = next((folder for folder in folders if (folder / "package.json").is_file()), None)
    hint = "" if found else "make install builds it"
    return Finding("JupyterLab extension", found is not None, str(found or "not built"), "the JupyterLab panel", hint)


def _tried(what: str, verbs: str, hint: str, attempt: Callable[[], str]) -> Finding:
    try:
        return Finding(what, True, attempt(), verbs)
    except (LeptonError, OSError, RuntimeError, ImportError) as error:
        return Finding(what, False, f"{type(error).__name__}: {error}"[:120], verbs, hint)


def _store(ws: Workspace) -> Finding:
    def attempt() -> str:
        from .. import tracking

        if ws.mlflow_db.exists() or os.environ.get("MLFLOW_TRACKING_URI"):
            found = len(tracking.runs(ws, limit=1000).runs)
            return f"{tracking.uri(ws)}, {found} runs"
        # Looking must not make a store where there is none.
        with tempfile.TemporaryDirectory() as folder:
            trial = Workspace(Path(folder) / ".lepton")
            tracking.runs(trial, limit=1)
        return "no runs yet; a trial store works"

    return _tried("store", "runs, train, evaluate", "check MLFLOW_TRACKING_URI and the disk", attempt)


def _kernel() -> Finding:
    def attempt() -> str:
        from jupyter_client.manager import start_new_kernel

        manager, client = start_new_kernel(kernel_name="python3", startup_timeout=60)
        try:
            answers: list[str] = []
            client.execute_interactive(
                "import sys; print(sys.executable)",
                timeout=30,
                output_hook=lambda message: answers.append(message["content"].get("text", "")),
            )
        finally:
            client.stop_channels()
            manager.shutdown_kernel(now=True)
        kernel = "".join(answers).strip()
        if not kernel or Path(kernel).resolve() != Path(sys.executable).resolve():
            raise RuntimeError(f"python3 kernel runs {kernel or 'nothing'}, not {sys.executable}")
        return f"python3 at {kernel}"

    return _tried("kernel", "pipeline, dashboard", f"{sys.executable} -m ipykernel install --sys-prefix", attempt)


def _browser() -> Finding:
    found = next((path for name in _BROWSERS if (path := shutil.which(name))), None)
    hint = "" if found else "apt install chromium, or playwright install chromium"
    return Finding("browser", found is not None, found or "none on this machine", "dashboard, tests", hint)
