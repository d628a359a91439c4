"""A whole page: its sections in their places, for a browser that stays connected or as a file of its own."""

from __future__ import annotations

import functools
import hashlib
import html
from collections.abc import Mapping
from pathlib import Path

from ..question import Question

__all__ = ["WIDE", "document", "ordered", "page", "style", "version"]

_STATIC = Path(__file__).resolve().parents[1] / "share" / "voila" / "templates" / "lepton" / "static"
# These span the whole width; all others lie in the grid of cards.
WIDE = ("nav", "head", "updated", "failure", "nothing", "verdict", "tiles", "loop", "table", "graph")
# Cards whose place is fixed; others follow in the order in which they come.
_PLACES = ("traffic", "latency", "heat", "feature", "quality", "drift", "predictions", "errors")


def ordered(sections: Mapping[str, str]) -> dict[str, str]:
    """The sections in the order in which a page shows them."""
    first = [name for name in (*WIDE, *_PLACES) if name in sections]
    return {name: sections[name] for name in [*first, *(name for name in sections if name not in first)]}


def page(question: Question, sections: Mapping[str, str]) -> str:
    """The page as one element; each section says which version of it stands there.

    Args:
        question: what it answers.
        sections: name and HTML of each, in order.
    """
    wide = "".join(_section(name, body) for name, body in sections.items() if name in WIDE)
    cards = "".join(_section(name, body) for name, body in sections.items() if name not in WIDE)
    return (
        f"<div class='lepton-page' data-page='{question.page}' data-theme='{question.theme}'>"
        f"{wide}<div class='lepton-grid'>{cards}</div></div>"
    )


def document(question: Question, sections: Mapping[str, str]) -> str:
    """The page as a file that needs nothing else: it loads nothing, runs nothing, and can be opened anywhere."""
    kept = {name: body for name, body in sections.items() if name != "nav"}
    return (
        "<!doctype html><html lang='en' data-lepton-export='1'><head>"
        f"<meta charset='utf-8'><title>lepton: {question.page} {html.escape(question.name)}</title>"
        "<meta name='viewport' content='width=device-width'>"
        "<meta http-equiv='Content-Security-Policy' content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<style>{style()}</style></head><body class='lepton-export'>{page(question, kept)}</body></html>\n"
    )


@functools.cache
def style() -> str:
    """The style sheet of the pages."""
    return (_STATIC / "page.css").read_text()


def version(body: str) -> str:
    """A short text that is another one when the section is."""
    return hashlib.blake2b(body.encode(errors="replace"), digest_size=8).hexdigest()


def _section(name: str, body: str) -> str:
    return f"<div class='lepton-section' data-section='{name}' data-version='{version(body)}'>{body}</div>"
