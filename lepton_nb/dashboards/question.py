"""What a page is asked: which deployment, which time, which runs. It comes from an address: nothing is trusted."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields, replace
from typing import Any
from urllib.parse import parse_qs, urlencode

__all__ = ["PAGES", "SPANS", "THEMES", "Question"]

PAGES = ("fleet", "deployment", "training", "pipelines")
# What is looked at, in words and in seconds; None is everything.
SPANS: dict[str, tuple[str, float | None]] = {
    "1h": ("last hour", 3600.0),
    "24h": ("last 24 hours", 86_400.0),
    "7d": ("last 7 days", 7 * 86_400.0),
    "all": ("everything", None),
}
THEMES = ("auto", "light", "dark")
_LONGEST = 300
_MOST_RUNS = 8
_CONTROL = re.compile(r"[\x00-\x1f\x7f]+")


@dataclass(frozen=True)
class Question:
    """What a page is asked for.

    Args:
        page: one of `PAGES`.
        name: of the deployment or pipeline run; empty lets the page choose.
        since: one of `SPANS`.
        feature: whose histograms are compared.
        runs: ids or names of the runs that are drawn.
        metric: which metric the runs are compared by.
        theme: one of `THEMES`.

    Example:
        >>> question = Question.parse("deployment", "name=churn&since=1h&theme=neon")
        >>> question.name, question.seconds, question.theme
        ('churn', 3600.0, 'auto')
        >>> question.link(feature="age")
        '?name=churn&since=1h&feature=age'
    """

    page: str
    name: str = ""
    since: str = "24h"
    feature: str = ""
    runs: tuple[str, ...] = ()
    metric: str = ""
    theme: str = "auto"

    @classmethod
    def parse(cls, page: str, query: str) -> Question:
        """The question of an address; what it does not know, or what is not allowed, is as if it were not there."""
        found = parse_qs(query[:8192], max_num_fields=64, separator="&", errors="replace") if _few(query) else {}
        first = {name: _clean(values[0]) for name, values in found.items()}
        since, theme = first.get("since", "24h"), first.get("theme", "auto")
        return cls(
            page if page in PAGES else PAGES[0],
            first.get("name", ""),
            since if since in SPANS else "24h",
            first.get("feature", ""),
            tuple(_clean(text) for text in found.get("run", ()) if text)[:_MOST_RUNS],
            first.get("metric", ""),
            theme if theme in THEMES else "auto",
        )

    @property
    def seconds(self) -> float | None:
        """How far back is looked, or None for everything."""
        return SPANS[self.since][1]

    def link(self, page: str = "", **changes: Any) -> str:
        """The address of the same question with changes, relative to the pages; not yet escaped for HTML.

        Args:
            page: another page; what only this one is asked is then left out.
            changes: other values of the fields.
        """
        asked = replace(self, **changes) if not page else Question(page, since=self.since, theme=self.theme, **changes)
        plain = Question(asked.page)
        pairs: list[tuple[str, str]] = []
        for one in fields(asked):
            value = getattr(asked, one.name)
            if one.name == "page" or value == getattr(plain, one.name):
                continue
            pairs += [("run", text) for text in value] if one.name == "runs" else [(one.name, value)]
        query = urlencode(pairs)
        return (page or "") + (f"?{query}" if query or not page else "")


def _few(query: str) -> bool:
    return query.count("&") < 64


def _clean(text: str) -> str:
    return _CONTROL.sub(" ", text)[:_LONGEST]
