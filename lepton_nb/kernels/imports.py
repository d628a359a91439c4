"""What a template imports, and what a child must import again."""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
import sysconfig
import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path

from .ahead import make_ahead
from .libraries import Taken, plain_backend

__all__ = ["Preloaded", "preload", "shadowed"]

_MODULES = (
    *(
        "torch",
        "torch.utils.data",
        "sklearn.pipeline",
        "sklearn.compose",
        "sklearn.model_selection",
        "sklearn.datasets",
    ),
    *("sklearn.ensemble", "pandas", "pyarrow.parquet", "matplotlib.pyplot", "matplotlib_inline.config", "skl2onnx"),
    *("pytorch_lightning", "mlflow", "mlflow.store.tracking.sqlalchemy_workspace_store", "alembic.command"),
    *("ipykernel.kernelapp", "ipykernel.debugger", "IPython.core.debugger", "IPython.core.oinspect"),
    *("IPython.core.completerlib", "IPython.extensions.storemagic", "tornado.platform.asyncio", "tornado.queues"),
    *("comm", "ipywidgets", "nbformat", "nbclient", "papermill", "safetensors.torch", "cloudpickle", "filelock"),
    *(
        "encodings.ascii",
        "encodings.latin_1",
        "encodings.cp437",
        "narwhals.stable.v2",
        "narwhals._pandas_like.dataframe",
        "narwhals._pandas_like.namespace",
        "narwhals._interchange.dataframe",
    ),
    *("bentoml.bentos", "_bentoml_sdk.images", "_bentoml_sdk.service", "_bentoml_impl.docker", "_bentoml_impl.loader"),
    *("pip_requirements_parser", "networkx", "onnxscript", "torch.onnx._internal.exporter._core"),
    *("fsspec.implementations.chained", "threadpoolctl", "tqdm.notebook"),
    *(f"lepton_nb.{room}" for room in ("magics", "commands", "training", "training.trainer.fitting", "pipelines")),
    "lepton_nb.dashboards",
    *("lepton_nb.pipelines.engine.session", "lepton_nb.pipelines.executors.worker"),
    *("lepton_nb.artifact.assembly", "lepton_nb.artifact.operators", "lepton_nb.packaging.building"),
    *("lepton_nb.data.batches", "lepton_nb.models.mlp", "lepton_nb.training.tuning.tuner"),
    *("sqlalchemy.dialects.sqlite", "torch.profiler._cupti_monitor", "pyarrow.pandas_compat"),
    *("lepton_nb.evaluation.measure", "lepton_nb.loop.watcher"),
)


class Preloaded:
    """What imports have left behind, beside the modules: variables, and the modules' files.

    Args:
        since: when the imports began; a file that was edited later was perhaps read before.
        before: the environment at that time.
    """

    def __init__(self, since: float, before: Mapping[str, str]) -> None:
        self.taken = Taken()
        self.variables = {name: value for name, value in os.environ.items() if before.get(name) != value}
        # Copies, side by side: to look at the modules' own would copy the memory around each.
        files = [getattr(module, "__file__", None) for module in list(sys.modules.values())]
        self.files = [file.encode().decode() for file in files if file]
        fixed = {sysconfig.get_path(name) for name in ("purelib", "platlib", "stdlib", "platstdlib")}
        installed = tuple(f"{path}{os.sep}" for path in fixed if path)
        self._stamps: dict[str, tuple[str, int]] = {}
        for name, module in list(sys.modules.items()):
            path = getattr(module, "__file__", None)
            if path and not path.startswith(installed):
                with contextlib.suppress(OSError):
                    stamp = os.stat(path).st_mtime_ns  # noqa: PTH116 -- of some hundred files
                    self._stamps[name] = (path, stamp if stamp < since * 1e9 else -1)

    def forget_edited(self) -> None:
        """Let a package one of whose files was edited since be imported anew, whole."""
        edited = {name.partition(".")[0] for name, stamp in self._stamps.items() if _edited(*stamp)}
        # Names that are merely looked at are copied, page by page, out of the memory that children share.
        for name in [name for name in sys.modules if name.partition(".")[0] in edited] if edited else ():
            del sys.modules[name]


def preload(named: str, places: str = "") -> list[str]:
    """Import what kernels and trainers need, and what `LEPTON_PRELOAD` names.

    Args:
        named: modules, separated by commas or spaces.
        places: where these are looked for first, as in `PYTHONPATH`.

    Returns:
        Which of the named ones could not be imported, and why; these are left out.
    """
    _import(_MODULES)
    make_ahead()
    added = [place for place in places.split(os.pathsep) if Path(place).is_absolute() and place not in sys.path]
    sys.path[1:1] = added
    missed = _import(named.replace(",", " ").split())
    sys.path[:] = [place for place in sys.path if place not in added]
    # Imported in a kernel, it has each cell show its figures; here there is no kernel to tell.
    sys.modules.pop("matplotlib_inline.backend_inline", None)
    for finalizer in list(weakref.finalize._registry):  # type: ignore[attr-defined] # noqa: SLF001 -- no public way
        # What an import is to undo at the end of the process, such as torch's 40 ms of taking operators back one by
        # one, is for the template to undo and not for each child.
        finalizer.atexit = False
    if "matplotlib" in sys.modules:
        plain_backend()
    return missed


def _import(names: Sequence[str]) -> list[str]:
    missed = []
    for name in names:
        try:
            importlib.import_module(name)
        except Exception as cause:  # noqa: BLE001 -- whatever a module raises, the others are worth having
            missed.append(f"{name} is not preloaded: {type(cause).__name__}: {cause}")
            print(missed[-1], file=sys.stderr, flush=True)  # noqa: T201
    return missed


def shadowed(places: Sequence[str], modules: Mapping[str, object]) -> str | None:
    """A loaded module that a process with `places` at the head of its path would take from there instead.

    Args:
        places: folders of `PYTHONPATH`.
        modules: what is loaded, by name.
    """
    for place in places:
        if place in sys.path:
            continue
        with contextlib.suppress(OSError):
            for path in Path(place).iterdir():
                name = path.name.partition(".")[0]
                if name in ("sitecustomize", "usercustomize"):
                    return name
                if name in modules and name not in sys.builtin_module_names and _replaces(path, modules[name]):
                    return name
    return None


def _replaces(path: Path, module: object) -> bool:
    if path.suffix not in (".py", ".so") and not (path / "__init__.py").is_file():
        return False
    origin = getattr(module, "__file__", None)
    if origin is None:
        return True
    held = Path(origin).parent.parent if hasattr(module, "__path__") else Path(origin).parent
    return held.resolve() != path.parent.resolve()


def _edited(path: str, stamp: int) -> bool:
    try:
        return os.stat(path).st_mtime_ns != stamp  # noqa: PTH116 -- of some hundred files, at every fork
    except OSError:
        return True
