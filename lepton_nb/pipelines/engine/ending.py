"""How an executed notebook ended."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

__all__ = ["Ending", "Status", "one_line"]

Status = Literal["completed", "failed", "kernel_died", "timeout", "incomplete"]

_ANSI = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")
_LONGEST = 500


@dataclass(frozen=True)
class Ending:
    """How an executed notebook ended, as its metadata says under `lepton`.

    Args:
        status: `completed` only when its last cell was executed; `incomplete` when it ended itself before.
        error: `ClassName: message`, one line; empty when it completed.
        cell: number of the cell at fault, as the notebook shows it in brackets; None when none was.
    """

    status: Status
    error: str = ""
    cell: int | None = None


def one_line(name: str, message: str) -> str:
    """`ClassName: message` without colours and line breaks, and with nothing that cannot be written as UTF-8.

    Example:
        >>> one_line("ValueError", "two   words")
        'ValueError: two words'
    """
    text = " ".join(_ANSI.sub("", f"{name}: {message}" if message else name).split())
    # Half a character of UTF-16, which a message may hold and no file or terminal takes.
    text = text.encode("utf-8", "backslashreplace").decode()
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."
