"""Where a watch keeps what it decided: `.lepton/watches/<deployment>`.

`state.json` is the truth, replaced as a whole with every decision, which is part of it. `decisions.jsonl` holds all of
them, a line each; the last one is written there after the state, and once more when a kill came between the two.
"""

from __future__ import annotations

import dataclasses
import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import FormatError
from ..records import Decision, Stage, plain
from ..workspace import Workspace, check_name, mask_all, read_json, write_json

__all__ = ["Place", "State", "place_of"]

_FORMAT = 1


@dataclass(frozen=True)
class State:
    """Where a watch stands.

    Args:
        stage: what is done next.
        cycle: retrainings that were begun.
        decisions: how many were made.
        begun: when the stage began, seconds since the epoch.
        champion: what answered when the watch looked last.
        challenger: what the retraining made.
        former: what answered before the champion, while that is guarded.
        seen: traffic up to here was looked at.
        judged: labels that were told up to here were judged by.
        judged_id: of those that were told just then, the last one by the id of its prediction.
        onset: predictions from here on are what is retrained with.
        opened: when the newest window began that was bad.
        held: looks in a row at which the rule held.
        drifted: windows of traffic in a row that drifted.
        decayed: windows of labelled predictions in a row whose quality had fallen.
        quality: accuracy in the newest window of labelled predictions; None before the first.
        right: labelled rows of the champion that were right, while all was well; of `rows`.
        rows: number of these.
        failures: retrainings in a row that came to nothing.
        not_before: no retraining begins earlier.
        train: the rows that the pipeline is given, a path in the watch's folder.
        gate: the rows that the gate judges by.
        traffic: what the deployment had answered when the stage began.
        usual: what traffic is like when all is well.
        last: the last decision.
    """

    stage: Stage = "watching"
    cycle: int = 0
    decisions: int = 0
    begun: float = 0.0
    champion: str = ""
    challenger: str = ""
    former: str = ""
    seen: float = 0.0
    judged: float = 0.0
    judged_id: str = ""
    onset: float = 0.0
    opened: float = 0.0
    held: int = 0
    drifted: int = 0
    decayed: int = 0
    quality: float | None = None
    right: int = 0
    rows: int = 0
    failures: int = 0
    not_before: float = 0.0
    train: str = ""
    gate: str = ""
    traffic: Mapping[str, Any] = field(default_factory=dict)
    usual: Mapping[str, Any] = field(default_factory=dict)
    last: Mapping[str, Any] = field(default_factory=dict)


class Place:
    """The files of one watch.

    Args:
        folder: where they lie.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._state, self._decisions = folder / "state.json", folder / "decisions.jsonl"

    def state(self) -> State:
        """Where the watch stands; a new one when nothing was decided.

        Raises:
            FormatError: the file is broken, or newer than this version reads.
        """
        try:
            body = read_json(self._state)
            known = {one.name for one in dataclasses.fields(State)}
            return State(**{name: value for name, value in body.items() if name in known})
        except FileNotFoundError:
            return State()
        except TypeError as cause:
            raise FormatError(
                f"{self._state} is not readable", expected="the state of a watch", got=str(cause)
            ) from cause

    def save(self, state: State) -> State:
        """Keep what was looked at, where nothing was decided."""
        write_json(self._state, dataclasses.asdict(state))
        return state

    def decide(
        self,
        state: State,
        action: str,
        stage: Stage,
        why: str,
        numbers: Mapping[str, Any] | None = None,
        **changes: Any,
    ) -> State:
        """Record a decision, and what follows from it, in one step.

        Args:
            state: where the watch stood.
            action: what was decided.
            stage: what is done next.
            why: one line.
            numbers: what it was decided by; numbers that are none become null.
            changes: other fields of the state.
        """
        now = time.time()
        changed = dataclasses.replace(state, **changes)
        entry = {
            "format": _FORMAT,
            "number": state.decisions + 1,
            "time": now,
            "cycle": changed.cycle,
            "action": action,
            "stage": stage,
            "why": mask_all(why),
            "numbers": mask_all(plain(dict(numbers or {}))),
        }
        changed = dataclasses.replace(changed, stage=stage, begun=now, decisions=state.decisions + 1, last=entry)
        self.save(changed)
        self._append(entry)
        return changed

    def mend(self) -> State:
        """The state, once what a kill left of the decisions' file is whole again; for the watch itself alone."""
        state = self.state()
        content = self._decisions.read_bytes() if self._decisions.exists() else b""
        if content and not content.endswith(b"\n"):
            with self._decisions.open("r+b") as stream:
                stream.truncate(content.rfind(b"\n") + 1)
        told = self.decisions()
        if state.last and (not told or told[-1].number < state.decisions):
            self._append(state.last)
        return state

    def decisions(self) -> tuple[Decision, ...]:
        """Every decision, oldest first; a line that is still being written is left out."""
        content = self._decisions.read_bytes() if self._decisions.exists() else b""
        return tuple(_decision(line) for line in content.split(b"\n")[:-1])

    def _append(self, entry: Mapping[str, Any]) -> None:
        handle = os.open(self._decisions, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            os.write(handle, json.dumps(entry).encode() + b"\n")
            os.fsync(handle)
        finally:
            os.close(handle)


def place_of(ws: Workspace, deployment: str) -> Place:
    """The files of a deployment's watch; nothing is made.

    Raises:
        UsageError: the name is not legal.
    """
    return Place(ws.home / "watches" / check_name(deployment, "deployment name"))


def _decision(line: bytes) -> Decision:
    try:
        body = json.loads(line)
        if int(body["format"]) > _FORMAT:
            raise FormatError(
                f"a decision has format {body['format']}",
                expected=f"format {_FORMAT} or older",
                hint="upgrade lepton_nb to the version that wrote it",
            )
        return Decision(
            int(body["number"]),
            float(body["time"]),
            int(body["cycle"]),
            str(body["action"]),
            body["stage"],
            str(body["why"]),
            dict(body["numbers"]),
        )
    except (ValueError, KeyError, TypeError) as cause:
        raise FormatError("decisions.jsonl has a line that is none", got=str(cause)) from cause
