"""What a study says while it goes on: a line per trial, and a board that is drawn again as it changes."""

from __future__ import annotations

import time

from ...records import Drawing, Failed, Finished, Progress, Report, Started, Study, Trial, cell

__all__ = ["Teller"]

_EVERY_S = 0.5


class Teller:
    """Reports a study as it stands again and again.

    Args:
        report: hears the events.
    """

    def __init__(self, report: Report) -> None:
        self._report = report
        self._ended: set[int] = set()
        self._begun, self._drawn = False, 0.0

    def tell(self, study: Study) -> None:
        """Say what is new."""
        now = time.time()
        if not self._begun:
            self._begun = True
            self._report(Started(now, f"study {study.name}", study.wanted))
            # What was told before this one looked is no news.
            self._ended = {one.number for one in study.ended}
        for one in study.ended:
            if one.number not in self._ended:
                self._ended.add(one.number)
                self._report(Progress(now, len(self._ended), study.wanted, _line(study, one)))
        if time.monotonic() - self._drawn >= _EVERY_S:
            self.draw(study)

    def draw(self, study: Study) -> None:
        """Draw the board now."""
        self._report(Drawing(time.time(), study.picture(), study.said))
        self._drawn = time.monotonic()

    def end(self, study: Study) -> None:
        """Nobody works on it any more."""
        self.draw(study)
        if study.status == "failed":
            self._report(Failed(time.time(), "TrainingError", study.cause))
            return
        status = "finished" if study.status == "finished" else "stopped"
        self._report(Finished(time.time(), status, study.said))


def _line(study: Study, one: Trial) -> str:
    """A trial that is over, in a line."""
    values = [f"{what.name} {cell(value)}" for what, value in zip(study.objectives, one.values, strict=False)]
    said = one.cause[:120] if one.status == "failed" else ", ".join(values) if one.complete else one.cause
    tried = " ".join(f"{name}={cell(value)}" for name, value in one.params.items())
    mark = " (best)" if study.best and study.best.number == one.number else ""
    return f"trial {one.number} {one.status}{mark}: {said}; {tried}"
