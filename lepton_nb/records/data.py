"""What is known of a loaded data set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from ..errors import DataError

# A column of a data set is what the model made from it takes, to the letter.
from ..runtime import Input as Column
from .shown import Result, Table

__all__ = ["Column", "Data", "refuse_duplicates"]


@dataclass(frozen=True)
class Data(Result):
    """A loaded data set. Its text is its hash, so it passes from step to step as a parameter.

    Args:
        id: SHA-256 over the rows, the split and the options that made them (hexadecimal).
        name: where it came from, for people.
        path: its folder under `.lepton/data`.
        kind: `table` (named columns) or `array` (one input tensor per row).
        task: what the target asks for.
        target: name of the target.
        classes: class names, in the order of the network's outputs.
        columns: the inputs, in order; one `array` column for array data.
        rows: number of rows per part (`train`, `validation`, `test`).
        feature_shape: shape of one row as the network sees it, such as (30,) or (1, 8, 8).
        split: how the rows were split (`seed`, `strategy`, the parts' sizes).
        streamed: the rows may be more than the memory holds; they lie in files that are read one at a time.
    """

    id: str
    name: str
    path: Path
    kind: Literal["table", "array"]
    task: Literal["classification"]
    target: str
    classes: tuple[str, ...]
    columns: tuple[Column, ...]
    rows: Mapping[str, int]
    feature_shape: tuple[int, ...]
    split: Mapping[str, object] = field(default_factory=dict)
    streamed: bool = False

    def __str__(self) -> str:
        return self.id

    def table(self) -> Table:
        """Name, parts and shapes."""
        shape = " x ".join(map(str, self.feature_shape))
        return Table(
            f"data {self.name}",
            (),
            (
                ("hash", self.id[:12]),
                ("rows", ", ".join(f"{part} {count}" for part, count in self.rows.items())),
                ("inputs", f"{len(self.columns)} columns" if self.kind == "table" else f"array {shape}"),
                ("target", f"{self.target} ({len(self.classes)} classes)"),
            ),
        )


def refuse_duplicates(names: list[str]) -> None:
    """Raise when a column name occurs twice, or is empty."""
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DataError(
            f"column names occur more than once: {', '.join(map(repr, twice))}",
            expected="every column to have a name of its own",
            hint="rename or remove one of them",
        )
    if "" in names:
        raise DataError(f"column {names.index('') + 1} has no name", expected="a name for every column")
