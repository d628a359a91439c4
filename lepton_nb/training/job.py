"""The job a trainer is given: all it needs to know, in the run's folder."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ..errors import FormatError, UsageError
from ..models import PICKLE, WRITTEN, Spec, Written, pack, ship, unpack
from ..records import Data
from ..workspace import Workspace, discard, file_sha256, read_json, write_atomic, write_json
from .options import Fit
from .sources import Loaders

__all__ = [
    "PRETRAINED",
    "Fit",
    "Job",
    "ask_to_stop",
    "forget_request",
    "forget_shipped",
    "is_asked_to_stop",
    "ship_loaders",
]

# Beside the job and not in it: an artifact is known by what lies there.
PRETRAINED = "pretrained.safetensors"
_SHIPPED, _LOADERS, _CALLBACKS = "data", "loaders.pkl", "callbacks.pkl"


@dataclass(frozen=True)
class Job:
    """What `job/job.json` says.

    Args:
        id: the run's.
        name: the run's.
        home: the workspace's `.lepton` folder.
        data: hash of the data set, or of the loaders that were shipped.
        fit: how to fit.
        net: the entry of the network, as `Spec.read` takes it.
        sys_path: where the notebook finds what it imports.
        loaders: kind of the loaders; empty for a data set of the workspace.
        callbacks: whether callbacks of the notebook's own were shipped.
        cwd: the notebook's folder; None for the trainer's own.
    """

    id: str
    name: str
    home: Path
    data: str
    fit: Fit
    net: dict[str, Any]
    sys_path: list[str] = field(default_factory=list)
    loaders: str = ""
    callbacks: bool = False
    cwd: str | None = None

    @property
    def folder(self) -> Path:
        """The run's folder."""
        return Workspace(self.home).run(self.id)

    @property
    def places(self) -> int:
        """How many processes share a batch."""
        return self.fit.processes

    def write(self, packed: bytes | None, callbacks: Sequence[Any] = (), source: Written | None = None) -> None:
        """Write the job where the trainer finds it.

        Args:
            packed: the network's class or instance; None for one of the zoo.
            callbacks: of the notebook's own.
            source: of the network's class; None for one of the zoo.
        """
        place = self.folder / "job"
        place.mkdir(mode=0o700)
        if packed is not None:
            write_atomic(place / PICKLE, packed, mode=0o600)
        if source is not None:
            write_json(place / WRITTEN, asdict(source), mode=0o600)
        if callbacks:
            shipped = _shipped(self.folder)
            write_atomic(shipped / _CALLBACKS, pack(list(callbacks), "a callback"), mode=0o600)
        write_json(place / "job.json", {**asdict(self), "home": str(self.home)}, mode=0o600)

    @classmethod
    def read(cls, folder: Path) -> Job:
        """The job of a run's folder.

        Raises:
            FormatError: the file is broken.
        """
        path = folder / "job" / "job.json"
        body = read_json(path)
        body.pop("format")
        try:
            return cls(**{**body, "home": Path(body["home"]), "fit": Fit(**body["fit"])})
        except (KeyError, TypeError, UsageError) as cause:
            raise FormatError(f"{path} is not readable", expected="the job of a trainer", got=str(cause)) from cause

    def spec(self) -> Spec:
        """The network, with what a pickle names found where the notebook found it."""
        self._find_imports()
        return Spec.read(self.folder / "job", self.net)

    def shipped_loaders(self) -> Any:
        """What `ship_loaders` wrote; None for a network that has loaders of its own."""
        self._find_imports()
        return None if self.loaders == "own" else unpack(self.folder / _SHIPPED / _LOADERS)

    def shipped_callbacks(self) -> list[Any]:
        """The notebook's own callbacks."""
        self._find_imports()
        return list(unpack(self.folder / _SHIPPED / _CALLBACKS)) if self.callbacks else []

    def _find_imports(self) -> None:
        sys.path.extend(place for place in self.sys_path if place not in sys.path)


def ship_loaders(folder: Path, source: Data | Loaders) -> str:
    """Put loaders into the run's folder.

    Args:
        folder: the run's folder.
        source: the loaders, or a data set, which stays where it is.

    Returns:
        The hash of the data set, or of what was shipped.

    Raises:
        UsageError: they cannot be sent.
    """
    if isinstance(source, Data):
        return source.id
    if source.kind == "own":
        return ""
    path = _shipped(folder) / _LOADERS
    ship(path, source.value, f"the data ({source.name})")
    parts = [file_sha256(path), file_sha256(path.with_suffix(".bin"))]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def forget_shipped(ws: Workspace, folder: Path) -> None:
    """Give back the space of loaders that nobody will resume with."""
    discard(ws, folder / _SHIPPED)


def ask_to_stop(folder: Path) -> None:
    """Ask the trainer of a run to finish its batch and end."""
    (folder / "stop").touch(mode=0o600)


def is_asked_to_stop(folder: Path) -> bool:
    """Whether somebody asked."""
    return (folder / "stop").exists()


def forget_request(folder: Path) -> None:
    """Take back what `ask_to_stop` asked."""
    (folder / "stop").unlink(missing_ok=True)


def _shipped(folder: Path) -> Path:
    place = folder / _SHIPPED
    place.mkdir(mode=0o700, exist_ok=True)
    return place
