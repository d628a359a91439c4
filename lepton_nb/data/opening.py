"""Rows from wherever the user points: a source, or a data set that is loaded already."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ..errors import NotFoundError, UsageError
from ..records import Data
from ..workspace import Workspace
from .columns import TypedColumn, typed
from .kept import kept_inputs, kept_sides, kept_table, kept_targets
from .multilabel import as_lists
from .pictures import PICTURES
from .queries import is_query
from .sources import SUFFIXES, Choices, Source, is_builtin, open_source
from .store import find

__all__ = ["is_source", "open_rows"]


def is_source(text: str) -> bool:
    """Whether a text can be nothing but a source: a query, a file, or a folder written as a path.

    The name of a loaded data set never is, and nor is a bare `digits`, which may be one.

    Example:
        >>> is_source("rows.csv"), is_source("SELECT 1 AS a"), is_source("digits")
        (True, True, False)
    """
    if is_query(text) or text.startswith("sklearn:") or Path(text).suffix.lower() in (*SUFFIXES, *PICTURES):
        return True
    return ("/" in text or text.startswith((".", "~"))) and _is_folder(text)


def _is_folder(text: str) -> bool:
    try:
        return Path(text).expanduser().is_dir()
    except (OSError, RuntimeError, ValueError):
        # A name too long, a home that nobody has, a zero byte: whoever opens it says so.
        return False


def open_rows(
    ws: Workspace, source: Any, target: str | None = None, choices: Choices | None = None
) -> tuple[Source, Data | None]:
    """Read a source, or the rows of a loaded data set.

    Args:
        ws: the workspace.
        source: what `open_source` takes, or a `Data`, a hash, a unique prefix or a name of one.
        target: name of the target, when it is known.
        choices: how a source is read.

    Returns:
        The rows, and the loaded data set when they came from one.

    Raises:
        FormatError: a file of the loaded data set is missing or broken; the rest as `open_source`.
    """
    data = source if isinstance(source, Data) else _loaded(ws, source)
    return (open_source(source, target, choices), None) if data is None else (_rows(data), data)


def _loaded(ws: Workspace, source: Any) -> Data | None:
    # A folder wins over the data that was loaded from it under its name: its files may be others by now.
    if not isinstance(source, str) or is_builtin(source) or is_source(source) or _is_folder(source):
        return None
    try:
        return find(ws, source)
    except (NotFoundError, UsageError):
        # Not loaded: it may still be a file, and if it is not, that error names what was expected.
        return None


def _rows(data: Data) -> Source:
    targets = _targets(data)
    known: dict[str, Any] = {"target": tuple(column.name for column in targets), "task": data.task}
    if data.kind == "array":
        array, pictures = np.array(kept_inputs(data)), data.columns[0].picture
        return Source(data.name, targets, array, pictures=pictures, sides=kept_sides(data), **known)
    table = kept_table(data)
    if data.kind == "text":
        texts = table.column(data.columns[0].name).combine_chunks()
        text = TypedColumn(data.columns[0].name, "category", texts, raw=texts)
        return Source(data.name, (text, *targets), **known)
    # Text was judged when it was loaded: it is categories now, whatever it looks like.
    inputs = (
        typed(column.name, table.column(column.name))
        if column.kind == "number"
        else TypedColumn(column.name, "category", table.column(column.name).combine_chunks())
        for column in data.columns
    )
    return Source(data.name, (*inputs, *targets), **known)


def _targets(data: Data) -> tuple[TypedColumn, ...]:
    import pyarrow as pa

    values = kept_targets(data)
    if data.task == "regression":
        return tuple(typed(name, pa.array(column)) for name, column in zip(data.targets, values.T, strict=True))
    if data.task == "multilabel":
        return (as_lists(data.target, data.classes, values),)
    labels = pa.array(data.classes, pa.string()).take(pa.array(values))
    return (TypedColumn(data.target, "category", labels, order=data.classes),)
