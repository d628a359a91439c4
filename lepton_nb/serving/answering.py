"""One file of rows in, one file of answers out, no more in memory than some thousand rows."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import DataError, ServingError
from ..runtime import ModelError, RequestError, Signature
from ..workspace import replacing

__all__ = ["score_file"]

_ROWS_AT_ONCE = 16_384


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
