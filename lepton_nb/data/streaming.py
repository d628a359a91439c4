"""A Parquet file that is larger than the memory becomes a data set, a batch of rows at a time."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..errors import DataError, UsageError
from ..records import Data, refuse_duplicates
from ..workspace import Workspace
from .buckets import bucket_count, write_buckets
from .columns import TypedColumn
from .kept import batch_rows
from .labels import refuse_no_labels
from .memory import available_memory
from .roles import choose_targets, inputs_and_times
from .scanning import Scanned, cells_of, scan
from .sources import Source, source_name
from .splits import SplitPlan
from .store import content_hash, put

__all__ = ["must_stream", "stream"]


def must_stream(source: Any, wanted: bool | None) -> bool:
    """Whether rows are to be read a batch at a time.

    Args:
        source: what was passed to `load`.
        wanted: what was asked for; None streams a Parquet file that would take more than a third of the memory.

    Raises:
        UsageError: it was asked for, and the source is no Parquet file.
    """
    fits = isinstance(source, (str, Path)) and _is_parquet(str(source))
    if wanted and not fits:
        raise UsageError(
            f"{str(source)[:80]!r} cannot be streamed",
            expected="the path of a .parquet file",
            hint="write the rows as Parquet first, or load them into memory without --stream",
        )
    return fits and (wanted if wanted is not None else _size(Path(source).expanduser()) > available_memory() // 3)


def _is_parquet(text: str) -> bool:
    try:
        path = Path(text).expanduser()
        return path.suffix.lower() in {".parquet", ".pq"} and path.is_file()
    except (OSError, RuntimeError, ValueError):
        # Whoever opens it says what is wrong with the name.
        return False


def _size(path: Path) -> int:
    """Bytes that the rows take in memory, about."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        found = pq.read_metadata(path)
    except (pa.ArrowException, OSError):
        # Whoever reads it says what is wrong with it.
        return 0
    groups = (found.row_group(i).total_byte_size for i in range(found.num_row_groups))
    return int(max(sum(groups), 8 * found.num_rows * found.num_columns))


def stream(
    ws: Workspace,
    path: Path,
    target: str | None,
    name: str | None,
    plan: SplitPlan,
    ignore: Sequence[str],
    task: str | None = None,
) -> Data:
    """Load a Parquet file in two passes with bounded memory: one looks at the rows, one writes them.

    Each row is drawn into a part by its number and the seed, so that the shares hold about, not exactly; to have every
    class in every part as `stratified` has, the rows would have to be counted before they are drawn.

    Args:
        ws: the workspace.
        path: the file.
        target: name of the target.
        name: what people call the data.
        plan: seed and shares of a random split.
        ignore: columns that are no inputs.
        task: None or `classification`: numbers and labels are not streamed.

    Raises:
        UsageError: it is another task.
        DataError: the rows cannot be used as they are; nothing is written.
    """
    import pyarrow as pa

    opened = _opened(path)
    chosen = _only(choose_targets(opened, target), task, path)
    inputs = [column.name for column in inputs_and_times(opened, [chosen.name], None, ignore)[0]]
    before = _stamp(path)
    scanned = scan(_batches(path, [*inputs, chosen.name]), inputs, chosen.name, plan)
    width = sum(max(1, len(c.categories)) if c.kind == "category" else 1 for c in scanned.columns)
    counts = {part: bucket_count(rows, width) for part, rows in scanned.rows.items()}
    meta: dict[str, Any] = {"task": "classification", "target": chosen.name, "classes": list(scanned.classes)}
    meta |= {"split": asdict(plan), "rows": scanned.rows, "kind": "table", "feature_shape": [width]}
    meta |= {"streamed": True, "buckets": counts}
    sha = content_hash({**meta, "values": scanned.digests}, {})
    meta["columns"] = [{**column.to_dict(), "shape": list(column.shape)} for column in scanned.columns]
    kinds = [pa.field(c.name, pa.float64() if c.kind == "number" else pa.string()) for c in scanned.columns]
    schema = pa.schema([*kinds, pa.field(chosen.name, pa.int32())])

    def write(folder: Path) -> None:
        write_buckets(folder, lambda: _tables(path, schema, scanned), schema, counts, plan)
        if _stamp(path) != before:
            raise DataError(f"{path} has changed while it was read", hint="load it again when it is complete")

    return put(ws, sha, meta, name or opened.name, write)


def _only(columns: Sequence[TypedColumn], task: str | None, path: Path) -> TypedColumn:
    """The one target column, which holds classes."""
    if len(columns) > 1 or task not in {None, "classification"}:
        raise UsageError(
            f"{path.name} is streamed, which knows one column of classes",
            expected="a task of classification",
            got=task or f"{len(columns)} target columns",
            hint="load fewer rows, or fewer columns, which fit into the memory",
        )
    refuse_no_labels(columns[0])
    return columns[0]


def _stamp(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_size, found.st_mtime_ns


def _opened(path: Path) -> Source:
    """The columns of the file without any rows."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        schema = pq.read_schema(path)
    except (pa.ArrowException, OSError) as cause:
        raise DataError(f"{path} is not a readable Parquet file", got=str(cause)) from cause
    names = [name for name in schema.names if not re.fullmatch(r"__index_level_\d+__", name)]
    refuse_duplicates(names)
    columns = (cells_of(name, pa.array([], schema.field(name).type)) for name in names)
    return Source(source_name(path.stem), tuple(columns))


def _batches(path: Path, names: list[str]) -> Iterator[Any]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        # Read as it is needed: buffering ahead would hold whole row groups, which may be the whole file.
        with pq.ParquetFile(path, pre_buffer=False, buffer_size=1 << 20) as file:
            yield from file.iter_batches(batch_rows(len(names)), columns=names)
    except (pa.ArrowException, OSError) as cause:
        raise DataError(f"{path} is not a readable Parquet file", got=str(cause)) from cause


def _tables(path: Path, schema: Any, scanned: Scanned) -> Iterator[Any]:
    """The rows as they are kept: float64 for numbers, text for categories, and the class as a number."""
    import pyarrow as pa
    import pyarrow.compute as pc

    *inputs, target = schema.names
    for batch in _batches(path, schema.names):
        cells = [cells_of(name, batch.column(name)).cells for name in inputs]
        labels = pc.index_in(cells_of(target, batch.column(target)).cells, value_set=scanned.values)
        yield pa.table([*cells, labels.cast(pa.int32())], schema=schema)
