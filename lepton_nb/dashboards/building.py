"""From a question to the sections of its page: reads the workspace, and never a log."""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from .. import monitoring
from ..errors import LeptonError
from ..records import Deployment, Health
from ..workspace import Workspace
from . import facts, learning, views
from .question import Question
from .views.deployment import missing

__all__ = ["Builder"]

Sections = dict[str, str]
# However little changes: what is said of the time by then is said anew.
_STALE_S = 10.0
_MOST_GLANCES = 512


@dataclass
class _Glances:
    """What was seen of each deployment, and in which state it was then."""

    seen: dict[tuple[str, float | None], tuple[object, float, facts.Glance]] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)


class Builder:
    """Makes pages of one workspace; deployments that did not change are not looked at again.

    Args:
        ws: the workspace.
        served: whether executed notebooks can be opened beside the pages.
    """

    def __init__(self, ws: Workspace, *, served: bool = False) -> None:
        self.ws, self.served = ws, served
        self._glances = _Glances()
        self._trainings = learning.Trainings(ws)
        self._whole: dict[tuple[str, float | None], tuple[Health | None, str]] = {}

    def build(self, question: Question) -> Sections:
        """The sections of a page. Whatever goes wrong is said on the page."""
        makers: dict[str, Callable[[Question, float], Sections]] = {
            "fleet": self._fleet,
            "deployment": self._deployment,
            "training": self._training,
            "pipelines": self._pipelines,
        }
        now = time.time()
        try:
            with monitoring.as_counted():
                return makers[question.page](question, now)
        except LeptonError as fault:
            return views.sections_of(views.head(question), {"failure": views.failure(str(fault))})

    def slow(self, question: Question) -> Sections:
        """Sections that take longer to make, which stand beside the others; none for most pages."""
        if question.page == "fleet":
            self._measure(question.seconds)
        if question.page != "deployment":
            return {}
        try:
            with monitoring.as_counted():
                _, one = facts.chosen(self.ws, question.name)
                if one is None:
                    return {}
                changes = facts.changes(one.path)
                return views.deeper(question, one, facts.depth(self.ws, one, question.seconds), changes, time.time())
        except LeptonError as fault:
            return {"faults": views.failure(str(fault))}

    def state(self, question: Question) -> object:
        """What the page depends on: another value when it may be another page."""
        if question.page in ("fleet", "deployment"):
            folders = [path for path in sorted(self.ws.deployments.glob("*")) if path.is_dir()]
            looked = [path for path in folders if not question.name or path.name == question.name]
            watches = tuple(sorted(_files(self.ws.home / "watches", ("*/*.json", "*/*.jsonl"))))
            known = tuple(self._whole.items()) if question.page == "fleet" else ()
            return tuple(path.name for path in folders), tuple(state_of(path) for path in looked), watches, known
        folder = self.ws.runs if question.page == "training" else self.ws.pipelines
        return tuple(sorted(_files(folder, ("*", "*/events.jsonl", "*/ending.json", "*/*.json"))))

    def _fleet(self, question: Question, now: float) -> Sections:
        found = facts.every(self.ws)
        glances = [self._glance(one, question.seconds, now) for one in found]
        return views.fleet(question, [self._deepened(one, question.seconds) for one in glances], now)

    def _deepened(self, one: facts.Glance, seconds: float | None) -> facts.Glance:
        """With the whole verdict, as far as it was found out."""
        whole, quality = self._whole.get((one.deployment.name, seconds), (None, ""))
        if one.health is None or whole is None:
            return one
        health = dataclasses.replace(one.health, verdict=whole.verdict, reasons=whole.reasons)
        return dataclasses.replace(one, health=health, quality=quality)

    def _measure(self, seconds: float | None) -> None:
        """The whole verdict of each deployment, for the list of all."""
        with monitoring.as_counted():
            every = facts.every(self.ws)
            found = {(one.name, seconds): facts.whole_health(self.ws, one, seconds) for one in every}
        self._whole = {**{key: known for key, known in self._whole.items() if key[1] != seconds}, **found}

    def _deployment(self, question: Question, now: float) -> Sections:
        found, one = facts.chosen(self.ws, question.name)
        if one is None:
            return missing(question, found)
        try:
            closer = facts.closer(self.ws, one, question.seconds, now)
        except LeptonError as fault:
            sections = missing(question, found)
            return {**sections, "nothing": views.failure(f"{one.name}: {fault}")}
        return views.deployment(question, found, closer, now)

    def _training(self, question: Question, now: float) -> Sections:
        runs = self._trainings.runs()
        return views.training(question, runs, self._trainings.chosen(runs, question.runs), now)

    def _pipelines(self, question: Question, now: float) -> Sections:
        return views.pipelines(question, *learning.piped(self.ws), now, served=self.served)

    def _glance(self, one: Deployment, seconds: float | None, now: float) -> facts.Glance:
        key, state = (one.name, seconds), (one.status, one.bento, one.created, state_of(one.path))
        with self._glances.lock:
            before = self._glances.seen.get(key)
        if before and before[0] == state and now - before[1] < _STALE_S:
            return before[2]
        seen = facts.glance(self.ws, one, seconds)
        with self._glances.lock:
            if len(self._glances.seen) >= _MOST_GLANCES:
                self._glances.seen.clear()
            self._glances.seen[key] = (state, now, seen)
        return seen


def state_of(folder: Path) -> object:
    """What is known of a deployment's folder without opening a file; its logs do not count."""
    patterns = ("*.json", "slots-history.jsonl", "windows/*", "labels/*", "alerts/*")
    return tuple(sorted(_files(folder, patterns)))


def _files(folder: Path, patterns: tuple[str, ...]) -> Iterator[tuple[str, int, int]]:
    for pattern in patterns:
        for path in folder.glob(pattern):
            try:
                found = path.stat()
            except OSError:
                continue
            yield path.name, found.st_mtime_ns, found.st_size
