"""What data looks like before anything is trained on it, and what would spoil a model."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from .shown import Result, Table, cell

__all__ = ["Check", "ColumnProfile", "Problem", "Profile"]

_WIDTH, _HEIGHT = 120, 28


@dataclass(frozen=True)
class ColumnProfile:
    """One column, described.

    Args:
        name: column name.
        kind: `number`, `category`, `date`, `array` (one tensor per row), or `other` (nothing a network takes).
        missing: rows without a value.
        unique: distinct values; None for an array and for what cannot be compared.
        quantiles: smallest value, quartiles, largest value (0, 25, 50, 75, 100 %); numbers and arrays only.
        mean: arithmetic mean; numbers and arrays only.
        std: standard deviation (population); numbers and arrays only.
        top: the most frequent categories with their counts, at most five; for dates the first and the last.
        counts: histogram: twelve bins of equal width from the smallest to the largest number, or the ten most
            frequent categories.
    """

    name: str
    kind: Literal["number", "category", "date", "array", "other"]
    missing: int
    unique: int | None
    quantiles: tuple[float, ...] = ()
    mean: float | None = None
    std: float | None = None
    top: tuple[tuple[str, int], ...] = ()
    counts: tuple[int, ...] = ()

    def row(self, rows: int) -> tuple[object, ...]:
        """The cells of this column in the profile's table.

        Args:
            rows: rows of the data set, for the share of the missing ones.
        """
        missing = f"{self.missing} ({self.missing / rows:.1%})" if self.missing else 0
        quantiles = self.quantiles or (None,) * 5
        top = ", ".join(f"{_short(name)} ({count})" for name, count in self.top) or None
        return self.name, self.kind, missing, self.unique, *quantiles, top


@dataclass(frozen=True)
class Profile(Result):
    """The columns of a data set, described.

    Args:
        name: where the rows came from.
        rows: number of rows.
        columns: in the order of the source, target included.
        target: name of the target, or None when it is not known.
        classes: rows per class, in the order of the classes; empty when the target is not known or no class.
    """

    name: str
    rows: int
    columns: tuple[ColumnProfile, ...]
    target: str | None = None
    classes: tuple[tuple[str, int], ...] = ()

    def table(self) -> Table:
        """One line per column, and the balance of the classes below."""
        head = ("column", "type", "missing", "unique", "min", "25 %", "median", "75 %", "max", "most frequent")
        rows = [column.row(self.rows) for column in self.columns]
        return Table(f"{self.name}: {self.rows} rows, {len(self.columns)} columns", head, rows, self._balance())

    def _balance(self) -> str:
        if self.target is None:
            return "no target named; next: pass --target NAME to see the classes"
        if not self.classes:
            return f"target {self.target} does not hold classes"
        shown = [f"{name} {count} ({count / self.rows:.1%})" for name, count in self.classes[:20]]
        more = [f"and {len(self.classes) - 20} more"] if len(self.classes) > 20 else []
        return f"classes of {self.target}: {', '.join(shown + more)}"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        table = self.table()
        head = "".join(_cell("th", html.escape(name)) for name in (*table.columns, "histogram"))
        lines = [
            [*(html.escape(cell(value)) for value in row), histogram_svg(column.counts)]
            for row, column in zip(table.rows, self.columns, strict=True)
        ]
        body = "".join("<tr>" + "".join(_cell("td", text) for text in line) + "</tr>" for line in lines)
        note = f"<p>{html.escape(table.note)}</p>"
        title = f"<p><b>{html.escape(table.title)}</b></p>"
        drawn = f"{title}<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{note}"
        return {"text/plain": self.as_text(), "text/html": f"<div class='lepton-result'>{drawn}</div>"}


def _short(text: str, most: int = 24) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _cell(tag: str, content: str) -> str:
    return f"<{tag} style='text-align:left'>{content}</{tag}>"


def histogram_svg(counts: Sequence[int]) -> str:
    """A histogram as a small inline SVG, without any text of the data's; empty when nothing was counted.

    Args:
        counts: rows per bin.

    Example:
        >>> histogram_svg([1, 4]).count("<rect")
        2
    """
    if not any(counts):
        return ""
    step, most = _WIDTH / len(counts), max(counts)
    bars = []
    for index, count in enumerate(counts):
        # A bin that is not empty stays visible beside a much taller one.
        height = max(1.0, count / most * _HEIGHT) if count else 0.0
        bars.append(
            f"<rect x='{index * step:.1f}' y='{_HEIGHT - height:.1f}' width='{step * 0.9:.1f}' height='{height:.1f}'/>"
        )
    label = f"histogram: {', '.join(map(str, counts))}"
    return (
        f"<svg role='img' aria-label='{label}' width='{_WIDTH}' height='{_HEIGHT}' viewBox='0 0 {_WIDTH} {_HEIGHT}' "
        f"fill='#4c78a8'>{''.join(bars)}</svg>"
    )


@dataclass(frozen=True)
class Problem:
    """Something that would spoil a model.

    Args:
        level: `error` (the data cannot be used as it is, or scores would lie), `warning`, or `note`.
        what: what was found.
        next_step: what to do about it.
        columns: which columns it is about.
    """

    level: Literal["error", "warning", "note"]
    what: str
    next_step: str
    columns: tuple[str, ...] = ()


@dataclass(frozen=True)
class Check(Result):
    """What was looked for and found in a data set.

    Args:
        name: where the rows came from.
        rows: number of rows.
        problems: the worst first.
    """

    name: str
    rows: int
    problems: tuple[Problem, ...] = field(default_factory=tuple)

    @property
    def ok(self) -> bool:
        """Whether nothing worse than a note was found."""
        return all(problem.level == "note" for problem in self.problems)

    def table(self) -> Table:
        """One line per problem."""
        rows = [(p.level, p.what, p.next_step) for p in self.problems]
        note = "" if rows else "no problems found"
        head = ("level", "problem", "next step") if rows else ()
        return Table(f"check of {self.name} ({self.rows} rows)", head, rows, note)

    def to_json(self) -> dict[str, Any]:
        """`ok`, and one object per problem."""
        return {**super().to_json(), "ok": self.ok}
