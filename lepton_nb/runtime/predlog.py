"""The prediction log of one worker: what was answered is on the log before the answer leaves."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
import time as clock
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import orjson

from .errors import RequestError
from .formats import FORMAT
from .privacy import Kept

__all__ = ["SEGMENT_BYTES", "PredictionLog", "failure_line", "prediction_lines"]

SEGMENT_BYTES = 64 * 1024 * 1024
_EVERYTHING = Kept()


class PredictionLog:
    """Files `log-<pid>-<seq>.jsonl` that one process appends to.

    One unbuffered write per request: a killed worker loses nothing that it answered, and at most tears the last line.
    The first write makes the first file. A log that cannot be written fails no request: what is lost is counted.

    Args:
        folder: where the files lie; None logs nothing.
        segment: bytes after which the next file is begun.
        seconds: after which the next file is begun; None for never.
        durable: whether a file that is closed is on the disk.
        name: of the files: `log-<pid>-<seq>.jsonl`.
        suffix: of the files.
    """

    def __init__(
        self,
        folder: Path | None,
        *,
        segment: int = SEGMENT_BYTES,
        seconds: float | None = None,
        durable: bool = False,
        name: str = "log",
        suffix: str = "jsonl",
    ) -> None:
        self._folder, self._segment, self._seconds = folder, segment, seconds
        self._name, self._suffix, self._durable = name, suffix, durable
        self._lock = threading.Lock()
        self._file: int | None = None
        self._sequence = self._written = 0
        self._begun = 0.0
        self._syncing: asyncio.Future[None] | None = None
        self._thread: ThreadPoolExecutor | None = None
        # Appends so far, and how many of them are on the disk.
        self._appended = self._synced = 0
        # Requests whose lines are not on the log.
        self.lost = 0
        # Names of the files that are done.
        self.closed: set[str] = set()

    def append(self, lines: bytes) -> bool:
        """Write whole lines, or count them as lost.

        Returns:
            Whether they are on the log.
        """
        if self._folder is None:
            return True
        with self._lock:
            try:
                done = os.write(self._open(self._folder), lines)
            except OSError:
                self.lost += 1
                return False
            self._written += done
            self._appended += 1
            if done < len(lines):
                # A torn tail: the next line must not be glued to it.
                self._close()
                self.lost += 1
            return done == len(lines)

    async def sync(self) -> None:
        """Wait until what was appended is on the disk; those who wait at the same time share one fsync."""
        wanted = self._appended
        while self._synced < wanted:
            # One that runs may have begun before our line was there: then another one follows it.
            if self._syncing is None:
                # A thread of its own: behind the work of others it would wait for that, too.
                self._thread = self._thread or ThreadPoolExecutor(1, "lepton-sync")
                self._syncing = asyncio.get_running_loop().run_in_executor(self._thread, self._fsync)
                self._syncing.add_done_callback(self._forget)
            await asyncio.shield(self._syncing)

    def _forget(self, _: object) -> None:
        self._syncing = None

    def _fsync(self) -> None:
        with self._lock:
            appended = self._appended
            number = os.dup(self._file) if self._file is not None else None
        if number is not None:
            try:
                self._flush(number)
            finally:
                os.close(number)
        self._synced = max(self._synced, appended)

    def _flush(self, number: int) -> None:
        try:
            os.fsync(number)
        except OSError:
            # Nobody knows what is on the disk now.
            self.lost += 1

    @staticmethod
    def _sync_folder(folder: Path) -> None:
        """A new file is on the disk when its folder is."""
        number = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(number)
        finally:
            os.close(number)

    def seal(self) -> None:
        """Begin a new file with the next line, when the current one is old enough."""
        with self._lock:
            if self._file is not None and self._seconds and clock.monotonic() - self._begun >= self._seconds:
                self._close()

    def close(self) -> None:
        """Close the current file; a later line begins the next one."""
        with self._lock:
            self._close()
        if self._thread is not None:
            self._thread.shutdown(wait=False)
            self._thread = None

    def _close(self) -> None:
        if self._file is not None:
            if self._durable and self._synced < self._appended:
                self._flush(self._file)
                self._synced = self._appended
            os.close(self._file)
            self._file = None
            self.closed.add(self._file_name())

    def _file_name(self) -> str:
        return f"{self._name}-{os.getpid()}-{self._sequence}.{self._suffix}"

    def _open(self, folder: Path) -> int:
        if self._written >= self._segment:
            self._close()
        while self._file is None:
            self._sequence += 1
            self._written, self._begun = 0, clock.monotonic()
            # Never an existing file: an earlier process with this id may have left it with a torn tail.
            with contextlib.suppress(FileExistsError):
                self._file = os.open(
                    folder / self._file_name(), os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL, 0o600
                )
                _hold(self._file)
                if self._durable:
                    self._sync_folder(folder)
        return self._file


def _hold(number: int) -> None:
    """Lock a file while it is written to, so that nobody takes it for done who cannot see this process."""
    try:
        import fcntl
    except ImportError:
        return
    with contextlib.suppress(OSError):
        fcntl.flock(number, fcntl.LOCK_SH | fcntl.LOCK_NB)


def prediction_lines(  # noqa: PLR0913 - a line says so many things
    rows: Sequence[dict[str, Any]],
    answers: Sequence[dict[str, Any]],
    *,
    time: float,
    slot: str,
    version: str,
    ms: float,
    kept: Kept = _EVERYTHING,
    written: bytes | None = None,
    sides: Mapping[str, tuple[int, int]] | None = None,
    shadow: bool = False,
) -> bytes:
    """The log lines of one answered request.

    Args:
        rows: the inputs, as they were sent.
        answers: `id`, and `label` and `probabilities` or `outputs`, per row.
        time: when the request came, seconds since the epoch.
        slot: the slot that answered.
        version: the model that answered.
        ms: milliseconds the request took.
        kept: what of the inputs is logged.
        written: the only row as it was sent, JSON in one line, where it is at hand: it is not written anew.
        sides: width and height in pixels that a picture was sent with, by input; what is logged of it has them no more.
        shadow: whether nobody was given these answers.
    """
    lines = []
    for row, answer in zip(rows, answers, strict=True):
        inputs, masked = ({}, []) if written is not None else kept.shown(row)
        line = {
            "format": FORMAT,
            "id": answer["id"],
            "time": time,
            "slot": slot,
            "version": version,
            "inputs": orjson.Fragment(written) if written is not None else inputs,
            "outputs": answer.get("outputs") or {"label": answer["label"], "probabilities": answer["probabilities"]},
            "latency_ms": ms,
        }
        if masked:
            line["masked"] = masked
        if told := {name: pair for name, pair in (sides or {}).items() if kept.way(name) == "yes"}:
            line["sides"] = told
        if shadow:
            line["shadow"] = True
        lines.append(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))
    return b"".join(lines)


def failure_line(fault: RequestError, *, identifier: str, time: float, slot: str, version: str, ms: float) -> bytes:
    """The log line of one request that failed; its inputs are not kept."""
    return orjson.dumps(
        {
            "format": FORMAT,
            "id": identifier,
            "time": time,
            "slot": slot,
            "version": version,
            "error": fault.code,
            "status": fault.status,
            "latency_ms": ms,
        },
        option=orjson.OPT_APPEND_NEWLINE,
    )
