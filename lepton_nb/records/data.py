"""What is known of a loaded data set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

from ..errors import DataError

# A column of a data set is what the model made from it takes, to the letter.
from ..runtime import Input as Column
from .shown import Result, Table

__all__ = ["TASKS", "Column", "Data", "Series", "Task", "Texts", "refuse_duplicates"]

Task = Literal["classification", "regression", "multilabel"]
TASKS: tuple[Task, ...] = get_args(Task)


@dataclass(frozen=True)
class Texts:
    """How the texts of a data set are read.

    Args:
        tokenizer: `bpe` (pieces of bytes) or `wordpiece` (pieces of words in lower case).
        asked: how many tokens it may tell apart.
        max_length: tokens of a text at most, as was asked.
        vocabulary: how many it tells apart, padding (0) among them; the training part may not hold as many as asked.
        digest: SHA-256 of the tokenizer (hexadecimal); it is made anew from the training part, and is the same again.
        cut: how many texts, of all parts, have more tokens than a row has places.
    """

    tokenizer: str
    asked: int
    max_length: int
    vocabulary: int
    digest: str
    cut: int = 0


@dataclass(frozen=True)
class Series:
    """How far a forecast looks.

    Args:
        history: steps back that a row holds.
        horizon: steps ahead that are forecast.
    """

    history: int
    horizon: int


@dataclass(frozen=True)
class Data(Result):
    """A loaded data set. Its text is its hash, so it passes from step to step as a parameter.

    Args:
        id: SHA-256 over the rows, the split and the options that made them (hexadecimal).
        name: where it came from, for people.
        path: its folder under `.lepton/data`.
        kind: `table` (named columns), `array` (one input tensor per row) or `text` (one text per row).
        task: what the target asks for: a class, numbers, or all labels that hold.
        target: name of the target; of several columns their names, with commas between.
        classes: names of the classes or labels, in the order of the network's outputs; none of a regression.
        columns: the inputs, in order; one `array` column for array data.
        rows: number of rows per part (`train`, `validation`, `test`).
        feature_shape: shape of one row as the network sees it, such as (30,) or (1, 8, 8).
        split: how the rows were split (`seed`, `strategy`, the parts' sizes).
        streamed: the rows may be more than the memory holds; they lie in files that are read one at a time.
        targets: names of the numbers of a regression, in the order of the network's outputs.
        texts: how the texts are read; None where rows are no texts.
        series: how far a forecast looks; None where rows are no stretches of a series.
    """

    id: str
    name: str
    path: Path
    kind: Literal["table", "array", "text"]
    task: Task
    target: str
    classes: tuple[str, ...]
    columns: tuple[Column, ...]
    rows: Mapping[str, int]
    feature_shape: tuple[int, ...]
    split: Mapping[str, object] = field(default_factory=dict)
    streamed: bool = False
    targets: tuple[str, ...] = ()
    texts: Texts | None = None
    series: Series | None = None

    @property
    def width(self) -> int:
        """How many numbers a network gives for a row: one per class, label, or number of the target."""
        return len(self.classes) or len(self.targets)

    @property
    def vocabulary(self) -> int:
        """How many token ids there are; 0 where rows are no texts."""
        return self.texts.vocabulary if self.texts else 0

    def __str__(self) -> str:
        return self.id

    def table(self) -> Table:
        """Name, parts and shapes."""
        return Table(
            f"data {self.name}",
            (),
            (
                ("hash", self.id[:12]),
                ("rows", ", ".join(f"{part} {count}" for part, count in self.rows.items())),
                ("inputs", self._inputs()),
                ("target", f"{self.target} ({self._asked()})"),
            ),
        )

    def _asked(self) -> str:
        if self.task == "regression":
            return "a number" if self.width == 1 else f"{self.width} numbers"
        return f"{self.width} {'classes' if self.task == 'classification' else 'labels'}"

    def _inputs(self) -> str:
        if self.texts:
            (longest,) = self.feature_shape
            cut = f"; {self.texts.cut} texts are longer and cut" if self.texts.cut else ""
            return f"texts of {longest} tokens at most{cut}, {self.texts.vocabulary} tokens told apart"
        if self.series:
            return f"{self.series.history} steps back, {len(self.columns)} columns"
        return (
            f"{len(self.columns)} columns"
            if self.kind == "table"
            else f"array {' x '.join(map(str, self.feature_shape))}"
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
