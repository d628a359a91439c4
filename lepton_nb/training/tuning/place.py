"""Where a study lies: `.lepton/tunes/<name>`, and how it stands there.

`trials.json` holds every trial as it stands, those under way too, and is replaced as a whole. Of trials that are over,
Optuna's storage (`study.db`) is the truth; what was under way when the tuner was killed is known from `trials.json`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ...errors import FormatError
from ...processes import Identity, is_alive
from ...records import Trial, plain
from ...workspace import Workspace, check_name, mask, mask_all, read_json, write_json

__all__ = ["DATABASE", "LOG", "PREPARED", "Place", "place_of", "places"]

LOG, DATABASE, PREPARED = "log", "study.db", "prepared"
_PROCESS, _TRIALS, _STOP = "process.json", "trials.json", "stop"


@dataclass(frozen=True)
class Place:
    """The files of one study.

    Args:
        folder: where they lie.
    """

    folder: Path

    def trials(self) -> tuple[tuple[Trial, ...], dict[str, Any]]:
        """Every trial, and what else is known: `importance`, `registered`; nothing before the first.

        Raises:
            FormatError: the file is broken.
        """
        path = self.folder / _TRIALS
        try:
            body = read_json(path)
            found = [Trial(**{**one, "values": tuple(one["values"])}) for one in body.pop("trials")]
            body.pop("format")
        except FileNotFoundError:
            return (), {}
        except (KeyError, TypeError) as cause:
            raise FormatError(f"{path} is not readable", expected="the trials of a study", got=str(cause)) from cause
        return tuple(found), body

    def stamp(self) -> tuple[int, int]:
        """Another value when `trials` gives something else."""
        try:
            found = (self.folder / _TRIALS).stat()
        except FileNotFoundError:
            return 0, 0
        return found.st_mtime_ns, found.st_ino

    def save(self, trials: Sequence[Trial], more: Mapping[str, Any], *, sync: bool) -> None:
        """Replace what `trials` gives.

        Args:
            trials: by number.
            more: what else is known.
            sync: whether it must outlast a loss of power.
        """
        body = {"trials": mask_all([plain(asdict(one)) for one in trials]), **more}
        write_json(self.folder / _TRIALS, body, mode=0o600, sync=sync)

    def record(self, process: Identity, status: str, cause: str = "") -> None:
        """Say which process works on the study, and how that ended."""
        body = {"pid": process.pid, "started": process.started, "status": status, "cause": mask(cause)}
        write_json(self.folder / _PROCESS, body, mode=0o600)

    def is_recorded(self, process: Identity) -> bool:
        """Whether this process is the last one that was said to work on the study."""
        try:
            return int(read_json(self.folder / _PROCESS)["pid"]) == process.pid
        except (FileNotFoundError, KeyError, ValueError):
            return False

    def process(self) -> tuple[Identity | None, str, str]:
        """The living process that works on it, None when there is none; how the last one ended, and why."""
        try:
            body = read_json(self.folder / _PROCESS)
            found = Identity(int(body["pid"]), float(body["started"]))
        except (FileNotFoundError, KeyError, TypeError, ValueError):
            return None, "", ""
        lives = found.pid > 0 and body["status"] == "running" and is_alive(found)
        return found if lives else None, str(body["status"]), str(body["cause"])

    def ask_to_stop(self) -> None:
        """Ask the tuner to stop its trainings, which keep what they have, and to end."""
        (self.folder / _STOP).touch(mode=0o600)

    def is_asked_to_stop(self) -> bool:
        """Whether somebody asked."""
        return (self.folder / _STOP).exists()

    def forget_request(self) -> None:
        """Take back what `ask_to_stop` asked."""
        (self.folder / _STOP).unlink(missing_ok=True)


def place_of(ws: Workspace, name: str) -> Place:
    """The files of a study; nothing is made.

    Raises:
        UsageError: the name is not legal.
    """
    return Place(ws.home / "tunes" / check_name(name, "study name"))


def places(ws: Workspace) -> list[Place]:
    """All studies, newest first."""
    found = [path for path in (ws.home / "tunes").glob("*/study.json") if not path.parent.name.startswith(".")]
    return [Place(path.parent) for path in sorted(found, key=lambda path: path.stat().st_mtime, reverse=True)]
