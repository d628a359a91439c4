"""The widget. Imported when a view opens: it needs anywidget, and the built front end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anywidget
import traitlets

from .places import STATIC
from .state import MOST_SERIES
from .wire import Frame

__all__ = ["Live"]


class TrainingWidget(anywidget.AnyWidget):
    """The state that front ends are given; a second view, or a page that is loaded again, gets all of it."""

    _esm = STATIC / "training.js"
    _css = STATIC / "training.css"
    about = traitlets.Dict().tag(sync=True)
    facts = traitlets.Dict().tag(sync=True)
    curves: Any = traitlets.List().tag(sync=True)
    log: Any = traitlets.List().tag(sync=True)
    # A trait for each curve, so that only those that changed are sent.
    for _place in range(MOST_SERIES):
        vars()[f"curve_{_place}"] = traitlets.Bytes().tag(sync=True)


class Live:
    """A training in a front end that knows widgets.

    Args:
        run: id of the run.
        name: what people call it.
        asked: called when a person presses Stop, in whatever thread takes the message; None without that button.
    """

    every = 0.1

    def __init__(self, run: str, name: str, asked: Callable[[], None] | None) -> None:
        self.widget = TrainingWidget(about={"run": run, "name": name, "stop": asked is not None})
        self._asked = asked
        self.widget.on_msg(self._told)
        _answer_beside_the_cell(self.widget.comm)

    def bundle(self, text: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """What is displayed, and its metadata.

        Args:
            text: shown where there are no widgets.
        """
        shown: Any = self.widget._repr_mimebundle_()
        data, metadata = shown if isinstance(shown, tuple) else (shown, {})
        return {**data, "text/plain": text}, metadata

    def draw(self, frame: Frame) -> dict[str, Any] | None:
        """Send what changed in one message."""
        with self.widget.hold_sync():
            self.widget.facts, self.widget.curves, self.widget.log = frame.facts, frame.curves, frame.log
            for place, points in frame.changed.items():
                setattr(self.widget, f"curve_{place}", points)
        return None

    def close(self) -> None:
        """Leave no widget behind, nor what it stands on."""
        layout = self.widget.layout
        self.widget.close()
        layout.close()

    def _told(self, widget: Any, content: Any, buffers: Any) -> None:
        if self._asked is not None and isinstance(content, dict) and content.get("ask") == "stop":
            self._asked()


def _answer_beside_the_cell(comm: Any) -> None:
    """Take a front end's messages in the subshell that they are sent to.

    ipykernel 7.4 hands them to the loop that wrote to the comm last. That is the one which the cell blocks, so Stop
    would be heard when the training is over.
    """
    if hasattr(comm, "_reply_subshell_for"):
        comm._reply_subshell_for = lambda data, named: named  # noqa: SLF001 - there is no other way to say so
