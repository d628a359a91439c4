"""A deployment that runs elsewhere, watched by the segments that it copies to its LEPTON_LOG_URL.

Its folder here holds no process, but `elsewhere.json` with the place. Whoever observes fetches what is new there, and
from then on everything is as with a deployment of this machine. Beside the segments lies what drift is measured against
(see `runtime.sealing`); where it is not there, the Bento store of this workspace is looked at.
"""

from __future__ import annotations

import contextlib
import json
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..errors import ConflictError, FormatError, StorageError, UsageError
from ..records import Deployment
from ..runtime import CHAMPION, ModelError, read_slots
from ..workspace import Workspace, check_name, locked, read_json, write_json
from .recounting import is_lost
from .sealed import sealed_files, stem_of
from .store import read_index

__all__ = ["ELSEWHERE", "adopt", "fetch", "is_elsewhere", "living_elsewhere", "on_trial"]

ELSEWHERE = "elsewhere.json"
_SEGMENT = re.compile(r"(\d+)-(?:([0-9a-f]{8})-)?((?:log|bulk|usage)-\d+-\d+\.(?:jsonl|records))")
_FEEDBACK = re.compile(r"(\d+)-(?:([0-9a-f]{8})-)?feedback-(\d+-\d+\.jsonl)")
_PART = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")
# While windows are lost, those who come second wait for the first one.
_PATIENCE_S = 600.0
_FILES = ("signature.json", "reference.json", "card.json", "heldout.json", "tokenizer.json")


def adopt(ws: Workspace, name: str, url: str) -> None:
    """Watch a deployment that runs elsewhere under a name of this workspace.

    Args:
        ws: the workspace.
        name: what it is called here.
        url: its LEPTON_LOG_URL, a URL of fsspec.

    Raises:
        UsageError: the name is not legal, or the URL cannot be used.
        ConflictError: the name is that of a deployment of this machine, or of another place.
        StorageError: the place cannot be read.
    """
    if not _is_adopted(ws, name, url):
        # A URL may hold a password.
        write_json(ws.deployment(name) / ELSEWHERE, {"url": url}, mode=0o600)


def _is_adopted(ws: Workspace, name: str, url: str) -> bool:
    """Whether this very deployment is known under the name; whatever `adopt` refuses is refused."""
    folder = ws.deployment(check_name(name, "deployment name"))
    files, base = _opened(url)
    _listed(files, base, url)
    path = folder / ELSEWHERE
    if (folder / "deployment.json").exists():
        raise ConflictError(f"deployment {name!r} runs on this machine", hint="choose another name")
    if path.exists() and _url(path) != url:
        raise ConflictError(f"{name!r} is watched at another place", hint="choose another name")
    return path.exists()


@contextlib.contextmanager
def on_trial(ws: Workspace, name: str, url: str) -> Iterator[Workspace]:
    """Where a deployment that runs elsewhere is known already, before it is here: to look at what is asked of it.

    Args:
        ws: the workspace.
        name: what it is to be called here.
        url: its LEPTON_LOG_URL, a URL of fsspec.

    Returns:
        The workspace itself where the name is adopted; else one that ends with the block, with what answers there and
        what its models say of themselves, and without its log.

    Raises:
        UsageError, ConflictError, StorageError: as `adopt`.
        FormatError: the slots there cannot be read.
    """
    if _is_adopted(ws, name, url):
        yield ws
        return
    with tempfile.TemporaryDirectory(prefix="lepton-trial-") as home:
        tried = Workspace(Path(home))
        adopt(tried, name, url)
        files, base = _opened(url)
        _take_slots(tried, tried.deployment(name), files, base, _listed(files, base, url))
        yield tried


def is_elsewhere(ws: Workspace, name: str) -> bool:
    """Whether a name is that of a deployment that runs elsewhere."""
    return (ws.deployment(name) / ELSEWHERE).exists()


def living_elsewhere(ws: Workspace) -> tuple[Deployment, ...]:
    """The deployments that run elsewhere, by name; what answers there is what was fetched last.

    A name that one of this machine has taken since is that one's.
    """
    found = sorted(ws.deployments.glob(f"*/{ELSEWHERE}"))
    return tuple(_deployment(path) for path in found if not (path.parent / "deployment.json").exists())


def _deployment(path: Path) -> Deployment:
    try:
        answers = read_slots(path.parent / "slots.json")[CHAMPION].bento
    except ModelError:
        answers = ""
    created = path.stat().st_mtime
    return Deployment(path.parent.name, "elsewhere", "another machine", answers, 0, 0.0, 0, created, path.parent)


def fetch(ws: Workspace, folder: Path) -> None:
    """Bring what is new at the place of a deployment that runs elsewhere into its folder; nothing for any other.

    Raises:
        FormatError: `elsewhere.json` or the slots there cannot be read.
        StorageError: the place cannot be read.
    """
    path = folder / ELSEWHERE
    if not path.exists():
        return
    url = _url(path)
    # Somebody else is fetching: nobody has to wait for that, but where all is about to be counted again.
    patience = _PATIENCE_S if is_lost(folder) else 0
    with contextlib.suppress(ConflictError), locked(folder / ".fetching", timeout=patience):
        files, base = _opened(url)
        names = _listed(files, base, url)
        try:
            _take_slots(ws, folder, files, base, names)
            known = _known(folder)
            for name in names:
                if (target := _target(folder, name)) and not target.exists() and target.stem not in known:
                    _download(files, f"{base}/{name}", target)
        except FormatError:
            raise
        except Exception as cause:
            raise _unreadable(url, cause) from cause


def _known(folder: Path) -> set[str]:
    """Segments that were counted, or are sealed and will be counted from there."""
    absorbed = read_index(folder).absorbed
    return {*absorbed, *map(stem_of, (*absorbed, *sealed_files(folder)))}


def _target(folder: Path, name: str) -> Path | None:
    """Where a segment is kept here; None for what is none."""
    if _SEGMENT.fullmatch(name):
        return folder / name
    if found := _FEEDBACK.fullmatch(name):
        return folder / f"feedback-{found[1]}{found[2] or ''}-{found[3]}"
    return None


def _take_slots(ws: Workspace, folder: Path, files: Any, base: str, names: list[str]) -> None:
    """Take over which versions stand in which slot, with what is needed of their models."""
    if "slots.json" not in names:
        return
    try:
        value = json.loads(files.cat_file(f"{base}/slots.json"))
        versions = {str(slot): str(one["bento"]) for slot, one in value["slots"].items()}
    except (ValueError, KeyError, TypeError, AttributeError) as cause:
        raise FormatError(f"the slots of {folder.name} elsewhere cannot be read", got=str(cause)) from cause
    slots = {
        slot: {"bento": bento, "path": str(_model(ws, folder, files, base, bento))} for slot, bento in versions.items()
    }
    before = folder / "slots.json"
    if not before.exists() or read_json(before).get("slots") != slots:
        write_json(before, {"slots": slots})


def _model(ws: Workspace, folder: Path, files: Any, base: str, bento: str) -> Path:
    name, _, tag = bento.partition(":")
    if not _PART.fullmatch(name) or not _PART.fullmatch(tag):
        raise FormatError(f"the slots of {folder.name} elsewhere name a version {bento!r}", expected="name:tag")
    model = folder / "models" / name / tag
    for file in _FILES:
        source = f"{base}/models/{name}/{tag}/{file}"
        if not (model / file).exists() and files.exists(source):
            model.mkdir(parents=True, exist_ok=True)
            _download(files, source, model / file)
    return model if model.is_dir() else ws.bentoml / "bentos" / name / tag / "src" / "model"


def _download(files: Any, source: str, target: Path) -> None:
    """Bring one file here, whole or not at all."""
    with tempfile.TemporaryDirectory(prefix=".fetch-", dir=target.parent) as half:
        files.get_file(source, str(Path(half) / "file"))
        (Path(half) / "file").replace(target)
    target.chmod(0o600)


def _url(path: Path) -> str:
    value = read_json(path)
    if not isinstance(value.get("url"), str):
        raise FormatError(f"{path} names no place", hint="remove it, and name the place with --log-url again")
    return str(value["url"])


def _opened(url: str) -> tuple[Any, str]:
    import fsspec

    try:
        files, base = fsspec.core.url_to_fs(url)
    except (ImportError, ValueError, OSError) as cause:
        raise UsageError(
            f"{_shown(url)} cannot be used", got=str(cause)[:200], hint="install the driver that it names"
        ) from cause
    return files, base.rstrip("/")


def _listed(files: Any, base: str, url: str) -> list[str]:
    """The names at a place, the oldest segment first."""
    try:
        files.invalidate_cache(base)
        found = files.ls(base, detail=False) if files.exists(base) else None
    except Exception as cause:
        raise _unreadable(url, cause) from cause
    if found is None:
        raise StorageError(
            f"there is nothing at {_shown(url)}",
            expected="segments that a server copies to its LEPTON_LOG_URL",
            hint="a server copies its first one when it is full or an hour old",
        )
    return sorted(str(one).rstrip("/").rpartition("/")[2] for one in found)


def _unreadable(url: str, cause: Exception) -> StorageError:
    return StorageError(f"{_shown(url)} cannot be read", got=type(cause).__name__, hint="try again")


def _shown(url: str) -> str:
    """The place, without what may be a secret."""
    scheme, found, _ = url.partition("://")
    return f"{scheme}://..." if found else "the place"
