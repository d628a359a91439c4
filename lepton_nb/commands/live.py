"""How a verb shows a training: live where a person looks, as lines where a program runs the notebook."""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
import threading
from typing import TYPE_CHECKING, Any

from ..errors import LeptonError
from ..records import Run
from ..workspace import current

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..widgets import TrainingView

__all__ = ["ask_to_stop", "in_batch", "view_of", "watch_beside"]

_LOG_LINES = 8


def ask_to_stop(run: str) -> None:
    """Ask the trainer of a run of this workspace to finish its batch and end."""
    from .. import training

    training.ask_to_stop(current().run(run))


def in_batch() -> bool:
    """Whether a program runs this notebook, so that nobody sees a widget: a pipeline, Papermill, nbclient, nbconvert.

    Voila executes a notebook as they do, and then shows it to a person.
    """
    from ..widgets import in_voila

    if "LEPTON_STEP_OUTPUT" in os.environ or any(name.startswith("PAPERMILL_") for name in os.environ):
        return True
    shell: Any = importlib.import_module("IPython").get_ipython()
    kernel = getattr(shell, "kernel", None)
    # Front ends let a cell ask its reader; who executes without one forbids it.
    return kernel is not None and not getattr(kernel, "_allow_stdin", True) and not in_voila()


def view_of(run: str, name: str, stop: Callable[[str], None] | None, *, live: bool) -> TrainingView:
    """The view of a run.

    Args:
        run: its id.
        name: what people call it.
        stop: asks its trainer to stop; None takes away the button.
        live: show it while it goes on, not only what stays of it.
    """
    from ..training import last_lines
    from ..widgets import TrainingView

    # Found now: the notebook may change its folder while the view asks.
    folder = current().run(run)
    ask = None if stop is None else lambda: stop(run)
    return TrainingView(run, name, ask, lambda: last_lines(folder, _LOG_LINES), live=live)


def watch_beside(run: Run) -> None:
    """Show a run in this cell, and go on showing it when the cell is over; in a shell there is nothing to show.

    Args:
        run: a run of this machine.
    """
    shell: Any = importlib.import_module("IPython").get_ipython() if "IPython" in sys.modules else None
    if shell is None or getattr(shell, "kernel", None) is None or in_batch():
        return
    from .. import training

    ws, view = current(), view_of(run.id, run.name, ask_to_stop, live=True)
    view.open()

    def follow() -> None:
        # How it failed is in the view.
        with contextlib.suppress(LeptonError):
            training.attach(ws, run.id, report=view.show)
        view.close()

    threading.Thread(target=follow, name="lepton-attach", daemon=True).start()
