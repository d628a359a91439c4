"""Loaded data sets on disk: one folder per hash, written whole or not at all."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ..errors import AmbiguousError, FormatError, NotFoundError
from ..records import Column, Data
from ..workspace import Workspace, check_name, locked, read_json, write_json

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
    """Keep a data set under its hash; what is there already is kept and only learns the new name.

    Args:
        ws: the workspace.
        sha: the hash.
        meta: what `meta.json` says.
        name: what people call it.
        write: writes the rows into the folder it is given.
    """
    folder = ws.data / sha
    if not (folder / "meta.json").exists():
        ws.data.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=".loading-", dir=ws.data))
        try:
            write(temporary)
            write_json(temporary / "meta.json", {**meta, "id": sha, "names": {}}, version=FORMAT)
            # mkdtemp's folder is private; a data set is as readable as the workspace around it.
            temporary.chmod(0o755)
            with locked(ws.data / ".lock"):
                # Another process may have been faster, with the same content; and what has no meta.json is
                # the rest of a removal that was interrupted.
                if not (folder / "meta.json").exists():
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
    meta = read_json(folder / "meta.json", newest=FORMAT)
    try:
        names: dict[str, float] = meta["names"]
        columns = tuple(
            Column(c["name"], c["kind"], tuple(c["shape"]), tuple(c["categories"]), c.get("low"), c.get("high"))
            for c in meta["columns"]
        )
        return Data(
            id=meta["id"],
            name=name or max(names, key=names.__getitem__, default=""),
            path=folder,
            kind=meta["kind"],
            task=meta["task"],
            target=meta["target"],
            classes=tuple(meta["classes"]),
            columns=columns,
            rows=meta["rows"],
            feature_shape=tuple(meta["feature_shape"]),
            split=meta["split"],
        )
    except (KeyError, TypeError) as cause:
        raise FormatError(f"{folder / 'meta.json'} is broken", got=f"no {cause}", hint="load the data again") from cause


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
    found: list[tuple[Path, dict[str, float]]] = []
    for meta in sorted(ws.data.glob("*/meta.json")):
        if _HASH.fullmatch(meta.parent.name):
            with contextlib.suppress(OSError, FormatError):
                found.append((meta.parent, dict(read_json(meta, newest=FORMAT).get("names", {}))))
    return found
