"""What may stand where a verb takes a run, data or a network: stored things and variables, for completion.

Nothing heavy is imported, no server is asked, and no code of a variable's own is run. What cannot be read is left out.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from ..records import Data, Deployment, Run
from ..workspace import Workspace, current
from .host import current_host

__all__ = ["candidates"]

_MOST = 200
# Told here because the room that knows them imports pyarrow.
_SHIPPED = ("breast_cancer", "digits", "iris", "wine")
_LIBRARIES = {"lightning", "pandas", "pyarrow", "pytorch_lightning", "torch"}
_NETWORKS, _CALLBACKS = {"LightningModule"}, {"Callback"}
_ROWS = {"DataFrame", "DataLoader", "LightningDataModule", "Table"}


def candidates(kind: str, typed: str) -> list[str]:
    """What begins with the text that was typed.

    Args:
        kind: `run`, `running` (what can be stopped), `study`, `data`, `network`, `callback`, `deployment`, `bento`,
            `model` (a deployment or a Bento) or `format` (of an export).
        typed: the text.

    Returns:
        Names, the newest first, then variables of the host; ids of runs only when a part of one was typed.
    """
    ws, names = current(), list[str]()
    for source in _SOURCES[kind]:
        # A workspace that may not be read has nothing to offer.
        with contextlib.suppress(OSError):
            names += source(ws, typed)
    # A word with a space in it would be two.
    return [name for name in dict.fromkeys(names) if name.startswith(typed) and re.fullmatch(r"\S+", name)][:_MOST]


def _runs(ws: Workspace, typed: str) -> Iterator[str]:
    from .. import tracking

    known = tracking.known(ws, _MOST)
    yield from (name for _, name in known)
    yield from ("last",) if known else ()
    yield from _ids((run_id for run_id, _ in known), typed)


def _running(ws: Workspace, typed: str) -> Iterator[str]:
    from .. import processes, tracking

    for run_id, name in tracking.known(ws, _MOST):
        process = tracking.process_of(ws, run_id)
        if process is not None and processes.is_alive(process):
            yield name
            yield from _ids([run_id], typed)
    yield from _deployments(ws, typed)
    yield from (f"watch-{path.parent.name}" for path in _newest((ws.home / "watches").glob("*/watch.json")))
    yield from (path.parent.name for path in _newest((ws.home / "dashboard").glob("*/dashboard.json")))


def _ids(ids: Iterable[str], typed: str) -> Iterator[str]:
    """Ids as people write them, when they have begun to."""
    if re.fullmatch(r"[0-9a-f]+", typed):
        yield from (run_id[: max(8, len(typed))] for run_id in ids)


def _data(ws: Workspace, typed: str) -> Iterator[str]:
    dated: list[tuple[float, str]] = []
    for path in _newest(ws.data.glob("*/meta.json")):
        with contextlib.suppress(OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
            names = json.loads(path.read_bytes())["names"]
            dated += [(float(moment), str(name)) for name, moment in names.items()]
    yield from (name for _, name in sorted(dated, reverse=True))
    yield from _SHIPPED


def _networks(ws: Workspace, typed: str) -> Iterator[str]:
    from .. import models

    yield from models.names()


def _studies(ws: Workspace, typed: str) -> Iterator[str]:
    yield from (path.parent.name for path in _newest((ws.home / "tunes").glob("*/study.json")))


def _deployments(ws: Workspace, typed: str) -> Iterator[str]:
    yield from (path.parent.name for path in _newest(ws.deployments.glob("*/deployment.json")))


def _bentos(ws: Workspace, typed: str) -> Iterator[str]:
    # A Bento's folder is named by its version; a name alone means the newest.
    yield from (path.parent.parent.name for path in _newest((ws.bentoml / "bentos").glob("*/*/bento.yaml")))


def _formats(ws: Workspace, typed: str) -> Iterator[str]:
    from .. import packaging

    yield from packaging.FORMATS


def _newest(paths: Iterable[Path]) -> list[Path]:
    dated = []
    for path in paths:
        with contextlib.suppress(OSError):
            dated.append((path.stat().st_mtime, path))
    return [path for _, path in sorted(dated, reverse=True)[:_MOST]]


def _variables(fits: Callable[[object], bool]) -> Callable[[Workspace, str], Iterator[str]]:
    """The host's variables that fit; what a notebook keeps for itself begins with an underscore."""

    def named(ws: Workspace, typed: str) -> Iterator[str]:
        host = current_host()
        for name in host.names():
            if name.isidentifier() and not name.startswith("_") and fits(host.resolve(name)):
                yield name

    return named


def _is_class(value: object) -> bool:
    # Not isinstance, which asks the value itself for its class.
    return issubclass(type(value), type)


def _made_of(bases: set[str], *, classes: bool) -> Callable[[object], bool]:
    """Whether a value is an instance of a library's class, or a class derived from it: told by names, without it."""

    def fits(value: object) -> bool:
        if _is_class(value) and not classes:
            return False
        line = type.mro(value)[1:] if _is_class(value) else type.mro(type(value))  # type: ignore[arg-type]
        return any(one.__name__ in bases and one.__module__.split(".")[0] in _LIBRARIES for one in line)

    return fits


def _of(kind: type) -> Callable[[object], bool]:
    return lambda value: issubclass(type(value), kind)


def _is_pair(value: object) -> bool:
    """Whether it is (X, y) of arrays."""
    return type(value) is tuple and len(value) == 2 and all(hasattr(type(part), "shape") for part in value)


_SOURCES: dict[str, tuple[Callable[[Workspace, str], Iterator[str]], ...]] = {
    "run": (_runs, _variables(_of(Run))),
    "running": (_running, _variables(_of(Run)), _variables(_of(Deployment))),
    "study": (_studies,),
    "data": (
        _data,
        *map(_variables, (_of(Data), _made_of(_ROWS, classes=False), _is_pair)),
    ),
    "network": (_networks, _variables(_made_of(_NETWORKS, classes=True))),
    "callback": (_variables(_made_of(_CALLBACKS, classes=True)),),
    "deployment": (_deployments, _variables(_of(Deployment))),
    "bento": (_bentos, _runs, _variables(_of(Run))),
    "model": (_deployments, _bentos),
    "format": (_formats,),
}
