"""What a clean-up takes away, and what it leaves although it is old."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from .runs import ago
from .shown import Result, Table

__all__ = ["Cleaning", "Removal"]

_MIB = 2**20
_MANY = {"cache entry": "cache entries", "broken entry": "broken entries"}


@dataclass(frozen=True)
class Removal:
    """One thing that is old enough to go.

    Args:
        kind: what it is; a broken entry of the cache was put aside, a leftover is what a killed process left.
        id: the name of its folder.
        name: for people.
        moment: when it was last used (a cache entry) or ended (a run), in seconds since the epoch.
        size: bytes of its files.
        paths: its files and folders.
        held: why it stays all the same; empty when it goes.
    """

    kind: Literal["cache entry", "broken entry", "pipeline run", "run", "leftover"]
    id: str
    name: str
    moment: float
    size: int
    paths: tuple[Path, ...]
    held: str = ""


@dataclass(frozen=True)
class Cleaning(Result):
    """What a clean-up took away, or would take away.

    Args:
        removed: what goes.
        kept: what is as old, but still pointed to; `held` says by what.
        size: bytes of what goes.
        older_than: the age, as it was asked for.
        dry_run: whether nothing was changed.
    """

    removed: tuple[Removal, ...] = field(default_factory=tuple)
    kept: tuple[Removal, ...] = field(default_factory=tuple)
    size: int = 0
    older_than: str = ""
    dry_run: bool = False

    def table(self) -> Table:
        """One line per thing that goes; below, what stays although it is old."""
        what, size = _counted(self.removed), f"{self.size / _MIB:.1f} MiB"
        if not self.removed:
            title = f"nothing to remove that is older than {self.older_than}"
        elif self.dry_run:
            title = f"would remove {what} older than {self.older_than}: {size}"
        else:
            title = f"removed {what} older than {self.older_than}: {size} freed"
        rows = [(one.kind, one.id[:22], one.name, ago(one.moment), f"{one.size / _MIB:.2f}") for one in self.removed]
        kept = ", ".join(f"{one.kind} {one.name} ({one.id[:8]}): {one.held}" for one in self.kept)
        note = f"kept: {kept}" if kept else ""
        return Table(title, ("what", "id", "name", "age", "MiB") if rows else (), rows, note)


def _counted(things: tuple[Removal, ...]) -> str:
    """How many there are of each kind, such as `2 cache entries, 1 run`."""
    counts = Counter(one.kind for one in things)
    return ", ".join(f"{n} {kind if n == 1 else _MANY.get(kind, f'{kind}s')}" for kind, n in counts.items())
