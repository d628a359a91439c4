"""Progress of long work, drawn from events: a bar where a person looks, lines where a log is kept."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TextIO

from ..records import Drawing, Epoch, Event, Failed, Finished, Note, Started
from ..records import Progress as Done
from .live import in_batch, view_of

if TYPE_CHECKING:
    from ..widgets import TrainingView

__all__ = ["Progress"]

_READABLE = 100


class Progress:
    """Draws events on a stream, standard error by default.

    Args:
        stream: where to draw; a terminal gets a moving bar, anything else a line per epoch or part.
        notebook: draw the bar as a Jupyter widget, pictures, and a training as it goes on.
        stop: asks the trainer of a run, given by its id, to stop; the view of a training gets a button for it.
    """

    def __init__(
        self, stream: TextIO | None = None, *, notebook: bool = False, stop: Callable[[str], None] | None = None
    ) -> None:
        self._stream, self._notebook, self._stop = stream, notebook, stop
        # A step of a pipeline is read when it is over: a picture would have gone, lines stay. So it is with a widget
        # wherever a program runs the notebook.
        self._pictures = notebook and "LEPTON_STEP_OUTPUT" not in os.environ
        self._widget = notebook and not in_batch()
        self._view: TrainingView | None = None
        self._viewed = ""
        self._bar: Any = None
        self._picture: Any = None
        self._title, self._said, self._total = "", 0, 0
        # What is said before anything starts: where a training is shown live, it belongs into that view.
        self._early: list[Note] = []

    def show(self, event: Event) -> None:
        """Draw one event."""
        if self._widget and isinstance(event, Note) and self._view is None and not self._title:
            self._early.append(event)
            return
        if self._notebook and isinstance(event, Started):
            self._look(event)
            self._catch_up()
        if self._view is not None:
            self._view.show(event)
            if self._widget or isinstance(event, Done):
                return
        self._tell(event)

    def _catch_up(self) -> None:
        early, self._early = self._early, []
        for note in early:
            self._view.show(note) if self._view is not None else self._tell(note)

    def _tell(self, event: Event) -> None:
        match event:
            case Started(title=title, total=total):
                self._open(title, total)
            case Done(done=done, total=total, text=text):
                self._move(done, total, text)
            case Epoch(epoch=epoch, metrics=metrics, best=best):
                values = "  ".join(f"{name} {value:.4g}" for name, value in metrics.items())
                self._line(f"epoch {epoch + 1}  {values}{'  (best)' if best else ''}")
            case Note(text=text):
                self._write(text)
            case Drawing(svg=svg, text=text):
                self._draw(svg, text)
            case Finished():
                # Work that ends early, such as a training that no longer gets better, is no failure: a widget
                # that lacks a part turns red and stays.
                if self._widget and self._bar is not None:
                    self._bar.total = self._bar.n
                self._close()
            case Failed():
                self._close()
            case _:
                pass

    def close(self) -> None:
        """Nobody will tell more: what is shown of a training that goes on becomes what stays of it."""
        self._catch_up()
        self._leave()

    def _leave(self) -> None:
        if self._view is not None:
            self._view.close()
        self._view, self._viewed = None, ""

    def _look(self, started: Started) -> None:
        """Look at a training; a run that is told from its beginning again, or goes on, keeps its view."""
        if started.run == self._viewed:
            return
        self._leave()
        if started.run:
            self._close()
            self._view = view_of(started.run, started.title, self._stop, live=self._widget)
            self._viewed = started.run

    @property
    def _moving(self) -> bool:
        return self._widget or (self._stream or sys.stderr).isatty()

    def _open(self, title: str, total: int) -> None:
        self._close()
        self._title, self._said, self._total, self._picture = title, 0, total, None
        # A widget waits for the first part: a picture may come instead.
        if total and self._moving and not self._widget:
            self._make_bar()

    def _make_bar(self) -> None:
        kind: Any = importlib.import_module("tqdm.notebook" if self._widget else "tqdm").tqdm
        self._bar = kind(total=self._total, desc=self._title, file=self._stream, leave=not self._widget)

    def _draw(self, svg: str, text: str) -> None:
        """Draw a picture in the place of the one before; a shell has its bar and a log its lines."""
        if not self._pictures:
            return
        bundle = {"image/svg+xml": svg, "text/plain": text}
        if self._picture is None:
            self._close()
            display: Any = importlib.import_module("IPython.display").display
            self._picture = display(bundle, raw=True, display_id=True)
        else:
            self._picture.update(bundle, raw=True)

    def _move(self, done: int, total: int, text: str) -> None:
        if self._picture is not None:
            return
        if self._bar is None and self._widget and self._total:
            self._make_bar()
        if self._bar is None:
            # A log gets a line per part of the work, where the parts are few enough to be read.
            if self._said < done <= total <= _READABLE:
                self._write(f"{self._title}: {done}/{total} {text}".rstrip())
                self._said = done
            return
        if total and total != self._bar.total:
            self._bar.total = total
        self._bar.set_postfix_str(text, refresh=False)
        self._bar.update(max(0, done - self._bar.n))

    def _line(self, text: str) -> None:
        if self._widget and self._bar is not None:
            self._bar.set_postfix_str(text, refresh=True)
        else:
            self._write(text)

    def _write(self, text: str) -> None:
        if self._bar is not None and not self._widget:
            self._bar.write(text, file=self._stream or sys.stderr)
        else:
            (self._stream or sys.stderr).write(f"{text}\n")

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None
