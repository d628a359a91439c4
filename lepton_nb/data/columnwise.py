"""The columns of a source, read one at a time where its form allows that."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ..errors import DataError, NotFoundError
from ..workspace import Workspace
from .opening import open_rows
from .queries import Tables
from .sources import Choices, refuse_duplicates

__all__ = ["columns_of"]

_INDEX = re.compile(r"__index_level_\d+__")


def columns_of(ws: Workspace, source: Any, tables: Tables | None = None) -> Mapping[str, Callable[[], Any]]:
    """Per column of a table what reads it, from any thread.

    Args:
        ws: the workspace; nothing is written.
        source: a Parquet file, of which a column is read when it is asked for; or whatever else `load` takes.
        tables: gives a query the DataFrame or Arrow table of a name, or None.

    Returns:
        Functions that give an Arrow array each.

    Raises:
        DataError: the rows cannot be read, or there are no columns but pictures or arrays.
        NotFoundError: there is no such file or name.
    """
    if isinstance(source, (str, Path)) and Path(source).suffix.lower() == ".parquet":
        return _of_parquet(Path(source).expanduser())
    rows, _ = open_rows(ws, source, None, Choices(tables=tables))
    if rows.array is not None:
        raise DataError(f"{rows.name} holds arrays, not a table of columns", expected="a table")
    return {column.name: lambda cells=column.cells: cells for column in rows.columns}  # type: ignore[misc]


def _of_parquet(path: Path) -> dict[str, Callable[[], Any]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not path.is_file():
        raise NotFoundError(f"there is no file {path}", hint="name a Parquet file, or a data set that was loaded")
    try:
        schema = pq.read_schema(path)
    except (pa.ArrowException, OSError) as cause:
        raise DataError(f"{path} is not a readable Parquet file", got=str(cause)) from cause
    refuse_duplicates(schema.names)

    def reader(name: str) -> Callable[[], Any]:
        # Each distinct text is then looked at once, however many rows have it.
        texts = [name] if pa.types.is_string(schema.field(name).type) else []

        def read() -> Any:
            try:
                with pq.ParquetFile(path, read_dictionary=texts, memory_map=True) as file:
                    return file.read(columns=[name], use_threads=False).column(0)
            except (pa.ArrowException, OSError) as cause:
                raise DataError(f"column {name!r} of {path} cannot be read", got=str(cause)) from cause

        return read

    return {name: reader(name) for name in schema.names if not _INDEX.fullmatch(name)}
