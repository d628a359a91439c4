"""Files that a verb made for people, and what they do with them next."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from .shown import Result, Table

__all__ = ["Written"]

# A folder with more files than this is one line.
_MOST = 3


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
        """One line per file, or per folder of many, then the commands."""
        places = [path.relative_to(self.folder) for path in self.files]
        below = Counter(place.parts[0] for place in places if len(place.parts) > 1)
        sizes: dict[str, int] = {}
        for place in places:
            top = place.parts[0]
            shown = f"{top}/ ({below[top]} files)" if below[top] > _MOST else str(place)
            file = self.folder / place
            sizes[shown] = sizes.get(shown, 0) + (file.stat().st_size if file.is_file() else 0)
        rows = [(name, f"{size:,}") for name, size in sizes.items()]
        steps = "\n".join(f"  {command}" for command in self.next)
        return Table(f"{self.what} in {self.folder}", ("file", "bytes"), rows, f"next:\n{steps}" if steps else "")
