"""What libraries make when they are first used, made in the template once for all of its children."""

from __future__ import annotations

import contextlib
import functools
import importlib
import sys
from collections.abc import Callable
from typing import Any

__all__ = ["make_ahead", "use_known_plugins"]

# Its tables take as long as many an import.
_TABLES = "lepton_nb.artifact.operators"
# Where Lightning looks for callbacks of other packages, each time that a Trainer is made: by both names it goes by.
_PLUGINS = {
    "lightning_fabric.utilities.registry": "pytorch_lightning.callbacks_factory",
    "lightning.fabric.utilities.registry": "lightning.pytorch.callbacks_factory",
}
_known: dict[str, Callable[..., Any]] = {}


def make_ahead() -> None:
    """Make what can be made; whoever misses something makes it alone."""
    for step in (_tables, _plugins, _store):
        with contextlib.suppress(Exception):
            step()


def use_known_plugins() -> None:
    """Have Lightning take what the template has read of the installed packages, which takes half a thousand files.

    Only for a process that runs a module: a kernel may install packages, and a template ends when there are others.
    """
    for name, read in _known.items():
        vars(sys.modules[name])["entry_points"] = read


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


def _store() -> None:
    from ..tracking.rehearsing import rehearse

    rehearse()
