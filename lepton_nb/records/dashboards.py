"""Running Voila pages."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from .shown import Result, Table

__all__ = ["Dashboard"]


@dataclass(frozen=True)
class Dashboard(Result):
    """A Voila page of ours. Its text is its name.

    Args:
        name: name of the page.
        status: `running` is only said of a process that lives.
        url: where it listens, without the token.
        pid: process id of Voila.
        token_file: the file (mode 0600) that holds the token.
    """

    name: str
    status: Literal["running", "stopped"]
    url: str
    pid: int
    token_file: Path

    def __str__(self) -> str:
        return self.name

    @property
    def open_url(self) -> str:
        """The address with its token, for a browser of this user; never shown or recorded."""
        return f"{self.url}?token={self.token_file.read_text().strip()}"

    def table(self) -> Table:
        """Address and state."""
        rows = (("status", self.status), ("url", self.url), ("pid", self.pid), ("token", str(self.token_file)))
        note = f"to open it by hand: {self.url}?token=, followed by what the token file holds; to end it: lepton stop "
        return Table(f"dashboard {self.name}", (), rows, note + self.name if self.status == "running" else "")
