"""A pipeline to start from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from .shown import Result, Table

__all__ = ["Starter"]


@dataclass(frozen=True)
class Starter(Result):
    """The files of a new pipeline. Its text is the pipeline file.

    Args:
        pipeline: the .yml file.
        files: all that was written, the .yml file first.
        command: runs it, from the folder where it was made.
    """

    pipeline: Path
    files: tuple[Path, ...]
    command: str

    def __str__(self) -> str:
        return str(self.pipeline)

    def table(self) -> Table:
        """One line per file."""
        rows = [(path.name, path.parent) for path in self.files]
        return Table(f"pipeline {self.pipeline.stem}", ("file", "folder"), rows, f"run it with: {self.command}")
