"""Files of rows in, files of answers out: no server, and no more in memory than some thousand rows."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import DataError, NotFoundError, ServingError, UsageError
from ..records import Bento, Progress, Report, Scored, silent
from ..runtime import ModelError, RequestError, Signature
from ..workspace import replacing

__all__ = ["files_of", "score", "score_file"]

_ROWS_AT_ONCE = 16_384


def files_of(source: Path, out: Path) -> list[tuple[Path, Path]]:
    """Which file is answered into which.

    Args:
        source: a .parquet file, or a folder of them.
        out: a .parquet file, or a folder when `source` is one.

    Raises:
        NotFoundError: there is no such file, or no .parquet file in the folder.
        UsageError: a folder shall be answered into a file.
    """
    if source.is_dir():
        if out.suffix:
            raise UsageError(f"--out {out} is a file", expected=f"a folder, for the files of {source}")
        found = sorted(source.glob("*.parquet"))
        if not found:
            raise NotFoundError(f"{source} has no .parquet file")
        return [(path, out / path.name) for path in found]
    if not source.is_file():
        raise NotFoundError(f"{source} does not exist", expected="a .parquet file, or a folder of them")
    return [(source, out)]


def score(bento: Bento, source: Path, out: Path, *, on: str | None = None, report: Report = silent) -> Scored:
    """Answer every row of .parquet files.

    Columns that the model does not take are left aside. The answers have the columns `label` and one per class, in the
    order of the rows. A file is there when it is whole.

    Args:
        bento: what answers.
        source: a .parquet file, or a folder of them.
        out: a .parquet file, or a folder.
        on: `ray` to spread the files over the cluster of RAY_ADDRESS, or over this machine; None for this process.
        report: hears how far it is.

    Returns:
        What was written.

    Raises:
        NotFoundError, UsageError: as `files_of`.
        DataError: a row does not fit; the message names file, row and column.
        ServingError: the Bento's model cannot be loaded, or fails.
    """
    files = files_of(source, out)
    for _, target in files:
        target.parent.mkdir(parents=True, exist_ok=True)
    total, done = sum(_rows(path) for path, _ in files), 0
    began = time.monotonic()

    def tell(rows: int, path: Path) -> None:
        nonlocal done
        done += rows
        report(Progress(time.time(), done, total, f"rows of {path.name}"))

    report(Progress(time.time(), 0, total, f"rows of {files[0][0].name}"))
    if on == "ray":
        from .scoring_on_ray import spread

        spread(bento, files, tell)
    else:
        for path, target in files:
            score_file(bento.tag, bento.model, path, target, partial(_told, tell, path))
    return Scored(bento.tag, total, tuple(target for _, target in files), time.monotonic() - began)


def _told(tell: Callable[[int, Path], None], path: Path, rows: int) -> None:
    tell(rows, path)


def score_file(tag: str, folder: Path, source: Path, target: Path, tell: Callable[[int], None] = lambda _: None) -> int:
    """Answer every row of one .parquet file.

    Args:
        tag: of the Bento.
        folder: with its model.
        source: the rows.
        target: the answers; replaced when they are all there.
        tell: hears of rows that are answered.

    Returns:
        How many rows were answered.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    from ..runtime.model import Model

    try:
        model = Model.load(folder, threads=max(1, (os.cpu_count() or 2) // 2))
    except ModelError as cause:
        raise ServingError(f"{tag} cannot be asked", got=str(cause), hint="package the run again") from cause
    classes = model.signature.classes
    schema = pa.schema([("label", pa.string()), *((name, pa.float32()) for name in classes)])
    rows = 0
    with replacing(target) as temporary, contextlib.closing(pq.ParquetWriter(temporary, schema)) as writer:
        for inputs in _batches(source, model.signature):
            probabilities = _answers(model, inputs, tag, source, rows)
            labels = np.array(classes, dtype=object)[probabilities.argmax(1)]
            arrays = [pa.array(labels, pa.string()), *(pa.array(column) for column in probabilities.T)]
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema))
            rows += len(labels)
            tell(len(labels))
    return rows


def _rows(path: Path) -> int:
    import pyarrow.parquet as pq

    try:
        return int(pq.read_metadata(path).num_rows)
    except (OSError, ValueError) as cause:
        raise DataError(f"{path} is not a .parquet file", got=" ".join(str(cause).split())[:200]) from cause


def _batches(source: Path, signature: Signature) -> Iterator[dict[str, Any]]:
    import pyarrow.parquet as pq

    from ..data import inputs_of

    with pq.ParquetFile(source) as file:
        names = [one.name for one in signature.inputs]
        if missing := [name for name in names if name not in file.schema_arrow.names]:
            raise DataError(f"{source} has no column {missing[0]!r}", expected=f"the columns {', '.join(names[:20])}")
        start = 0
        for batch in file.iter_batches(_ROWS_AT_ONCE, columns=names):
            try:
                yield _inputs(batch, signature) or inputs_of(batch.to_pandas(), signature.inputs)
            except DataError as cause:
                where = f"{source}, rows {start} to {start + batch.num_rows - 1}: {cause.what}"
                raise DataError(where, expected=cause.expected, got=cause.got, hint=cause.hint) from cause
            start += batch.num_rows


def _inputs(batch: Any, signature: Signature) -> dict[str, Any] | None:
    """The input of an array model from its column of lists; None for columns."""
    if [one.kind for one in signature.inputs] != ["array"]:
        return None
    (one,) = signature.inputs
    values = batch.column(0)
    flat = np.asarray(values.flatten().to_numpy(zero_copy_only=False), dtype=np.float32)
    size = int(np.prod(one.shape))
    if values.null_count or flat.size != size * batch.num_rows or not np.isfinite(flat).all():
        raise DataError(f"column {one.name!r} does not fit", expected=f"lists of {size} finite numbers")
    return {one.name: flat.reshape(batch.num_rows, *one.shape)}


def _answers(model: Any, inputs: dict[str, Any], tag: str, source: Path, start: int) -> Any:
    from ..runtime.finite import refuse_not_finite

    try:
        probabilities = model.predict(inputs)
        refuse_not_finite(probabilities, inputs, model.signature)
    except RequestError as fault:
        if fault.status not in (400, 422) or fault.row is None:
            raise ServingError(f"{tag} failed on {source}", got=fault.message) from fault
        message = fault.message.replace(f"row {fault.row}", f"row {start + fault.row}", 1)
        raise DataError(f"{source}: {message}") from fault
    return probabilities


def parts_of(files: Sequence[tuple[Path, Path]]) -> list[tuple[str, str]]:
    """The same as absolute texts, for other processes."""
    return [(str(source.resolve()), str(target.resolve())) for source, target in files]
