"""What a run has to tell its tracking store: first kept in the job's folder, then sent.

`spool.jsonl` grows by whole lines; `spool.sent` says how many of its bytes the store has. Sending again what an
interrupted sender had sent already changes nothing: MLflow keeps one of equal metrics, and the rest is set, not added.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ..errors import FormatError, NotFoundError
from ..workspace import Workspace, mask_all, read_json, write_atomic, write_json

__all__ = ["Record", "append", "is_pending", "lines", "mark_sent", "unsent"]

_FORMAT = 1


@dataclass(frozen=True)
class Record:
    """What was said when a run started: `tracking.json` in its job folder.

    Args:
        id: the run's id and the name of its folder.
        store_id: the store's id; None until the store was reached. Differs from `id` only for a run that
            started while it was not.
        uri: the tracking URI, as it was at the start.
        name: for people.
        params: as the store keeps them.
        tags: as the store keeps them.
        created: seconds since the epoch.
    """

    id: str
    store_id: str | None
    uri: str
    name: str
    params: Mapping[str, str]
    tags: Mapping[str, str]
    created: float
    format: int = field(default=_FORMAT, kw_only=True)

    def write(self, ws: Workspace) -> None:
        """Keep it; the address may hold a password, so nobody else may read it."""
        write_json(ws.run(self.id) / "tracking.json", asdict(self), mode=0o600)

    @classmethod
    def read(cls, ws: Workspace, run_id: str) -> Record:
        """The record of a run that was started here.

        Raises:
            NotFoundError: no run of that id was started here.
            FormatError: the file is broken.
        """
        try:
            return cls(**read_json(path := ws.run(run_id) / "tracking.json"))
        except FileNotFoundError:
            raise NotFoundError(f"run {run_id} was not started in {ws.home}", hint="lepton runs") from None
        except TypeError as cause:
            raise FormatError(
                f"{path} is not readable", expected="what was said when the run started", got=str(cause)
            ) from cause


def append(job: Path, kind: str, body: Mapping[str, Any]) -> None:
    """Add one line, without secrets; it is on disk for other processes when this returns."""
    line = json.dumps({"format": _FORMAT, "kind": kind, **mask_all(body)}).encode() + b"\n"
    handle = os.open(job / "spool.jsonl", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(handle, line)
    finally:
        os.close(handle)


def is_pending(job: Path) -> bool:
    """Whether there are lines that the store has not got."""
    try:
        return (job / "spool.jsonl").stat().st_size > _sent(job)
    except FileNotFoundError:
        return False


def lines(job: Path) -> Iterator[dict[str, Any]]:
    """Everything the run has told so far, whether it was sent or not.

    Raises:
        FormatError: a line is not ours, or newer than this version reads.
    """
    return (body for _, body in _from(job, 0))


def unsent(job: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """The lines that the store has not got, each with the offset behind it.

    Raises:
        FormatError: a line is not ours, or newer than this version reads.
    """
    return _from(job, _sent(job))


def _from(job: Path, offset: int) -> Iterator[tuple[int, dict[str, Any]]]:
    path = job / "spool.jsonl"
    try:
        with path.open("rb") as stream:
            stream.seek(offset)
            for line in stream:
                offset += len(line)
                # A line without its end is still being written.
                if line.endswith(b"\n"):
                    yield offset, _decoded(line, path)
    except FileNotFoundError:
        return


def _decoded(line: bytes, path: Path) -> dict[str, Any]:
    try:
        body = json.loads(line)
        found = int(body["format"])
        if found == _FORMAT:
            _check(body)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as cause:
        raise FormatError(
            f"{path} is not readable", expected="JSON objects with a format number, one per line", got=str(cause)
        ) from cause
    if found > _FORMAT:
        raise FormatError(
            f"{path} has a line of format {found}",
            expected=f"format {_FORMAT} or older",
            hint="upgrade lepton_nb to the version that wrote it",
        )
    return dict(body)


def _check(body: dict[str, Any]) -> None:
    """Raise a KeyError, TypeError, ValueError or AttributeError for a line that nobody could send."""
    if body["kind"] == "metrics":
        for name, value, step, moment in body["metrics"]:
            str(name), float(value or 0), int(step), float(moment)
    elif body["kind"] == "finish":
        if body["status"] not in ("finished", "failed", "stopped"):
            raise ValueError(f"status {body['status']!r}")
        str(body["cause"]), float(body["time"])
    elif body["kind"] == "resume":
        float(body["time"]), int(body["count"])
    elif body["kind"] in ("tags", "files"):
        body[body["kind"]].items()


def mark_sent(job: Path, offset: int) -> None:
    """The store has everything before `offset`."""
    write_atomic(job / "spool.sent", str(offset), mode=0o600)


def _sent(job: Path) -> int:
    try:
        return int((job / "spool.sent").read_bytes())
    except (FileNotFoundError, ValueError):
        # What was sent once may be sent again.
        return 0
