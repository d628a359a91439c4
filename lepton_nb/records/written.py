"""Files that a verb made for people, and what they do with them next."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from .shown import Result, Table

__all__ = ["Written"]


@dataclass(frozen=True)
class Written(Result):
    """Files in a folder. Its text is the folder.

    Args:
        what: what they are, in a few words.
        folder: where they lie.
        files: all that was written, the most important first.
        next: commands, in their order, from the folder where the verb was called.
    """

    what: str
    folder: Path
    files: tuple[Path, ...]
    next: tuple[str, ...]

    def __str__(self) -> str:
        return str(self.folder)

    def table(self) -> Table:
        """One line per file, then the commands."""
        rows = [
            (str(path.relative_to(self.folder)), f"{path.stat().st_size:,}") for path in self.files if path.exists()
        ]
        steps = "\n".join(f"  {command}" for command in self.next)
        return Table(f"{self.what} in {self.folder}", ("file", "bytes"), rows, f"next:\n{steps}" if steps else "")
