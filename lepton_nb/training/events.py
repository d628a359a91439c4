"""The run's `events.jsonl`: written by the trainer, read by whoever watches."""

from __future__ import annotations

import json
import os
from pathlib import Path

from ..errors import FormatError, StorageError
from ..records import Event, decode, encode
from ..workspace import mask

__all__ = ["EventLog", "Tail", "events_file"]


def events_file(folder: Path) -> Path:
    """Where a run's events lie."""
    return folder / "events.jsonl"


class EventLog:
    """Appends events, each whole and readable by others when `write` returns.

    Args:
        folder: the run's folder.
    """

    def __init__(self, folder: Path) -> None:
        self._path = events_file(folder)

    def write(self, event: Event) -> None:
        """Append one event, without secrets."""
        line = mask(encode(event).decode()).encode()
        handle = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            # A full disk may have taken a part of the line before: that one is lost, and no more.
            size = os.fstat(handle).st_size
            torn = size and os.pread(handle, 1, size - 1) != b"\n"
            os.write(handle, (b"\n" if torn else b"") + line)
        except OSError as cause:
            raise StorageError(
                f"{self._path} could not be written: {cause.strerror}", hint="make room, then lepton resume the run"
            ) from cause
        finally:
            os.close(handle)


class Tail:
    """Reads what was appended since it last looked.

    Args:
        folder: the run's folder.
    """

    def __init__(self, folder: Path) -> None:
        self._path = events_file(folder)
        self._offset = 0

    def read(self) -> list[Event]:
        """The new events; a torn last line waits until it is whole."""
        try:
            with self._path.open("rb") as stream:
                stream.seek(self._offset)
                new = stream.read()
        except FileNotFoundError:
            return []
        whole = new[: new.rfind(b"\n") + 1]
        self._offset += len(whole)
        return [event for line in whole.splitlines() if (event := _readable(line)) is not None]


def _readable(line: bytes) -> Event | None:
    """The event of a line; None for one that was torn."""
    try:
        return decode(line)
    except FormatError:
        try:
            json.loads(line)
        except ValueError:
            return None
        raise
