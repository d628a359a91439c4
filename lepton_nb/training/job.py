"""The job a trainer is given: all it needs to know, in the run's folder."""

from __future__ import annotations

import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..errors import FormatError, UsageError
from ..models import PICKLE, Spec
from ..workspace import Workspace, read_json, write_atomic, write_json

__all__ = ["Fit", "Job", "ask_to_stop", "is_asked_to_stop"]


@dataclass(frozen=True)
class Fit:
    """How to fit.

    Args:
        epochs: most epochs.
        batch_size: rows per step.
        seed: of the weights and of the order of the rows.
        patience: epochs without a better monitored loss before it ends; 0 never ends early.

    Raises:
        UsageError: a value makes no sense.
    """

    epochs: int
    batch_size: int
    seed: int
    patience: int

    def __post_init__(self) -> None:
        for name, least, most in (
            ("epochs", 1, 10**6),
            ("batch_size", 1, 2**31),
            ("seed", 0, 2**32 - 1),
            ("patience", 0, 10**6),
        ):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
                raise UsageError(f"{name} {value!r} is not allowed", expected=f"a whole number from {least} to {most}")


@dataclass(frozen=True)
class Job:
    """What `job/job.json` says.

    Args:
        id: the run's.
        name: the run's.
        home: the workspace's `.lepton` folder.
        data: hash of the data set.
        fit: how to fit.
        net: the entry of the network, as `Spec.read` takes it.
        sys_path: where the notebook finds what it imports.
    """

    id: str
    name: str
    home: Path
    data: str
    fit: Fit
    net: dict[str, Any]
    sys_path: list[str]

    @property
    def folder(self) -> Path:
        """The run's folder."""
        return Workspace(self.home).run(self.id)

    def write(self, packed: bytes | None) -> None:
        """Write the job where the trainer finds it.

        Args:
            packed: the network's class or instance; None for one of the zoo.
        """
        place = self.folder / "job"
        place.mkdir(mode=0o700)
        if packed is not None:
            write_atomic(place / PICKLE, packed, mode=0o600)
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
        sys.path.extend(place for place in self.sys_path if place not in sys.path)
        return Spec.read(self.folder / "job", self.net)


def ask_to_stop(folder: Path) -> None:
    """Ask the trainer of a run to finish its batch and end."""
    (folder / "stop").touch(mode=0o600)


def is_asked_to_stop(folder: Path) -> bool:
    """Whether somebody asked."""
    return (folder / "stop").exists()
