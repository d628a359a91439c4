"""A person's answer to a watch that asks: a file, so that a shell, a notebook and a page can all give it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from ..errors import FormatError
from ..workspace import read_json, write_json

__all__ = ["Answer", "Answers"]


@dataclass(frozen=True)
class Answer:
    """What a person said.

    Args:
        approved: whether the challenger may answer.
        why: reason, for the record.
    """

    approved: bool
    why: str


class Answers:
    """Where answers are left: `answer.json`.

    Args:
        folder: of the watch.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / "answer.json"

    def give(self, cycle: int, answer: Answer) -> None:
        """Leave an answer to one retraining; a later answer to the same one counts."""
        body = {"cycle": cycle, "approved": answer.approved, "why": answer.why, "time": time.time()}
        write_json(self._path, body, mode=0o600)

    def take(self, cycle: int) -> Answer | None:
        """The answer to a retraining; None while there is none, or only one to another."""
        try:
            body = read_json(self._path)
            return Answer(body["approved"] is True, str(body["why"])) if body["cycle"] == cycle else None
        except FileNotFoundError:
            return None
        except KeyError as cause:
            raise FormatError(f"{self._path} is not readable", expected="an answer", got=str(cause)) from cause
