"""The run's `events.jsonl`: written by the trainer, read by whoever watches."""

from __future__ import annotations

import os
from pathlib import Path

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
        handle = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(handle, mask(encode(event).decode()).encode())
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
        return [decode(line) for line in whole.splitlines()]
