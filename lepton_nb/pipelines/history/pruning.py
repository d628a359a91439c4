"""Results and runs of pipelines that are old enough to go, and what those that stay still name."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, Literal

from ...errors import FormatError
from ...processes import Identity, is_alive
from ...records import Removal
from ...workspace import Workspace, discard, read_json, size_of

__all__ = ["expired", "named", "prune"]

_KEY = re.compile(r"[0-9a-f]{64}")
# An id of a run or a key, wherever it stands in a text.
_ID = re.compile(rb"(?<![0-9a-f])(?:[0-9a-f]{32}|[0-9a-f]{64})(?![0-9a-f])")
_BROKEN = (FormatError, KeyError, TypeError, ValueError, AttributeError, OSError)


def expired(ws: Workspace, before: float) -> tuple[Removal, ...]:
    """What nobody used or ended later than a moment; nothing is written.

    Args:
        ws: the workspace.
        before: the moment, in seconds since the epoch.

    Returns:
        Cache entries, then runs with their executed notebooks, each oldest first. A run that goes on is not among them,
        and what it takes from the cache is `held`.
    """
    going_on = [folder for folder in _folders(ws.pipelines) if _ended(folder) is None]
    needed = {name for folder in going_on for name in _ids(folder)}
    entries = (_entry(folder, needed) for folder in _folders(ws.home / "cache") if folder.name != ".locks")
    runs = (_run(folder, ended) for folder in _folders(ws.pipelines) if (ended := _ended(folder)) is not None)
    old = [one for found in (entries, runs) for one in sorted(found, key=lambda one: one.moment)]
    return tuple(one for one in old if one.moment < before)


def prune(ws: Workspace, one: Removal) -> bool:
    """Remove what `expired` found; False when it was used, or gone on with, since then."""
    (folder,) = one.paths
    if one.moment != (_ended(folder) if one.kind == "pipeline run" else _used(folder)):
        return False
    discard(ws, folder)
    return True


def named(ws: Workspace, going: Collection[Removal]) -> frozenset[str]:
    """What the outputs and parameters of the results and runs that stay name.

    Args:
        ws: the workspace.
        going: what does not stay.

    Returns:
        Every text among these values, and every id of a run within one.
    """
    gone = {path for one in going for path in one.paths}
    kept = [path for parent in (ws.pipelines, ws.home / "cache") for path in _folders(parent) if path not in gone]
    return frozenset(name for folder in kept for name in (*_ids(folder), *_texts_of(folder)))


def _entry(folder: Path, needed: Collection[str]) -> Removal:
    """A result under its key; one that was put aside as broken; or what a killed process left half-made."""
    kind: Literal["cache entry", "broken entry", "leftover"] = "leftover"
    if _KEY.fullmatch(folder.name):
        kind = "cache entry"
    elif folder.name.startswith(".broken-"):
        kind = "broken entry"
    try:
        name = str(read_json(folder / "entry.json")["step"])
    except _BROKEN:
        name = ""
    held = "a pipeline that runs uses it" if folder.name in needed else ""
    return Removal(kind, folder.name, name, _used(folder), size_of(folder), (folder,), held)


def _used(folder: Path) -> float:
    """When an entry was used last: its file's time says so."""
    return _changed(folder / "entry.json") or _changed(folder)


def _run(folder: Path, ended: float) -> Removal:
    try:
        name = str(read_json(folder / "run.json")["pipeline"])
    except _BROKEN:
        name = ""
    return Removal("pipeline run", folder.name, name, ended, size_of(folder), (folder,))


def _ended(folder: Path) -> float | None:
    """When a run ended; None while it goes on. What died without a word ended with the last that it wrote."""
    try:
        run = read_json(folder / "run.json")
        if run["status"] != "running":
            return float(run["ended"])
        if is_alive(Identity(**run["runner"])):
            return None
    except _BROKEN:
        pass
    return max(map(_changed, (folder, *folder.glob("*.json"))))


def _ids(folder: Path) -> set[str]:
    """Every id of a run, and every key, in the records of a folder and in what its steps reported so far."""
    files = (*folder.glob("*.json"), *folder.glob("*/*.jsonl"))
    return {found.decode() for file in files for found in _ID.findall(_content(file))}


def _texts_of(folder: Path) -> Iterator[str]:
    for file in (*folder.glob("*.json"), *folder.glob("*/*.jsonl")):
        lines = _content(file).splitlines() if file.suffix == ".jsonl" else [_content(file)]
        for line in lines:
            try:
                record = json.loads(line)
                yield from _texts([record.get(name) for name in ("outputs", "parameters", "value")])
            except _BROKEN:
                continue


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, (list, dict)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _texts(item)


def _folders(parent: Path) -> list[Path]:
    return [path for path in parent.glob("*") if path.is_dir()]


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError:
        return b""


def _changed(path: Path) -> float:
    """When a file or folder changed, 0 for one that is not there."""
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0
