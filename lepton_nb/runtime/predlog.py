"""The prediction log of one worker: what was answered is on the log before the answer leaves."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson

from .errors import RequestError
from .formats import FORMAT

__all__ = ["SEGMENT_BYTES", "PredictionLog", "failure_line", "prediction_lines"]

SEGMENT_BYTES = 64 * 1024 * 1024


class PredictionLog:
    """Files `log-<pid>-<seq>.jsonl` that one process appends to.

    One unbuffered write per request: a killed worker loses nothing that it answered, and at most tears the last line.
    The first write makes the first file.

    Args:
        folder: where the files lie; None logs nothing.
        segment: bytes after which the next file is begun.
    """

    def __init__(self, folder: Path | None, *, segment: int = SEGMENT_BYTES) -> None:
        self._folder, self._segment = folder, segment
        self._lock = threading.Lock()
        self._file: int | None = None
        self._sequence = self._written = 0

    def append(self, lines: bytes) -> None:
        """Write whole lines.

        Raises:
            RequestError: 503 when they could not be written whole, so that no answer goes unlogged.
        """
        if self._folder is None:
            return
        with self._lock:
            try:
                done = os.write(self._current(self._folder), lines)
            except OSError as cause:
                raise RequestError(503, "log_failed", "the prediction could not be logged") from cause
            self._written += done
            if done < len(lines):
                # A torn tail: the next line must not be glued to it.
                self._close()
                raise RequestError(503, "log_failed", "the prediction could not be logged whole")

    def close(self) -> None:
        """Close the current file; a later line begins the next one."""
        with self._lock:
            self._close()

    def _close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _current(self, folder: Path) -> int:
        if self._written >= self._segment:
            self._close()
        while self._file is None:
            self._sequence += 1
            self._written = 0
            path = folder / f"log-{os.getpid()}-{self._sequence}.jsonl"
            # Never an existing file: an earlier process with this id may have left it with a torn tail.
            with contextlib.suppress(FileExistsError):
                self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL, 0o600)
        return self._file


def prediction_lines(
    rows: Sequence[dict[str, Any]],
    answers: Sequence[dict[str, Any]],
    *,
    time: float,
    slot: str,
    version: str,
    ms: float,
) -> bytes:
    """The log lines of one answered request.

    Args:
        rows: the inputs, as they were sent.
        answers: `id`, `label` and `probabilities` per row.
        time: when the request came, seconds since the epoch.
        slot: the slot that answered.
        version: the model that answered.
        ms: milliseconds the request took.
    """
    return b"".join(
        orjson.dumps(
            {
                "format": FORMAT,
                "id": answer["id"],
                "time": time,
                "slot": slot,
                "version": version,
                "inputs": row,
                "outputs": {"label": answer["label"], "probabilities": answer["probabilities"]},
                "latency_ms": ms,
            },
            option=orjson.OPT_APPEND_NEWLINE,
        )
        for row, answer in zip(rows, answers, strict=True)
    )


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
