"""The columns of a Parquet file, one at a time: two files that are compared need not fit into the memory.

It stands here, apart from all else that rows can come from, whose import takes as long as reading ten columns of a
million rows.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ..errors import DataError, NotFoundError
from ..records import refuse_duplicates

__all__ = ["columns_of_file"]

_INDEX = re.compile(r"__index_level_\d+__")


def columns_of_file(path: Path) -> Mapping[str, Callable[[], Any]]:
    """Per column of a Parquet file what reads it when it is asked for, from any thread.

    Returns:
        Functions that give an Arrow array each; texts come with a dictionary.

    Raises:
        DataError: it is no Parquet file, two of its columns have the same name, or later: a column cannot be read.
        NotFoundError: there is no such file.
    """
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
