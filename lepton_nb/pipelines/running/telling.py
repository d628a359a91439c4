"""What a pipeline run says while it goes on: how many steps are done, and the graph with how each stands."""

from __future__ import annotations

import time

from ...records import Drawing, Failed, Finished, Graph, Note, Progress, Report, Started
from ..history import Ledger

__all__ = ["Teller", "drawing"]

# A picture of a hundred steps is 50 kB: more than this neither is seen nor should be sent.
_EVERY_S = 0.25


class Teller:
    """Reports the events of one run.

    Args:
        report: hears them.
        ledger: of the run.
    """

    def __init__(self, report: Report, ledger: Ledger) -> None:
        self.report, self.ledger = report, ledger
        self._drawn = 0.0
        self._stale = False

    def begun(self) -> None:
        """The run begins."""
        total = len(self.ledger.steps)
        self.report(Started(time.time(), f"pipeline {self.ledger.plan.pipeline.name}", total))
        self.draw()

    def moved(self, name: str) -> None:
        """A step, or what `name` says instead, stands otherwise than before."""
        steps = self.ledger.steps
        ended = sum(step.status not in ("waiting", "running") for step in steps.values())
        self.report(Progress(time.time(), ended, len(steps), name))
        self._stale = True
        self.refresh()

    def refresh(self) -> None:
        """Draw what has changed, unless that was done a moment ago."""
        if self._stale and time.monotonic() - self._drawn >= _EVERY_S:
            self.draw()

    def note(self, text: str) -> None:
        """A line for people."""
        self.report(Note(time.time(), text))

    def draw(self) -> None:
        """Draw the graph now."""
        self.report(drawing(self.ledger.told().graph()))
        self._drawn, self._stale = time.monotonic(), False

    def ended(self, cause: BaseException | None) -> None:
        """The run ended, for a cause when not as it should."""
        self.draw()
        if cause is None:
            steps = self.ledger.steps.values()
            skipped = sum(step.status == "skipped" for step in steps)
            text = f"{len(steps) - skipped} steps completed" + (f", {skipped} skipped" if skipped else "")
            self.report(Finished(time.time(), text=text))
            return
        self.note(f"report: {self.ledger.told().report}")
        if isinstance(cause, KeyboardInterrupt):
            way = "the same command without --force" if self.ledger.asked.force else "the same command"
            self.note(f"interrupted; {way} goes on from here")
            self.report(Finished(time.time(), "stopped", "interrupted"))
        else:
            self.report(Failed(time.time(), type(cause).__name__, " ".join(str(cause).split())))


def drawing(graph: Graph) -> Drawing:
    """A graph as an event; its text counts the steps by how they stand."""
    states = list(graph.states.values())
    counts = ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(states))
    return Drawing(time.time(), graph.svg(), f"pipeline {graph.pipeline}: {counts}")
