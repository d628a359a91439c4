"""Loaded data sets on disk: one folder per hash, written whole or not at all."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ..errors import AmbiguousError, FormatError, NotFoundError
from ..records import TASKS, Column, Data, Series, Texts
from ..runtime import Tokens
from ..workspace import Workspace, check_name, locked, read_json, write_json
from .kept import LOAD_AGAIN, refuse_broken
from .splits import PARTS

__all__ = ["FORMAT", "content_hash", "find", "open_folder", "put"]

FORMAT = 1
_HASH = re.compile(r"[0-9a-f]{64}")
_PREFIX = re.compile(r"[0-9a-f]{6,64}")


def content_hash(header: Mapping[str, Any], blocks: Mapping[str, Any]) -> str:
    """SHA-256 over what a data set is.

    Args:
        header: everything that is no array: kinds, classes, options of the split.
        blocks: named NumPy arrays of plain dtypes; their values, dtypes and shapes count.
    """
    digest = hashlib.sha256(json.dumps({"format": FORMAT, **header}, sort_keys=True).encode())
    for name, block in blocks.items():
        digest.update(f"\n{name} {block.dtype.str} {block.shape}\n".encode())
        digest.update(block.tobytes())
    return digest.hexdigest()


def put(ws: Workspace, sha: str, meta: Mapping[str, Any], name: str, write: Callable[[Path], None]) -> Data:
    """Keep a data set under its hash; what is there already and is whole only learns the new name.

    Args:
        ws: the workspace.
        sha: the hash.
        meta: what `meta.json` says.
        name: what people call it.
        write: writes the rows into the folder it is given.

    Raises:
        FormatError: what is there is of a newer format.
    """
    folder = ws.data / sha
    if not _is_sound(folder):
        ws.data.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=".loading-", dir=ws.data))
        try:
            write(temporary)
            write_json(temporary / "meta.json", {**meta, "id": sha, "names": _names(folder)}, version=FORMAT)
            # mkdtemp's folder is private; a data set is as readable as the workspace around it.
            temporary.chmod(0o755)
            with locked(ws.data / ".lock"):
                # Another process may have been faster, with the same content; and what is not sound is the rest
                # of a removal that was interrupted, or was damaged since.
                if not _is_sound(folder):
                    shutil.rmtree(folder, ignore_errors=True)
                    temporary.rename(folder)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    with locked(ws.data / ".lock"):
        known = read_json(folder / "meta.json", newest=FORMAT)
        known["names"][name] = time.time()
        del known["format"]
        write_json(folder / "meta.json", known, version=FORMAT)
    return open_folder(folder, name)


def open_folder(folder: Path, name: str | None = None) -> Data:
    """The data set in a folder of the store.

    Args:
        folder: `.lepton/data/<hash>`.
        name: which of its names to show; the newest when absent.

    Raises:
        FormatError: `meta.json` is broken, or newer than this version reads.
    """
    path = folder / "meta.json"
    try:
        meta = read_json(path, newest=FORMAT)
    except (OverflowError, RecursionError) as cause:
        raise FormatError(f"{path} is broken", got=type(cause).__name__, hint=LOAD_AGAIN) from cause
    except FormatError as cause:
        # A newer data set needs a newer version; what is broken is loaded again.
        hint = cause.hint or LOAD_AGAIN
        raise FormatError(cause.what, expected=cause.expected, got=cause.got, hint=hint) from cause
    try:
        names = _checked(meta, folder.name)
        return Data(
            id=meta["id"],
            name=name or max(names, key=names.__getitem__, default=""),
            path=folder,
            kind=meta["kind"],
            task=meta["task"],
            target=meta["target"],
            classes=tuple(meta["classes"]),
            columns=tuple(map(_column, meta["columns"])),
            rows=meta["rows"],
            feature_shape=tuple(meta["feature_shape"]),
            split=meta["split"],
            streamed=bool(meta.get("streamed", False)),
            texts=Texts(**meta["texts"]) if "texts" in meta else None,
            targets=tuple(meta.get("targets", ())),
            series=Series(**meta["series"]) if meta.get("series") else None,
        )
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as cause:
        raise FormatError(f"{path} is broken", got=f"{type(cause).__name__} {cause}", hint=LOAD_AGAIN) from cause


def _column(c: dict[str, Any]) -> Column:
    return Column(
        c["name"],
        c["kind"],
        tuple(c["shape"]),
        tuple(c["categories"]),
        c.get("low"),
        c.get("high"),
        picture=bool(c.get("picture")),
        tokens=Tokens.from_dict(c["tokens"]) if c["kind"] == "text" else None,
    )


def _checked(meta: dict[str, Any], sha: str) -> dict[str, float]:
    """The names in `meta.json`, when it is that of the data set and its counts are counts."""
    names, rows = meta["names"], meta["rows"]
    if meta["id"] != sha or not _are_names(names):
        raise ValueError(f"id {meta['id']!r} with names {names!r}")
    if set(rows) != set(PARTS) or not all(type(count) is int and count >= 0 for count in rows.values()):
        raise ValueError(f"rows {rows!r}")
    if meta["kind"] not in {"table", "array", "text"} or meta["task"] not in TASKS:
        raise ValueError(f"kind {meta['kind']!r}, task {meta['task']!r}")
    return dict(names)


def _are_names(names: Any) -> bool:
    return isinstance(names, dict) and all(isinstance(moment, (int, float)) for moment in names.values())


def _is_sound(folder: Path) -> bool:
    """Whether a data set is kept in `folder` and can be read; one of a newer format raises, for it is not ours."""
    if not (folder / "meta.json").exists():
        return False
    try:
        refuse_broken(open_folder(folder))
    except FormatError:
        if _is_newer(folder / "meta.json"):
            raise
        return False
    return True


def _is_newer(path: Path) -> bool:
    try:
        return int(read_json(path, newest=sys.maxsize)["format"]) > FORMAT
    except (FormatError, OverflowError, RecursionError):
        return False


def find(ws: Workspace, ref: str) -> Data:
    """A loaded data set by its hash, a unique prefix of it (6 or more digits), or its name (the newest).

    Args:
        ws: the workspace.
        ref: hash, prefix or name.

    Raises:
        NotFoundError: nothing fits.
        AmbiguousError: the prefix fits more than one.
        UsageError: `ref` can be neither.
    """
    text = str(ref)
    if _HASH.fullmatch(text) and (ws.data / text / "meta.json").exists():
        return open_folder(ws.data / text)
    if not _HASH.fullmatch(text):
        check_name(text, "data name")
    stored = _stored(ws)
    named = [(names[text], folder) for folder, names in stored if text in names]
    if named:
        return open_folder(max(named)[1], text)
    fitting = [f for f, _ in stored if _PREFIX.fullmatch(text) and f.name.startswith(text)]
    if len(fitting) > 1:
        raise AmbiguousError(
            f"data {text!r} fits {len(fitting)} data sets",
            expected=f"one of {', '.join(f.name[:12] for f in fitting)}",
            hint="give more digits",
        )
    if fitting:
        return open_folder(fitting[0])
    known = sorted({name for _, names in stored for name in names})
    raise NotFoundError(
        f"data {text!r} is not loaded",
        expected=f"one of {', '.join(known)}" if known else "",
        hint="lepton data load SOURCE; lists its hash",
    )


def _stored(ws: Workspace) -> list[tuple[Path, dict[str, float]]]:
    """Every folder of the store with its names; one that is broken or being removed has none."""
    folders = [meta.parent for meta in sorted(ws.data.glob("*/meta.json")) if _HASH.fullmatch(meta.parent.name)]
    return [(folder, _names(folder)) for folder in folders]


def _names(folder: Path) -> dict[str, float]:
    """The names that a folder of the store is known by, and since when; none when that cannot be read."""
    try:
        names: Any = read_json(folder / "meta.json", newest=FORMAT).get("names")
    except (OSError, FormatError, OverflowError, RecursionError):
        return {}
    return dict(names) if _are_names(names) else {}
