"""The pieces that all pages are made of."""

from __future__ import annotations

import html
import time
from collections.abc import Mapping, Sequence

from ...records import duration
from ..question import SPANS, THEMES, Question

__all__ = [
    "SIGNS",
    "ago",
    "card",
    "clock",
    "failure",
    "head",
    "link",
    "ms",
    "number",
    "sections_of",
    "share",
    "table",
    "text",
    "tiles",
    "toned",
    "unknown_errors",
]

# A sign beside each word, so that no meaning rests on a colour alone.
SIGNS = {
    "healthy": "\u2713",
    "warning": "!",
    "drifting": "\u2260",
    "failing": "\u2715",
    "running": "\u25b6",
    "finished": "\u2713",
    "completed": "\u2713",
    "failed": "\u2715",
    "stopped": "\u25a0",
    "elsewhere": "\u21d7",
    "cached": "\u21ba",
    "skipped": "\u2013",
    "waiting": "\u25cb",
}
_TITLES = {"fleet": "Fleet", "deployment": "Deployment", "training": "Training", "pipelines": "Pipelines"}

Sections = dict[str, str]


def sections_of(*parts: Mapping[str, str]) -> Sections:
    """The parts of a page as one; those that come later win."""
    found: Sections = {}
    for part in parts:
        found |= part
    return found


def text(value: object, most: int = 200) -> str:
    """A text from anywhere as what HTML shows of it."""
    said = " ".join(str(value).split())
    return html.escape(said if len(said) <= most else said[: most - 1] + "\u2026")


def link(target: str, words: str, *, here: bool = False, key: str = "") -> str:
    """A link whose words are escaped already.

    Args:
        target: the address.
        words: HTML.
        here: the same page answers it, without being loaded again.
        key: names it for tests and for the focus.
    """
    more = " data-go=''" if here else ""
    more += f" data-lepton='{html.escape(key, quote=True)}'" if key else ""
    return f"<a href='{html.escape(target, quote=True)}'{more}>{words}</a>"


def card(title: str, body: str, *, kind: str = "lepton-figure", key: str = "") -> str:
    """A box with a heading; title and body are HTML."""
    named = f" data-lepton='{key}'" if key else ""
    return f"<section class='lepton-card {kind}'{named}><h2>{title}</h2>{body}</section>"


def toned(word: str, sign: str = "") -> str:
    """A state with its sign and colour."""
    said = sign or SIGNS.get(word, "")
    return (
        f"<span class='lepton-tone lepton-{html.escape(word.replace(' ', '-'), quote=True)}'>"
        f"<span aria-hidden='true'>{said}</span> {text(word)}</span>"
    )


def failure(words: str) -> str:
    """Something that hinders the page, in one line."""
    return (
        "<section class='lepton-card lepton-verdict lepton-failing' role='alert' data-lepton='failure'>"
        f"<b>{SIGNS['failing']} cannot be shown</b> <span>{text(words, 1000)}</span></section>"
    )


def tiles(entries: Sequence[tuple[str, str, str, str]]) -> str:
    """Numbers that matter most: key, title, value and unit of each; the value is escaped already."""
    cards = "".join(
        f"<div class='lepton-card'><div class='lepton-name'>{text(title)}</div>"
        f"<div class='lepton-value'><span data-lepton='{key}'>{value}</span> <small>{text(unit)}</small></div></div>"
        for key, title, value, unit in entries
    )
    return f"<div class='lepton-tiles'>{cards}</div>"


def table(columns: Sequence[str], rows: Sequence[Sequence[str]], *, key: str, numbers: int = 0) -> str:
    """A table; its cells are HTML, the last `numbers` columns are set as numbers."""
    right = len(columns) - numbers
    head = "".join(f"<th scope='col'{_number_class(i >= right)}>{text(title)}</th>" for i, title in enumerate(columns))
    body = "".join(
        "<tr>" + "".join(f"<td{_number_class(i >= right)}>{cell}</td>" for i, cell in enumerate(row)) + "</tr>"
        for row in rows
    )
    return (
        f"<div class='lepton-scroll'><table data-lepton='{key}'><thead><tr>{head}</tr></thead>"
        f"<tbody>{body}</tbody></table></div>"
    )


def head(question: Question, controls: Sequence[tuple[str, str, Sequence[tuple[str, str]], str]] = ()) -> Sections:
    """The top of a page: where to go, what it is, and what can be chosen.

    Args:
        question: what is asked.
        controls: of each choice the name in the address, the label, values with their words, and what is chosen.
    """
    pages = "".join(
        f"<a href='{html.escape(question.link(page), quote=True)}'"
        f"{' aria-current=page' if page == question.page else ''}>{title}</a>"
        for page, title in _TITLES.items()
    )
    spans = [(name, words) for name, (words, _) in SPANS.items()]
    timed = [("since", "time", spans, question.since)] if question.page in ("fleet", "deployment") else []
    every = [*controls, *timed, ("theme", "theme", [(one, one) for one in THEMES], question.theme)]
    kept = "".join(f"<input type='hidden' name='run' value='{html.escape(run, quote=True)}'>" for run in question.runs)
    boxes = "".join(_select(*one) for one in every)
    return {
        "nav": f"<nav class='lepton-nav' aria-label='pages'>{pages}</nav>",
        "head": (
            f"<div class='lepton-head'><h1>{_TITLES[question.page]}</h1>"
            f"<form class='lepton-form' method='get' data-form=''>{kept}{boxes}"
            "<noscript><button>show</button></noscript></form>"
            "<button type='button' class='lepton-button' data-export=''>Export</button></div>"
        ),
        "updated": updated(time.time()),
    }


def updated(moment: float) -> str:
    """When the page was brought up to date."""
    return f"<div class='lepton-muted'>last update <time data-lepton='updated'>{clock(moment, '%H:%M:%S')}</time></div>"


def _select(name: str, label: str, values: Sequence[tuple[str, str]], chosen: str) -> str:
    options = "".join(
        f"<option value='{html.escape(value, quote=True)}'{' selected' * (value == chosen)}>{text(words)}</option>"
        for value, words in values
    )
    return f"<label>{text(label)} <select name='{name}' data-key='{name}'>{options}</select></label>"


def clock(moment: float, form: str = "%d %b %H:%M:%S") -> str:
    """A moment as the local clock says it."""
    return time.strftime(form, time.localtime(moment))


def unknown_errors(recounted: float | None) -> str:
    """From when failed requests are known; empty where all of them are.

    Args:
        recounted: the moment before which windows were lost, seconds since the epoch; None where none were.
    """
    return "" if recounted is None else f"not known before {clock(recounted, '%Y-%m-%d %H:%M')}"


def ago(moment: float, now: float) -> str:
    """How long ago, in the largest unit alone, so that it does not change at every look."""
    seconds = max(0.0, now - moment)
    return "just now" if seconds < 60 else " ".join(duration(seconds).split()[:2])


def number(value: float | None) -> str:
    """A number as people read it."""
    if value is None:
        return "-"
    return f"{value:,}" if isinstance(value, int) else f"{value:,.3g}"


def ms(value: float | None) -> str:
    """Milliseconds without their unit."""
    if value is None:
        return "-"
    return f"{value:.2f}" if value < 100 else f"{value:,.0f}"


def share(part: float, whole: float) -> str:
    """A part as a percentage."""
    return f"{part / whole:.1%}" if whole else "-"


def _number_class(is_number: bool) -> str:
    return " class='lepton-number'" if is_number else ""
