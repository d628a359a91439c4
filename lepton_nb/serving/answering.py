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
    schema, rows = _schema(model.signature), 0
    with replacing(target) as temporary, contextlib.closing(pq.ParquetWriter(temporary, schema)) as writer:
        for inputs in _batches(source, model.signature):
            arrays = _columns(_answers(model, inputs, tag, source, rows), model.signature, schema)
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema))
            rows += len(arrays[0])
            tell(len(arrays[0]))
    return rows


def _schema(signature: Signature) -> Any:
    """The columns of the answers: `label` and one per class, or one per output."""
    import pyarrow as pa

    if not signature.is_classification:
        kinds = {"bool": pa.bool_(), "float32": pa.float32(), "float64": pa.float64()}
        fields = []
        for one in signature.outputs:
            kind = kinds.get(one.dtype) or getattr(pa, one.dtype)()
            fields.append((one.name, pa.list_(kind) if one.shape else kind))
        return pa.schema(fields)
    # A class may be called as the first column is.
    names = [f"probability {name}" if name == "label" else name for name in signature.classes]
    return pa.schema([("label", pa.string()), *((name, pa.float32()) for name in names)])


def _columns(answers: Any, signature: Signature, schema: Any) -> list[Any]:
    import pyarrow as pa

    if signature.is_classification:
        labels = np.array(signature.classes, dtype=object)[answers.argmax(1)]
        return [pa.array(labels, pa.string()), *(pa.array(column) for column in answers.T)]
    # Values of any shape are one list each, in order.
    flat = [one if one.ndim == 1 else list(one.reshape(len(one), -1)) for one in answers.values()]
    return [pa.array(values, field.type) for values, field in zip(flat, schema, strict=True)]


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
            except RequestError as fault:
                raise DataError(f"{source}: {fault.behind(start).message}") from fault
            except DataError as cause:
                where = f"{source}, rows {start} to {start + batch.num_rows - 1}: {cause.what}"
                raise DataError(where, expected=cause.expected, got=cause.got, hint=cause.hint) from cause
            start += batch.num_rows


def _inputs(batch: Any, signature: Signature) -> dict[str, Any] | None:
    """The input of an array model from its column of lists; None for columns."""
    arrays = [one for one in signature.inputs if one.kind == "array"]
    # One value a row, and lists of a length that may differ, are read as rows are.
    if any(one.kind == "text" or one.dtype != "float32" for one in signature.inputs) or (
        arrays and (len(signature.inputs) > 1 or not arrays[0].shape or -1 in arrays[0].shape)
    ):
        from ..runtime.rows import arrays_of

        return arrays_of(batch.to_pylist(), signature)
    if not arrays:
        return None
    (one,) = arrays
    import pyarrow as pa
    import pyarrow.compute as pc

    values, size = batch.column(0), int(np.prod(one.shape))
    wrong = DataError(f"column {one.name!r} does not fit", expected=f"lists of {size} finite numbers")
    kinds = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
    inner = values.type.value_type if any(fits(values.type) for fits in kinds) else pa.null()
    if not (pa.types.is_integer(inner) or pa.types.is_floating(inner)) or values.null_count:
        raise wrong
    # Row by row: lists of other lengths may have the same sum.
    if not pc.all(pc.equal(pc.list_value_length(values), size)).as_py():
        raise wrong
    flat = np.asarray(values.flatten().to_numpy(zero_copy_only=False), dtype=np.float32)
    if not np.isfinite(flat).all():
        raise wrong
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
