"""What libraries make when they are first used, made in the template once for all of its children."""

from __future__ import annotations

import contextlib
import functools
import importlib
import site
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

__all__ = ["make_ahead", "take_known_plugins"]

# Its tables take as long as many an import.
_TABLES = "lepton_nb.artifact.operators"
# Where Lightning looks for callbacks of other packages, each time that a Trainer is made: by both names it goes by.
_PLUGINS = {
    "lightning_fabric.utilities.registry": "pytorch_lightning.callbacks_factory",
    "lightning.fabric.utilities.registry": "lightning.pytorch.callbacks_factory",
}
# Where the template looks for packages.
_searched: set[str] = set()
_known: dict[str, Callable[..., Any]] = {}
# What Lightning asks of installed packages: the questions, and what they keep of the answers.
_answers: list[tuple[Any, dict[str, Any]]] = []


def make_ahead() -> None:
    """Make what can be made; whoever misses something makes it alone."""
    _searched.update(sys.path)
    for step in (_tables, _plugins, _requirements, _metrics, _store):
        with contextlib.suppress(Exception):
            step()


def take_known_plugins(*, is_kernel: bool) -> None:
    """Have Lightning take what the template has read of the installed packages, which lies in half a thousand files.

    Not in a kernel, which may install packages (a template ends when there are others), nor in a process that looks
    for packages where the template did not, or that has a user's own, which may be others by now: these ask anew.
    """
    is_users = site.ENABLE_USER_SITE and site.getusersitepackages() in sys.path
    if is_kernel or is_users or any(map(_has_packages, {*sys.path} - _searched)):
        if plugins := sys.modules.get("narwhals.plugins"):
            plugins._discover_entrypoints.cache_clear()  # noqa: SLF001 -- no public way
        return
    for name, read in _known.items():
        # One that was edited since is imported anew, and asks for itself.
        if module := sys.modules.get(name):
            vars(module)["entry_points"] = read
    for question, answer in _answers:
        vars(question).update(answer)


def _has_packages(place: str) -> bool:
    try:
        return any(path.suffix in (".dist-info", ".egg-info") for path in Path(place or ".").iterdir())
    except OSError:
        # Of an archive nobody knows.
        return Path(place).exists()


def _tables() -> None:
    if _TABLES in sys.modules:
        sys.modules[_TABLES].preload()


def _plugins() -> None:
    for name, group in _PLUGINS.items():
        if name in sys.modules:
            _known[name] = functools.cache(vars(sys.modules[name])["entry_points"])
            _known[name](group=group)
    # It keeps them by itself, as long as a process lives.
    importlib.import_module("narwhals.plugins")._discover_entrypoints()  # noqa: SLF001 -- no public way


def _requirements() -> None:
    """Ask what Lightning asks: which packages there are, and of which versions."""
    from lightning_utilities.core.imports import RequirementCache

    found = {
        id(value): value
        for name, module in list(sys.modules.items())
        if name.partition(".")[0] in ("lightning", "lightning_fabric", "pytorch_lightning", "torchmetrics")
        for value in list(vars(module).values())
        # To look for a module within another one would import that.
        if isinstance(value, RequirementCache) and not value.module
    }
    for question in found.values():
        before = dict(vars(question))
        with contextlib.suppress(Exception):
            bool(question)
        _answers.append((question, dict(vars(question))))
        # A kernel may install what is missing now.
        vars(question).clear()
        vars(question).update(before)


def _metrics() -> None:
    """Log one number as a network does: what Lightning asks each value's class then takes as long as many batches.

    One number is nothing that torch would share among threads.
    """
    torch = sys.modules["torch"]
    for name in ("pytorch_lightning", "lightning.pytorch"):
        if name in sys.modules:
            room = importlib.import_module(f"{name}.trainer.connectors.logger_connector.result")
            results = room._ResultCollection(training=False)  # noqa: SLF001 -- no public way without a training
            results.log("on_train_epoch_end", "loss", torch.tensor(0.0), on_epoch=True, batch_size=1)
            results.reset()


def _store() -> None:
    from ..tracking.rehearsing import rehearse

    rehearse()
