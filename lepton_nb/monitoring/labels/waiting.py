"""Labels without their prediction: `labels/<n>.waiting.parquet`, which `state.json` names and which never changes.

However many wait, only those that are looked for are more in memory than columns: a million take about 300 MB, for as
long as somebody joins.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ...errors import FormatError
from ...workspace import replacing

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Pending", "Waiting", "due", "kept", "path_of", "those_of"]


class Pending(NamedTuple):
    """A label without its prediction.

    Args:
        id: of the prediction.
        label: the class that was right.
        time: when it was told, seconds since the epoch.
        read: when it was read.
        next: when to look again.
    """

    id: str
    label: str
    time: float
    read: float
    next: float


class Waiting(NamedTuple):
    """A file of labels that wait.

    Args:
        number: in its name; 0 where nothing waits.
        rows: labels in it.
        next: when to look for the first one again, seconds since the epoch.
    """

    number: int = 0
    rows: int = 0
    next: float = 0.0


def path_of(folder: Path, number: int) -> Path:
    """The file of this number.

    Args:
        folder: of what was joined.
        number: in its name.
    """
    return folder / f"{number:08d}.waiting.parquet"


def due(folder: Path, waiting: Waiting, now: float, most: int) -> list[Pending]:
    """Labels that are to be looked for.

    Args:
        folder: of what was joined.
        waiting: the file.
        now: seconds since the epoch.
        most: so many at most.

    Raises:
        FormatError: the file is missing or broken.
    """
    import pyarrow.compute as pc

    if not waiting.rows or waiting.next > now:
        return []
    table = _read(folder, waiting)
    return _rows(table.filter(pc.less_equal(table["next"], now)).slice(0, most))


def those_of(folder: Path, waiting: Waiting, ids: Collection[str]) -> list[Pending]:
    """Those of some predictions.

    Raises:
        FormatError: the file is missing or broken.
    """
    if not waiting.rows:
        return []
    table = _read(folder, waiting)
    return _rows(table.filter(_among(table, ids)))


def kept(folder: Path, waiting: Waiting, number: int, gone: Collection[str], more: Sequence[Pending]) -> Waiting:
    """Write a file of what waits then.

    Args:
        folder: of what was joined.
        waiting: the file so far, which stays as it is.
        number: of the new file.
        gone: ids that no longer wait, unless they are in `more`.
        more: labels that wait as well.

    Returns:
        The new file; `waiting` where that would say the same.

    Raises:
        FormatError: the file so far is missing or broken.
    """
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    parts = []
    if waiting.rows:
        table = _read(folder, waiting)
        parts.append(table.filter(pc.invert(_among(table, gone))))
        if not more and parts[0].num_rows == table.num_rows:
            return waiting
    if more:
        parts.append(pa.table([pa.array(one) for one in zip(*more, strict=True)], schema=_schema()))
    if not sum(one.num_rows for one in parts):
        return Waiting()
    table = pa.concat_tables(parts)
    with replacing(path_of(folder, number)) as temporary, temporary.open("wb") as stream:
        pq.write_table(table, stream, compression="zstd")
        stream.flush()
        os.fsync(stream.fileno())
    return Waiting(number, table.num_rows, float(pc.min(table["next"]).as_py()))


def _schema() -> pa.Schema:
    import pyarrow as pa

    texts = ("id", "label")
    return pa.schema([(name, pa.string() if name in texts else pa.float64()) for name in Pending._fields])


def _among(table: pa.Table, ids: Collection[str]) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    return pc.is_in(table["id"], pa.array(list(ids), pa.string()))


def _rows(table: pa.Table) -> list[Pending]:
    return list(map(Pending._make, zip(*(table[name].to_pylist() for name in Pending._fields), strict=True)))


def _read(folder: Path, waiting: Waiting) -> pa.Table:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = path_of(folder, waiting.number)
    try:
        return pq.read_table(path, schema=_schema(), partitioning=None)
    except (OSError, pa.ArrowException) as cause:
        raise FormatError(
            f"{path} is not readable",
            got=str(cause),
            hint=f"delete the folder {folder}; the labels are joined again from the log",
        ) from cause
