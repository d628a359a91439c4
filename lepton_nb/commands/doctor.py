"""`lepton doctor`: what is installed, what is missing, and whether the parts work."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata, util
from pathlib import Path

from ..errors import LeptonError, MissingError
from ..records import Diagnosis, Finding
from ..workspace import Workspace, current
from .refusals import require_writable

# Package -> the module it is imported as, and what needs it.
_PACKAGES = {
    "torch": ("torch", "train, evaluate, package"),
    "pytorch-lightning": ("pytorch_lightning", "train"),
    "scikit-learn": ("sklearn", "data, evaluate, monitor"),
    "pandas": ("pandas", "data, predict"),
    "mlflow": ("mlflow", "runs, train"),
    "optuna": ("optuna", "tune"),
    "onnx": ("onnx", "evaluate, package"),
    "onnxscript": ("onnxscript", "evaluate, package"),
    "skl2onnx": ("skl2onnx", "evaluate, package"),
    "onnxruntime": ("onnxruntime", "evaluate, package, serve"),
    "bentoml": ("bentoml", "package, serve"),
    "uvicorn": ("uvicorn", "serve"),
    "papermill": ("papermill", "pipeline"),
    "jupyterlab": ("jupyterlab", "the JupyterLab panel"),
    "voila": ("voila", "dashboard"),
    "ipywidgets": ("ipywidgets", "progress bars, dashboard"),
}
_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
_BROWSER_OPTIONS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--no-first-run"),
)
_ANSWER_S = 60.0
# Playwright's own answer; a process of its own, since it refuses to work where an event loop runs.
_PLAYWRIGHT = (
    "from playwright.sync_api import sync_playwright\n"
    "with sync_playwright() as playwright: print(playwright.chromium.executable_path)"
)


def doctor() -> Diagnosis:
    """Say what is installed, what is missing for which verb, and whether store, kernel and browser work."""
    ws = current()
    # The kernel and the browser are mostly waited for: meanwhile the store is looked at.
    with ThreadPoolExecutor(2) as pool:
        kernel, browser = pool.submit(_kernel), pool.submit(_browser)
        store = _store(ws)
        return Diagnosis((_python(), *_packages(), _extension(), store, kernel.result(), browser.result()))


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    return Finding("python", sys.version_info >= (3, 11), f"{version} at {sys.executable}", "all", "")


def _packages() -> Iterator[Finding]:
    for name, (module, verbs) in _PACKAGES.items():
        try:
            version = metadata.version(name)
            found = util.find_spec(module) is not None
        except (metadata.PackageNotFoundError, ValueError):
            yield Finding(name, False, "not installed", verbs, f"pip install {name}")
        else:
            repair = "" if found else f"pip install --force-reinstall {name}"
            yield Finding(name, found, version if found else f"{version}, but its files are gone", verbs, repair)


def _extension() -> Finding:
    folders = [Path(sys.prefix) / "share" / "jupyter" / "labextensions" / "lepton-lab"]
    found = next((folder for folder in folders if (folder / "package.json").is_file()), None)
    hint = "" if found else "make install builds it"
    return Finding("JupyterLab extension", found is not None, str(found or "not built"), "the JupyterLab panel", hint)


def _tried(what: str, verbs: str, hint: str, attempt: Callable[[], str]) -> Finding:
    try:
        return Finding(what, True, attempt(), verbs)
    except LeptonError as error:
        told = LeptonError(error.what, expected=error.expected, got=error.got)
        return Finding(what, False, f"{type(error).__name__}: {told}", verbs, error.hint or hint)
    except Exception as error:  # noqa: BLE001 - whatever a part fails with is what is to be told
        return Finding(what, False, " ".join(f"{type(error).__name__}: {error}".split()), verbs, hint)


def _store(ws: Workspace) -> Finding:
    chosen = os.environ.get("MLFLOW_TRACKING_URI")

    def attempt() -> str:
        from .. import tracking

        if not chosen:
            require_writable(ws.mlflow_db)
        if ws.mlflow_db.exists() or chosen:
            found = len(tracking.runs(ws, limit=1000).runs)
            return f"{tracking.uri(ws)}, {found} runs"
        # Looking must not make a store where there is none.
        with tempfile.TemporaryDirectory() as folder:
            trial = Workspace(Path(folder) / ".lepton")
            tracking.create(trial)
            tracking.runs(trial, limit=1)
        return "no runs yet; a trial store works"

    hint = "check MLFLOW_TRACKING_URI" if chosen else f"restore {ws.mlflow_db} from a copy, or move it away"
    return _tried("store", "runs, train, evaluate", hint, attempt)


def _kernel() -> Finding:
    def attempt() -> str:
        with tempfile.TemporaryDirectory(prefix="lepton-", ignore_cleanup_errors=True) as folder:
            kernel = _executable_of_kernel(Path(folder))
        if not kernel or Path(kernel).resolve() != Path(sys.executable).resolve():
            raise RuntimeError(f"python3 kernel runs {kernel or 'nothing'}, not {sys.executable}")
        return f"python3 at {kernel}"

    return _tried("kernel", "pipeline, dashboard", f"{sys.executable} -m ipykernel install --sys-prefix", attempt)


def _executable_of_kernel(folder: Path) -> str:
    """What a fresh python3 kernel, whose sockets lie in the folder, says it runs on."""
    from jupyter_client.blocking.client import BlockingKernelClient
    from jupyter_client.manager import KernelManager

    # Over TCP the kernel warns on the user's standard error, and ports may be taken meanwhile.
    transport = "tcp" if sys.platform == "win32" else "ipc"
    manager = KernelManager(kernel_name="python3", transport=transport, connection_file=str(folder / "kernel.json"))
    manager.start_kernel(stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    client: BlockingKernelClient = manager.client()
    answers: list[str] = []
    try:
        client.start_channels()
        client.wait_for_ready(timeout=60)
        client.execute_interactive(
            "import sys; print(sys.executable)",
            timeout=30,
            output_hook=lambda message: answers.append(message["content"].get("text", "")),
        )
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    return "".join(answers).strip()


def _browser() -> Finding:
    def attempt() -> str:
        failures: list[Exception] = []
        for path in _browsers():
            try:
                _open_a_page(path)
            except (OSError, RuntimeError) as failure:
                failures.append(failure)
            else:
                return path
        raise failures[0] if failures else MissingError("none on this machine")

    return _tried("browser", "dashboard, tests", "apt install chromium, or playwright install chromium", attempt)


def _browsers() -> Iterator[str]:
    """The browsers of this machine; Playwright is asked last, since that takes a process."""
    yield from (path for name in _BROWSERS if (path := shutil.which(name)))
    if util.find_spec("playwright") is not None:
        path = _answer_of([sys.executable, "-c", _PLAYWRIGHT])[1].strip()
        if path and Path(path).is_file():
            yield path


def _open_a_page(browser: str) -> None:
    with tempfile.TemporaryDirectory(prefix="lepton-", ignore_cleanup_errors=True) as folder:
        options = (*_BROWSER_OPTIONS, f"--user-data-dir={folder}", "--dump-dom", "about:blank")
        status, page, words = _answer_of([browser, *options])
    if status or "<html" not in page:
        last = words.strip().splitlines()[-1:] or ["without a word"]
        raise RuntimeError(f"{browser} shows no page (exit status {status}): {last[0]}")


def _answer_of(command: list[str]) -> tuple[int, str, str]:
    """Exit status, output and errors of a program that has a minute; what it started ends with it."""
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        start_new_session=True,
    ) as program:
        try:
            page, words = program.communicate(timeout=_ANSWER_S)
        except subprocess.TimeoutExpired:
            os.killpg(program.pid, signal.SIGKILL)
            raise RuntimeError(f"{command[0]} did not answer in {_ANSWER_S:g} s") from None
        except BaseException:
            os.killpg(program.pid, signal.SIGKILL)
            raise
    return program.returncode, page, words
