"""Answers questions about a workspace, each one once, however many ask it."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from dataclasses import dataclass, field

from ..workspace import Workspace
from . import views
from .building import Builder
from .question import Question

__all__ = ["Desk"]

Sections = dict[str, str]
# An answer this new is given again without looking whether anything changed.
_FRESH_S = 0.5
_STALE_S = 10.0
_MOST = 256


@dataclass
class _Answer:
    lock: threading.Lock = field(default_factory=threading.Lock)
    sections: Sections = field(default_factory=dict)
    state: object = None
    built: float = -1e9
    looked: float = -1e9


class Desk:
    """Gives the pages of a workspace, from any number of threads; what nothing changed is not made again.

    Args:
        ws: the workspace.
        served: whether executed notebooks can be opened beside the pages.
    """

    def __init__(self, ws: Workspace, *, served: bool = False) -> None:
        self._builder = Builder(ws, served=served)
        self._answers: OrderedDict[Question, _Answer] = OrderedDict()
        self._lock = threading.Lock()

    def answer(self, question: Question) -> Sections:
        """The sections of a page, in their order. Nothing that goes wrong ends it: the page says so."""
        with self._lock:
            entry = self._answers.setdefault(question, _Answer())
            self._answers.move_to_end(question)
            while len(self._answers) > _MOST:
                self._answers.popitem(last=False)
        with entry.lock:
            now = time.monotonic()
            if now - entry.looked < _FRESH_S:
                return entry.sections
            try:
                self._renew(entry, question, now)
            except Exception as fault:  # noqa: BLE001 - a page that stops silently would show the past as the present
                words = f"the update failed ({type(fault).__name__}); trying again"
                entry.sections = {**entry.sections, "failure": views.failure(words)}
                entry.state = None
            entry.looked = time.monotonic()
            entry.sections["updated"] = views.updated(time.time())
            return dict(entry.sections)

    def _renew(self, entry: _Answer, question: Question, now: float) -> None:
        # Taken before the building: what changes meanwhile is seen at the next look.
        state = self._builder.state(question)
        if state == entry.state and now - entry.built < _STALE_S:
            return
        entry.sections = self._builder.build(question)
        entry.state, entry.built = state, now
