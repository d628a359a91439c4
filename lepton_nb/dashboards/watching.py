"""The watch over a deployment, told by the files that it leaves; a page answers it by a file as well."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import ConflictError, FormatError, LeptonError
from ..processes import Identity, is_alive
from ..workspace import Workspace, check_name, read_json, write_json
from .newest import newest_lines

__all__ = ["Decided", "Watched", "answer", "watched"]

_SHOWN = 40


@dataclass(frozen=True)
class Decided:
    """A decision of a watch.

    Args:
        time: seconds since the epoch.
        action: such as `triggered` or `promoted`.
        why: one line.
        numbers: what it was decided by.
    """

    time: float
    action: str
    why: str
    numbers: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Watched:
    """The watch over a deployment.

    Args:
        deployment: its name.
        running: whether its process lives.
        stage: what it does.
        cycle: which retraining.
        challenger: what the retraining made.
        trouble: what hinders it.
        decisions: the newest, oldest first.
        answered: whether a person has answered this retraining already.
    """

    deployment: str
    running: bool
    stage: str
    cycle: int
    challenger: str
    trouble: str
    decisions: tuple[Decided, ...]
    answered: bool = False

    @property
    def asks(self) -> bool:
        """Whether a person is asked."""
        return self.stage == "asking" and not self.answered


def watched(ws: Workspace, deployment: str) -> Watched | None:
    """The watch of a deployment; None where there was never one.

    Raises:
        FormatError: its state cannot be read.
    """
    folder = _folder(ws, deployment)
    if not (folder / "state.json").is_file():
        return None
    state = read_json(folder / "state.json")
    about = _read(folder / "process.json")
    given = _read(folder / "answer.json")
    cycle = int(state.get("cycle", 0))
    return Watched(
        deployment,
        _lives(about),
        str(state.get("stage", "")),
        cycle,
        str(state.get("challenger", "")),
        str(about.get("trouble", "")),
        tuple(_decisions(folder / "decisions.jsonl"))[-_SHOWN:],
        given.get("cycle") == cycle,
    )


def answer(ws: Workspace, deployment: str, cycle: int, *, approve: bool) -> None:
    """Leave a person's answer to a retraining.

    Args:
        ws: the workspace.
        deployment: its name.
        cycle: the retraining that the person was shown.
        approve: yes or no.

    Raises:
        UsageError: the name is not legal.
        ConflictError: the watch asks nothing, or something else by now.
        FormatError: its state cannot be read.
    """
    found = watched(ws, deployment)
    if found is None or not found.asks or found.cycle != cycle:
        raise ConflictError(f"the watch of {deployment} asks nothing of this any more", hint="look at its decisions")
    body = {"cycle": cycle, "approved": approve, "why": "by the dashboard", "time": time.time()}
    write_json(_folder(ws, deployment) / "answer.json", body, mode=0o600)


def _folder(ws: Workspace, deployment: str) -> Path:
    return ws.home / "watches" / check_name(deployment, "deployment name")


def _read(path: Path) -> dict[str, Any]:
    try:
        return read_json(path)
    except (FileNotFoundError, FormatError):
        return {}


def _lives(about: dict[str, Any]) -> bool:
    try:
        found = Identity(int(about["pid"]), float(about["started"]))
    except (KeyError, ValueError, TypeError):
        return False
    return found.pid > 0 and is_alive(found)


def _decisions(path: Path) -> Iterator[Decided]:
    for line in newest_lines(path):
        # The first may be cut, and the last may still be written.
        with contextlib.suppress(ValueError, KeyError, TypeError, AttributeError):
            body = json.loads(line)
            numbers = tuple((str(name), _short(value)) for name, value in body["numbers"].items())
            yield Decided(float(body["time"]), str(body["action"]), str(body["why"]), numbers)


def _short(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return str(value) if not isinstance(value, (dict, list)) else json.dumps(value)


def answered(ws: Workspace, asked: dict[str, Any]) -> str:
    """Do what a button of a page asks for.

    Args:
        ws: the workspace.
        asked: `decide` (approve or refuse), `watch` (the deployment) and `number` (the retraining).

    Returns:
        What hindered it, or an empty text.
    """
    decide, name, number = asked.get("decide"), asked.get("watch"), asked.get("number")
    if decide not in ("approve", "refuse") or not isinstance(name, str) or not isinstance(number, (int, float)):
        return "this is no answer to a watch"
    try:
        answer(ws, name, int(number), approve=decide == "approve")
    except LeptonError as fault:
        return str(fault)
    return ""
