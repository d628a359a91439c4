"""A page as one file, without a server and without a browser."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlencode

from ..errors import ConflictError, NotFoundError, UsageError
from ..records import Written
from ..workspace import Workspace, write_atomic
from . import views
from .desk import Desk
from .keeper import Keeper
from .launcher import page_of
from .question import PAGES, SPANS, THEMES, Question

__all__ = ["export"]

_MARK = b"<!doctype html><html lang='en' data-lepton-export='1'"


def export(ws: Workspace, page: str, file: Path, *, name: str = "", since: str = "24h", theme: str = "auto") -> Written:
    """Write a page as it stands now: one HTML file that loads nothing and runs nothing.

    Args:
        ws: the workspace.
        page: which page.
        file: what is written; an earlier export is replaced, another file is not.
        name: of the deployment or pipeline run (default: as the page chooses).
        since: how far back: 1h, 24h, 7d or all.
        theme: auto, light or dark.

    Raises:
        UsageError: a value is not one of those there are.
        NotFoundError: there is no such page, or no folder for the file.
        ConflictError: another file lies there.
    """
    page = page_of(page)
    for what, value, known in (("since", since, SPANS), ("theme", theme, THEMES)):
        if value not in known:
            raise UsageError(f"{what} {value!r} is not understood", expected=f"one of {', '.join(known)}")
    if page not in PAGES:
        raise UsageError(f"page {page!r} cannot be exported", expected=f"one of {', '.join(PAGES)}")
    if not file.parent.is_dir():
        raise NotFoundError(f"there is no folder {file.parent}", hint=f"mkdir -p {file.parent}")
    if file.is_dir() or (file.exists() and not _is_ours(file)):
        raise ConflictError(f"{file} is there, and is no export of a dashboard", hint="choose another name")
    Keeper(ws).once()
    query = {"name": name, "since": since, "theme": theme}
    question = Question.parse(page, urlencode({key: value for key, value in query.items() if value}))
    desk = Desk(ws)
    # The list of all deployments takes up what was found out slowly at its next look.
    desk.answer(question, whole=True)
    sections = desk.answer(question, whole=True)
    write_atomic(file, views.document(question, sections), mode=0o600)
    return Written(f"dashboard {page}", file.parent, (file,), (f"open {file.name} in a browser",))


def _is_ours(file: Path) -> bool:
    with file.open("rb") as stream:
        return stream.read(len(_MARK)) == _MARK
