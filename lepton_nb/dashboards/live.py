"""A page in a notebook or under Voila, where the browser's questions are answered as long as the kernel lives."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Mapping
from typing import Any

from ..workspace import Workspace, current
from . import views
from .counter import Counter
from .question import Question

__all__ = ["Page", "deployment", "deployments", "fleet", "pipelines", "training"]

_TARGET = "lepton.page"
_NAMES = ("name", "since", "feature", "theme", "metric")


class Page:
    """A page as it stands; under Voila its browser asks for what is new. Displayed, it is HTML of its own.

    Args:
        ws: the workspace that it shows.
        question: what it is asked first.
    """

    def __init__(self, ws: Workspace, question: Question) -> None:
        self._counter = Counter(ws)
        self.question = question
        self.sections = self._counter.answer(question)

    def _repr_html_(self) -> str:
        return self.as_html(self.question, self.sections)

    @staticmethod
    def as_html(question: Question, sections: Mapping[str, str]) -> str:
        """A page as HTML of its own, with its style."""
        return f"<style>{views.style()}</style>{views.page(question, sections)}"

    def listen(self) -> None:
        """Answer what the browser asks, when this is a kernel."""
        shell = importlib.import_module("IPython").get_ipython()
        kernel = getattr(shell, "kernel", None)
        if kernel is not None:
            kernel.comm_manager.register_target(_TARGET, self._opened)

    def reply(self, asked: dict[str, Any]) -> dict[str, Any]:
        """The answer to one message of a browser; what is not understood in it is as if it were not there."""
        question = Question.parse(self.question.page, _text(asked.get("query")))
        have = asked.get("have")
        have = have if isinstance(have, dict) else {}
        problem = self._counter.decide(asked) if "decide" in asked else ""
        sections = self._counter.answer(question)
        versions = {name: views.version(body) for name, body in sections.items()}
        changed = {
            name: {"html": sections[name], "version": now} for name, now in versions.items() if have.get(name) != now
        }
        answer: dict[str, Any] = {
            "query": _text(asked.get("query")),
            "sections": changed,
            "order": list(sections),
            "wide": list(views.WIDE),
            "theme": question.theme,
        }
        if problem:
            answer["problem"] = problem
        if asked.get("export") is True:
            answer |= {"document": views.document(question, sections), "file": f"lepton-{question.page}.html"}
        return answer

    def _opened(self, comm: Any, opening: Any) -> None:
        def hear(message: Any) -> None:
            data = message["content"]["data"]
            comm.send(self.reply(data if isinstance(data, dict) else {}))

        comm.on_msg(hear)


def fleet(ws: Workspace | None = None, **asked: str) -> Page:
    """All deployments: status, verdict, requests, latency, errors, drift, quality, model and age.

    Args:
        ws: the workspace (default: the one that holds the current folder).
        asked: `since` (1h, 24h, 7d, all) and `theme` (auto, light, dark), where the address does not say them.

    Returns:
        The page; as the last value of a cell it is displayed.
    """
    return _page("fleet", ws, asked)


def deployment(name: str = "", ws: Workspace | None = None, **asked: str) -> Page:
    """One deployment in full.

    Args:
        name: which (default: as the address says, else the newest that runs).
        ws: the workspace (default: the one that holds the current folder).
        asked: `since`, `feature` and `theme`.
    """
    return _page("deployment", ws, {**asked, **({"name": name} if name else {})})


def training(ws: Workspace | None = None, **asked: str) -> Page:
    """Trainings that go on and that ended, with their curves.

    Args:
        ws: the workspace (default: the one that holds the current folder).
        asked: `metric` and `theme`.
    """
    return _page("training", ws, asked)


def pipelines(name: str = "", ws: Workspace | None = None, **asked: str) -> Page:
    """Runs of pipelines, and the graph and the steps of one.

    Args:
        name: the run's id or its pipeline's name (default: as the address says, else the newest).
        ws: the workspace (default: the one that holds the current folder).
        asked: `theme`.
    """
    return _page("pipelines", ws, {**asked, **({"name": name} if name else {})})


# What the fleet was called when it was the only page.
deployments: Callable[..., Page] = fleet


def _page(page: str, ws: Workspace | None, asked: dict[str, str]) -> Page:
    from urllib.parse import urlencode

    given = urlencode({name: value for name, value in asked.items() if name in _NAMES and value})
    query = os.environ.get("QUERY_STRING", "")
    found = Page(ws or current(), Question.parse(page, "&".join(part for part in (given, query) if part)))
    found.listen()
    return found


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
