"""How a result is shown: one table, as text in a shell and as escaped HTML in a notebook."""

from __future__ import annotations

import dataclasses
import html
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["Result", "Table", "plain", "printable"]

# Colours of a terminal, and other characters that are none to read.
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f]")


@dataclasses.dataclass(frozen=True)
class Table:
    """A titled table of text cells.

    Args:
        title: one line above the table.
        columns: header cells; empty for a two-column list of properties.
        rows: cells; anything that is not text is formatted by `cell`.
        note: one line below, such as the next step; may be empty.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[object]]
    note: str = ""

    def text(self) -> str:
        """The table in fixed-width columns."""
        cells = [[cell(value) for value in row] for row in self.rows]
        lines = [list(self.columns), *cells] if self.columns else cells
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)] if lines else []
        body = ["  ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)).rstrip() for line in lines]
        if self.columns and body:
            body.insert(1, "  ".join("-" * width for width in widths))
        return "\n".join(part for part in (self.title, *body, self.note) if part)

    def html(self) -> str:
        """The table with every text escaped."""
        head = "".join(f"<th style='text-align:left'>{html.escape(c)}</th>" for c in self.columns)
        body = "".join(
            "<tr>" + "".join(f"<td style='text-align:left'>{html.escape(cell(v))}</td>" for v in row) + "</tr>"
            for row in self.rows
        )
        note = f"<p style='white-space:pre-wrap'>{html.escape(self.note)}</p>" if self.note else ""
        thead = f"<thead><tr>{head}</tr></thead>" if head else ""
        caption = f"<p><b>{html.escape(self.title)}</b></p>" if self.title else ""
        return f"<div class='lepton-result'>{caption}<table>{thead}<tbody>{body}</tbody></table>{note}</div>"


def cell(value: object) -> str:
    """One cell as text: four significant digits for a float, a dash for nothing.

    Example:
        >>> cell(0.123456), cell(None), cell(True), cell((1, 2))
        ('0.1235', '-', 'yes', '1, 2')
    """
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, (list, tuple)):
        return ", ".join(cell(item) for item in value)
    return str(value)


def plain(value: Any) -> Any:
    """`value` as what strict JSON can hold: dataclasses as objects, non-finite numbers as null.

    Example:
        >>> plain({"a": float("nan"), "b": {1.5}, "c": (1, 2)})
        {'a': None, 'b': [1.5], 'c': [1, 2]}
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(item) for item in value]
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)


def printable(text: str) -> str:
    r"""Text on one line, without what steers a terminal.

    Example:
        >>> printable("\x1b[31mno\x1b[0m\n such file")
        'no such file'
    """
    return " ".join(_CONTROL.sub("", text).split())


class Result:
    """What a verb returns: attributes for code, a table for people, JSON for scripts.

    A handle (data, run, Bento, deployment) overrides `__str__` with the text that names it, so that
    `{run}` in a magic and `str(run)` in a pipeline parameter mean that very thing.
    """

    @property
    def exit_status(self) -> int:
        """What a shell is told when this is all that came of a verb."""
        return 0

    def table(self) -> Table:
        """The table that people see."""
        raise NotImplementedError

    def as_text(self) -> str:
        """The table as a shell shows it."""
        return self.table().text()

    def __str__(self) -> str:
        return self.as_text()

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {"text/plain": self.as_text(), "text/html": self.table().html()}

    def to_json(self) -> dict[str, Any]:
        """The result as one JSON-ready object; non-finite numbers are null."""
        result: dict[str, Any] = plain(self)
        return result
