"""A training as it goes on in a notebook, and the picture that stays of it."""

from __future__ import annotations

import contextlib
import importlib
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from ..errors import LeptonError
from ..records import Event, Failed, Finished
from .places import STATIC, in_voila
from .state import Training
from .summary import bundle
from .wire import Frame, Wire, clipped, said

__all__ = ["TrainingView"]

_LOG_S = 1.0
_LOG_LINES = 8
_UNBUILT = "The live view is not built, so this is a plain one; next: make install"
_NO_WIDGETS = "{}\nWithout Jupyter widgets this line stands still; the curves come here when the training has ended."


class Surface(Protocol):
    """Where a training is drawn."""

    every: float

    def bundle(self, text: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """What is displayed first, and its metadata."""

    def draw(self, frame: Frame) -> dict[str, Any] | None:
        """Draw an update; what is returned is displayed in place of the last."""

    def close(self) -> None:
        """The training is over."""


class Plain:
    """A line that is written again every second, where the widget cannot be."""

    every = 1.0

    def bundle(self, text: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """The first line."""
        return {"text/plain": f"{text}\n{_UNBUILT}"}, {}

    def draw(self, frame: Frame) -> dict[str, Any] | None:
        """The next line."""
        return {"text/plain": f"{frame.text}\n{_UNBUILT}"}

    def close(self) -> None:
        """Nothing is left over."""


class TrainingView:
    """Shows a training from its events: live in the cell, and as a static picture with a summary when it ends.

    Args:
        run: id of the run.
        name: what people call it.
        stop: asks the trainer to stop; None takes away the button. It is called in whatever thread takes the
            message, and may only ask.
        log: the last lines of the trainer's log, read once a second.
        live: show it while it goes on; without, only what stays is shown.
    """

    def __init__(
        self,
        run: str,
        name: str,
        stop: Callable[[], None] | None,
        log: Callable[[], Sequence[str]] | None = None,
        *,
        live: bool = True,
    ) -> None:
        self._training = Training(run, name)
        self._stop, self._log, self._live = stop, log, live
        self._lock = threading.Lock()
        self._surface: Surface | None = None
        self._handle: Any = None
        self._wire = Wire()
        self._pump: threading.Thread | None = None
        self._ended = threading.Event()
        self._changed, self._asked, self._problem = False, False, ""
        self._lines: list[str] = []
        self._left = False

    def show(self, event: Event) -> None:
        """Take one event, from any thread."""
        with self._lock:
            self._training.take(event)
            self._changed = True
        if isinstance(event, (Finished, Failed)):
            self._end()
        elif self._live and self._surface is None and not self._training.facts.over:
            self.open()

    def open(self) -> None:
        """Display it, before there is an event: what a thread displays after the end of a cell is in no cell."""
        if self._live and self._surface is None:
            self._open()

    def close(self) -> None:
        """Leave the picture as far as it is known: nobody will tell more."""
        if self._left or (self._surface is None and self._training.facts.phase == "waiting"):
            return
        if not self._training.facts.over:
            with self._lock:
                self._training.leave("its end was not seen here; next: lepton runs")
        self._end()

    def _open(self) -> None:
        training = self._training
        self._surface = _surface(training.run, training.name, self._ask if self._stop else None)
        self._wire, self._ended, self._left = Wire(), threading.Event(), False
        self._draw()
        data, metadata = self._surface.bundle(_NO_WIDGETS.format(said(training)))
        if self._handle is None:
            display: Any = importlib.import_module("IPython.display").display
            self._handle = display(data, raw=True, metadata=metadata, display_id=True)
        else:
            self._handle.update(data, raw=True, metadata=metadata)
        self._pump = threading.Thread(target=self._send, args=(self._ended,), name="lepton-view", daemon=True)
        self._pump.start()

    def _send(self, ended: threading.Event) -> None:
        """Send what changed, ten times a second at most, until the end."""
        surface, looked = self._surface, 0.0
        while surface is not None and not ended.wait(surface.every):
            if self._log is not None and time.monotonic() - looked >= _LOG_S:
                looked = time.monotonic()
                self._read_log()
            if self._changed:
                self._draw()

    def _read_log(self) -> None:
        with contextlib.suppress(OSError):
            lines = [clipped(line) for line in (self._log() if self._log else ())][-_LOG_LINES:]
            if lines != self._lines:
                self._lines, self._changed = lines, True

    def _draw(self) -> None:
        with self._lock:
            frame = self._wire.frame(self._training, asked=self._asked, problem=self._problem, log=self._lines)
            self._changed = frame.more
        if self._surface is not None and (again := self._surface.draw(frame)) and self._handle is not None:
            self._handle.update(again, raw=True)

    def _ask(self) -> None:
        """A person wants it to stop: asked once, printed nowhere, since other output belongs to another cell."""
        with self._lock:
            if self._asked or self._stop is None or self._training.facts.over:
                return
            self._asked = True
        try:
            self._stop()
        except (OSError, LeptonError) as error:
            self._asked, self._problem = False, f"It could not be asked to stop: {error}"
        self._changed = True

    def _end(self) -> None:
        self._ended.set()
        if self._pump is not None:
            self._pump.join()
        # The picture takes a moment to draw: how it ended is seen before.
        if self._surface is not None:
            self._draw()
        if self._surface is not None and in_voila():
            # A page is not saved and shows no later output: the widget stays, with the last state.
            while self._changed:
                self._draw()
        else:
            left = bundle(self._training)
            if self._handle is None:
                importlib.import_module("IPython.display").display(left, raw=True)
            else:
                self._handle.update(left, raw=True)
            if self._surface is not None:
                self._surface.close()
        self._surface, self._pump, self._left = None, None, True


def _surface(run: str, name: str, asked: Callable[[], None] | None) -> Surface:
    """The widget, or a plain line where its front end was not built."""
    if not (STATIC / "training.js").exists() or not (STATIC / "training.css").exists():
        return Plain()
    widget: Any = importlib.import_module(".widget", __package__)
    live: Surface = widget.Live(run, name, asked)
    return live
