"""A watch that is killed at one decision: `python -m killed HOME DECISION MOMENT`, for test_kills.py.

MOMENT says where: `before` the decision is recorded, when what it was about has been done already; `between` the state
and the line of decisions.jsonl; or `behind` both.
"""

import os
import signal
import sys
from pathlib import Path

from tiny import InProcess

from lepton_nb.loop import watcher
from lepton_nb.loop.place import Place
from lepton_nb.workspace import Workspace


def main(home: Path, number: int, moment: str) -> None:
    """Watch until that decision."""

    def die_at(decision: int, place: str) -> None:
        if (decision, place) == (number, moment):
            os.kill(os.getpid(), signal.SIGKILL)

    def decide(self, state, *words, **more):
        die_at(state.decisions + 1, "before")
        found = original(self, state, *words, **more)
        die_at(state.decisions + 1, "behind")
        return found

    def append(self, entry):
        die_at(entry["number"], "between")
        appended(self, entry)

    original, appended = Place.decide, Place._append
    Place.decide, Place._append = decide, append
    made = watcher.Context
    watcher.Context = lambda *words: made(*words, InProcess())
    watcher.watch(Workspace(home), "tiny")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
