"""Progress of long work, drawn from events: a bar where a person looks, lines where a log is kept."""

from __future__ import annotations

import os
import sys
from typing import Any, TextIO

from ..records import Epoch, Event, Failed, Finished, Note, Started
from ..records import Progress as Done

__all__ = ["Progress"]


class Progress:
    """Draws events on a stream, standard error by default.

    Args:
        stream: where to draw; a terminal gets a moving bar, anything else one line per epoch.
        notebook: draw the bar as a Jupyter widget.
    """

    def __init__(self, stream: TextIO | None = None, *, notebook: bool = False) -> None:
        self._stream = stream
        self._notebook = notebook
        self._bar: Any = None

    def show(self, event: Event) -> None:
        """Draw one event."""
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
            case Finished() | Failed():
                self._close()
            case _:
                pass

    @property
    def _moving(self) -> bool:
        return self._notebook or (self._stream or sys.stderr).isatty()

    def _open(self, title: str, total: int) -> None:
        self._close()
        if not total:
            return
        if self._notebook and "LEPTON_STEP_OUTPUT" not in os.environ:
            from tqdm.notebook import tqdm as bar
        else:
            from tqdm import tqdm as bar
        # A log keeps one line per step of the work, not one per redraw.
        self._bar = bar(total=total, desc=title, file=self._stream, mininterval=0.1 if self._moving else 5.0)

    def _move(self, done: int, total: int, text: str) -> None:
        if self._bar is None:
            return
        if total and total != self._bar.total:
            self._bar.total = total
        self._bar.set_postfix_str(text, refresh=False)
        self._bar.update(max(0, done - self._bar.n))

    def _line(self, text: str) -> None:
        if self._bar is not None and self._moving:
            self._bar.set_postfix_str(text, refresh=True)
        else:
            self._write(text)

    def _write(self, text: str) -> None:
        if self._bar is not None and not self._notebook:
            self._bar.write(text, file=self._stream or sys.stderr)
        else:
            (self._stream or sys.stderr).write(f"{text}\n")

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None
