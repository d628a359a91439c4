"""The columns of a source by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..errors import DataError
from ..workspace import Workspace
from .opening import open_rows
from .queries import Tables
from .sources import Choices

__all__ = ["columns_of"]


def columns_of(ws: Workspace, source: Any, tables: Tables | None = None) -> Mapping[str, Callable[[], Any]]:
    """Per column of a table what reads it, from any thread.

    Args:
        ws: the workspace; nothing is written.
        source: what `load` takes.
        tables: gives a query the DataFrame or Arrow table of a name, or None.

    Returns:
        Functions that give an Arrow array each.

    Raises:
        DataError: the rows cannot be read, or there are no columns but pictures or arrays.
        NotFoundError: there is no such file or name.
    """
    rows, _ = open_rows(ws, source, None, Choices(tables=tables))
    if rows.array is not None:
        raise DataError(f"{rows.name} holds arrays, not a table of columns", expected="a table")
    return {column.name: lambda cells=column.cells: cells for column in rows.columns}  # type: ignore[misc]
