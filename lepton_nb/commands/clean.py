"""`lepton clean`: take away what is old and nobody points to."""

from __future__ import annotations

import contextlib
import dataclasses
import re
import time
from collections.abc import Mapping
from typing import Annotated

from ..errors import UsageError
from ..records import Cleaning, Removal
from ..workspace import Workspace, current, discard, leftovers, locked, size_of
from .declare import Opt

_AGE = re.compile(r"([0-9]{1,9})([smhdw])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_ID_CHARS = range(8, 33)


def clean(
    *,
    older_than: Annotated[str, Opt("Age such as 30d, 12h, 2w or 45m, since the last use or the end.", "AGE")],
    dry_run: Annotated[bool, Opt("Show what would go, and change nothing.")] = False,
) -> Cleaning:
    """Remove old cache entries, runs and pipeline runs that nothing kept points to.

    A run stays while a deployment or an alias of a registered model points to it, or while the outputs of a step that
    stays name it. Data sets and Bentos stay.

    Returns:
        What was removed, and what stays although it is old.
    """
    ws, before = current(), time.time() - _seconds(older_than)
    with contextlib.nullcontext() if dry_run or not ws.home.is_dir() else locked(ws.home / "clean.lock"):
        old = _old(ws, before)
        going = tuple(one for one in old if not one.held)
        if not dry_run:
            going = _removed(ws, going)
    kept = tuple(one for one in old if one.held)
    return Cleaning(going, kept, sum(one.size for one in going), older_than, dry_run)


def _removed(ws: Workspace, going: tuple[Removal, ...]) -> tuple[Removal, ...]:
    """What was removed of it: not what was used meanwhile. Runs go last, so that no result names one that is gone."""
    from .. import pipelines, tracking

    gone, runs = [], [one for one in going if one.kind == "run"]
    for one in going:
        if one.paths[0].parent == ws.home / "trash":
            discard(ws, *one.paths)
            gone.append(one)
        elif one.kind != "run" and pipelines.prune(ws, one):
            gone.append(one)
    named = pipelines.named(ws, gone) if runs else frozenset()
    for run in runs:
        if not _held(run, {}, named).held:
            tracking.prune(ws, run)
            gone.append(run)
    return tuple(gone)


def _seconds(age: str) -> float:
    found = _AGE.fullmatch(str(age))
    if not found:
        raise UsageError(
            f"age {str(age)!r} is not readable", expected="a number and a unit, such as 30d, 12h, 2w or 45m"
        )
    return int(found[1]) * _SECONDS[found[2]]


def _old(ws: Workspace, before: float) -> tuple[Removal, ...]:
    """Everything that is old enough; what is pointed to says by what it is held."""
    from .. import pipelines, serving, tracking

    # The store first: when it does not answer, nothing is removed.
    runs = tracking.expired(ws, before)
    results = pipelines.expired(ws, before)
    served = serving.served_runs(ws) if runs else {}
    named = pipelines.named(ws, [one for one in results if not one.held]) if runs else frozenset()
    waste = (
        Removal("leftover", path.name, "", path.lstat().st_mtime, size_of(path), (path,)) for path in leftovers(ws)
    )
    return (*waste, *results, *(one if one.held else _held(one, served, named) for one in runs))


def _held(run: Removal, served: Mapping[str, str], named: frozenset[str]) -> Removal:
    if run.id in served:
        return dataclasses.replace(run, held=f"deployment {served[run.id]}")
    if run.name in named or any(run.id[:count] in named for count in _ID_CHARS):
        return dataclasses.replace(run, held="the outputs of a step that stays")
    return run
