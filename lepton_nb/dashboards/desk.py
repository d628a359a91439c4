"""Answers questions about a workspace, each one once, however many ask it."""

from __future__ import annotations

import contextvars
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from ..workspace import Workspace
from . import views
from .building import Builder
from .question import Question

__all__ = ["Desk"]

Sections = dict[str, str]
# An answer this new is given again without looking whether anything changed.
_FRESH_S = 0.5
# However little changes: what is said of the time by then is said anew.
_STALE_S = 10.0
# What takes longer to make is made this often at most, and beside the answers.
_SLOW_S = 10.0
_MOST = 256


@dataclass
class _Part:
    """Sections, and when and from what they were made."""

    sections: Sections = field(default_factory=dict)
    state: object = None
    built: float = -1e9


@dataclass
class _Answer:
    lock: threading.Lock = field(default_factory=threading.Lock)
    quick: _Part = field(default_factory=_Part)
    slow: _Part = field(default_factory=_Part)
    looked: float = -1e9
    making: threading.Thread | None = None


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

    def answer(self, question: Question, *, whole: bool = False) -> Sections:
        """The sections of a page, in their order. Nothing that goes wrong ends it: the page says so.

        Args:
            question: what is asked.
            whole: wait for the sections that take longer; without, they come with a later answer.
        """
        with self._lock:
            entry = self._answers.setdefault(question, _Answer())
            self._answers.move_to_end(question)
            while len(self._answers) > _MOST:
                self._answers.popitem(last=False)
        with entry.lock:
            if whole or time.monotonic() - entry.looked >= _FRESH_S:
                # Taken before the making: what changes meanwhile is seen at the next look.
                state = self._builder.state(question)
                self._renew(entry.quick, self._builder.build, question, state, 0.0)
                self._make_slow(entry, question, state)
                entry.looked = time.monotonic()
        if whole and entry.making is not None:
            entry.making.join()
        with entry.lock:
            return views.ordered({**entry.quick.sections, **entry.slow.sections, "updated": views.updated(time.time())})

    def _make_slow(self, entry: _Answer, question: Question, state: object) -> None:
        now = time.monotonic()
        if now - entry.slow.built < _SLOW_S or (entry.making is not None and entry.making.is_alive()):
            return
        part = _Part(dict(entry.slow.sections), entry.slow.state, entry.slow.built)

        def make() -> None:
            self._renew(part, self._builder.slow, question, state, _SLOW_S)
            entry.slow = part

        context = contextvars.copy_context()
        entry.making = threading.Thread(target=context.run, args=(make,), name="lepton-slow", daemon=True)
        entry.making.start()

    def _renew(
        self, part: _Part, make: Callable[[Question], Sections], question: Question, state: object, rest: float
    ) -> None:
        now = time.monotonic()
        if state == part.state and now - part.built < max(_STALE_S, rest):
            return
        try:
            part.sections, part.state, part.built = make(question), state, now
        except Exception as fault:  # noqa: BLE001 - a page that stops silently would show the past as the present
            words = f"the update failed ({type(fault).__name__}); trying again"
            part.sections = {**part.sections, "failure": views.failure(words)}
            part.state = None
