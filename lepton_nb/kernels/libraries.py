"""What imported libraries took from the template, or from there being no kernel: a child puts it right for itself."""

from __future__ import annotations

import atexit
import importlib
import importlib.util
import logging
import multiprocessing
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from types import ModuleType
from typing import Any

from .ahead import take_known_plugins
from .order import Order
from .waiting import asleep

__all__ = ["INLINE", "Taken", "fit_kernel", "fit_process", "plain_backend"]

INLINE = "module://matplotlib_inline.backend_inline"
_log = logging.getLogger("lepton_nb.kernels")
# Pandas' own, where it finds itself in a kernel.
_COLUMNS = 20


@dataclass(frozen=True)
class Taken:
    """What the libraries in a template have taken.

    Args:
        processors: how many they could use.
        styles: Matplotlib's file of settings, and its time of change; empty without Matplotlib.
        bars: the modules that hold `tqdm.auto.tqdm` under a name of theirs, and the names.
        kinds: the classes made from it.
    """

    processors: int = field(default_factory=lambda: len(os.sched_getaffinity(0)))
    styles: tuple[str, int] = field(default_factory=lambda: _styles())  # noqa: PLW0108 -- it is defined below
    bars: tuple[tuple[ModuleType, str], ...] = field(default_factory=lambda: tuple(_bars()))
    kinds: tuple[type, ...] = field(default_factory=lambda: tuple(_kinds()))


def fit_process(order: Order, taken: Taken) -> None:
    """Have the libraries in this child see its own folders, processors and settings."""
    tempfile.tempdir = None
    # Folders that imports have made are the template's to remove.
    atexit.unregister(shutil.rmtree)
    multiprocessing.current_process()._config.pop("tempdir", None)  # type: ignore[attr-defined] # noqa: SLF001
    _set_threads(order, taken.processors)
    asleep()
    take_known_plugins(is_kernel=not order.module)
    _draw(order, taken.styles)


def fit_kernel(shell: Any, taken: Taken) -> None:
    """Have the libraries that look for IPython when they are imported find it.

    Args:
        shell: the kernel's, before anybody's start-up files have run.
        taken: what they did without it.
    """
    steps: tuple[Callable[[], None], ...] = (_fit_pandas, lambda: _fit_tqdm(taken), _fit_plotly)
    with shell.builtin_trap:
        for step in steps:
            try:
                step()
            except Exception as cause:  # noqa: BLE001 -- a kernel whose tables look otherwise is better than none
                _log.warning("a library does not see that it is in a kernel: %s: %s", type(cause).__name__, cause)


def _fit_pandas() -> None:
    settings = sys.modules.get("pandas.core.config_init")
    if settings is None or settings.is_terminal():
        return
    config, name = importlib.import_module("pandas._config.config"), "display.max_columns"
    registered = config._registered_options  # noqa: SLF001 -- `reset_option` goes back to what is written there
    registered[name] = registered[name]._replace(defval=_COLUMNS)
    config.reset_option(name)


def _fit_tqdm(taken: Taken) -> None:
    if (auto := sys.modules.get("tqdm.auto")) is None:
        return
    before = auto.tqdm
    sys.modules.pop("tqdm.autonotebook", None)
    after = importlib.reload(auto).tqdm
    for module, name in taken.bars:
        setattr(module, name, after)
    for kind in taken.kinds:
        kind.__bases__ = tuple(after if base is before else base for base in kind.__bases__)


def _fit_plotly() -> None:
    """Its choice is made by the code of a module: a copy is run, since others hold what the module has made."""
    if (chosen := sys.modules.get("plotly.io._renderers")) is None or chosen.__spec__ is None:
        return
    copy = importlib.util.module_from_spec(chosen.__spec__)
    if chosen.__spec__.loader:
        chosen.__spec__.loader.exec_module(copy)
        chosen.renderers.default = copy.renderers.default


def _bars() -> Sequence[tuple[ModuleType, str]]:
    if (auto := sys.modules.get("tqdm.auto")) is None:
        return ()
    modules = [
        module
        for name, module in list(sys.modules.items())
        if name.partition(".")[0] != "tqdm" and isinstance(module, ModuleType)
    ]
    return [(module, name) for module in modules for name, value in list(vars(module).items()) if value is auto.tqdm]


def _kinds() -> Sequence[type]:
    if (auto := sys.modules.get("tqdm.auto")) is None:
        return ()
    return [kind for kind in auto.tqdm.__subclasses__() if kind.__module__.partition(".")[0] != "tqdm"]


def _set_threads(order: Order, processors: int) -> None:
    """Numerical libraries read this variable, or count the processors, when they are loaded."""
    first = order.environment.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    if first.isdigit() and int(first):
        count, share = int(first), 1.0
    elif len(order.affinity) != processors and not any(name.endswith("_NUM_THREADS") for name in order.environment):
        # Torch counts cores where the others count processors.
        count, share = len(order.affinity), len(order.affinity) / processors
    else:
        return
    import threadpoolctl  # type: ignore[import-untyped]

    torch = sys.modules.get("torch")
    mine = count if share == 1.0 or not torch else max(1, round(share * torch.get_num_threads()))
    threadpoolctl.threadpool_limits(count)
    if torch:
        torch.set_num_threads(mine)


def _styles() -> tuple[str, int]:
    """Where Matplotlib finds its settings here and now, and when they were changed."""
    if (matplotlib := sys.modules.get("matplotlib")) is None:
        return "", 0
    path = os.path.realpath(matplotlib.matplotlib_fname())
    return path, os.stat(path).st_mtime_ns  # noqa: PTH116 -- it is a text


def _draw(order: Order, before: tuple[str, int]) -> None:
    """Matplotlib reads its settings when it is imported; a kernel draws inline if nobody says otherwise."""
    if (matplotlib := sys.modules.get("matplotlib")) is None:
        return
    if "MPLCONFIGDIR" in os.environ and "MPLCONFIGDIR" not in order.environment:
        # The folder was made by the import, for want of another, and goes with the template.
        del os.environ["MPLCONFIGDIR"]
        matplotlib.get_configdir.cache_clear()
        matplotlib.get_cachedir.cache_clear()
    plain = plain_backend()
    if before[0] and (now := _styles()) != before:
        read = matplotlib.rc_params_from_file(now[0])
        # A file that names no backend leaves the choice open.
        plain = read._get("backend")  # noqa: SLF001 -- the public way would choose one
        for settings in (matplotlib.rcParams, matplotlib.rcParamsOrig):
            for name in read:
                settings._set(name, read._get(name))  # noqa: SLF001 -- the public way warns of old names
    wanted = order.environment.get("MPLBACKEND") or (plain if order.module else INLINE)
    if not order.module:
        os.environ["MPLBACKEND"] = wanted
    matplotlib.rcParams._set("backend", wanted)  # noqa: SLF001 -- the public way looks for plug-ins on the disk


@cache
def plain_backend() -> Any:
    """What Matplotlib was set to draw with when it was imported; asked first before it is set otherwise."""
    import matplotlib as mpl

    return mpl.rcParams._get("backend")  # noqa: SLF001 -- the public way would choose one
