"""Labelled predictions become two files: what a retraining is given, and what it is judged by and never sees."""

from __future__ import annotations

import hashlib
import io
import json
import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import DataError, FormatError
from ..runtime import Input, RequestError, Signature
from ..workspace import write_atomic
from .measuring import Rows

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["GATE_SHARE", "Frozen", "freeze", "in_the_open", "is_gate", "read_rows", "rows_of", "unfit"]

GATE_SHARE = 0.3
# More rows than this are no newer knowledge, and cost time.
_MOST = 100_000
_TRUTH = "truth"


@dataclass(frozen=True)
class Frozen:
    """What was frozen.

    Args:
        train: the file that the pipeline is given.
        gate: the file that it is not given.
        target: the column of the classes.
        train_rows: number of rows.
        gate_rows: number of rows.
    """

    train: Path
    gate: Path
    target: str
    train_rows: int
    gate_rows: int


def is_gate(identifier: str, share: float = GATE_SHARE) -> bool:
    """Whether a prediction belongs to the gate: told by its id alone, so that it is the same in every cycle.

    Example:
        >>> sum(is_gate(str(number)) for number in range(1000))
        324
    """
    drawn = int.from_bytes(hashlib.sha256(identifier.encode()).digest()[:8], "big") / 2**64
    return drawn < share


def freeze(folder: Path, table: pa.Table, signature: Signature) -> Frozen:
    """Write labelled predictions as two Parquet files, named by their content.

    Args:
        folder: where they are written, for this user alone.
        table: as `monitoring.labelled` gives it; the newest rows are taken, without those that are masked.
        signature: of the model that answered.

    Raises:
        DataError: a column is not on the log as it was in any row, or a part has no rows.
    """
    table = in_the_open(table, signature)
    table = table.slice(max(0, len(table) - _MOST))
    gate = np.array([is_gate(one) for one in table["id"].to_pylist()], dtype=bool)
    target = target_of(signature)
    files = {}
    for name, chosen in (("train", ~gate), ("gate", gate)):
        if not chosen.any():
            raise DataError(f"no labelled prediction falls into the {name} part", expected="more labels")
        rows = rows_of(table.filter(chosen.tolist()), signature)
        content = _parquet(rows, signature, target)
        files[name] = folder / f"{name}-{hashlib.sha256(content).hexdigest()[:16]}.parquet"
        write_atomic(files[name], content, mode=0o600)
    return Frozen(files["train"], files["gate"], target, int((~gate).sum()), int(gate.sum()))


def target_of(signature: Signature) -> str:
    """A name for the column of the classes that no input has."""
    names = {one.name for one in signature.inputs}
    return next(name for name in (_TRUTH, *(f"{_TRUTH}_{i}" for i in range(len(names) + 1))) if name not in names)


def unfit(signature: Signature) -> str:
    """Why labelled rows of a model cannot be frozen and judged by; empty when they can."""
    if not signature.is_classification:
        return f"it tells no class (its task is {signature.task}), and labels are compared with classes"
    loose = [one.name for one in signature.inputs if -1 in one.shape]
    return f"rows of {loose[0]!r} differ in length" if loose else ""


def in_the_open(table: pa.Table, signature: Signature) -> pa.Table:
    """The labelled predictions of which every input is on the log as it was.

    Args:
        table: as `monitoring.labelled` gives it.
        signature: of the model.

    Raises:
        DataError: there are rows, and all are masked.
    """
    names = [one.name for one in signature.inputs]
    both = zip(table["inputs"].to_pylist(), table["masked"].to_pylist(), strict=True)
    hidden = [_hidden(names, json.loads(text), masked or ()) for text, masked in both]
    kept = table.filter([not name for name in hidden])
    if hidden and not len(kept):
        raise DataError(
            f"column {hidden[-1]!r} is not on the prediction log as it was",
            expected="every input, to retrain and to judge by",
            hint="serve with --log-inputs yes, or give the rows by a pipeline of your own",
        )
    return kept


def _hidden(names: list[str], row: Mapping[str, Any], masked: Collection[str]) -> str:
    """The first column that is hashed or left out; empty when none is."""
    return next((name for name in names if name in masked or name not in row), "")


def rows_of(table: pa.Table, signature: Signature) -> Rows:
    """Labelled predictions as a model takes them.

    Args:
        table: rows that `in_the_open` has let through.
        signature: of the model.

    Raises:
        DataError: a row is none of this model's, or there can be no such rows.
    """
    from ..runtime.rows import arrays_of

    if reason := unfit(signature):
        raise DataError(f"a logged row cannot be judged by: {reason}")
    given = [json.loads(text) for text in table["inputs"].to_pylist()]
    rows = [{one.name: _shaped(row[one.name], one) for one in signature.inputs} for row in given]
    try:
        inputs = arrays_of(rows, signature) if rows else _nothing(signature)
    except RequestError as cause:
        raise DataError("a logged row does not fit the model", got=cause.message) from cause
    return Rows(
        {one.name: _flat(inputs[one.name], one) for one in signature.inputs},
        np.array(table["truth"].to_pylist(), dtype=object),
    )


def read_rows(path: Path, signature: Signature) -> Rows:
    """The rows of a frozen file.

    Raises:
        FormatError: it is missing or broken.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path)
        truth = table[target_of(signature)].to_pylist()
        inputs = {one.name: _read(table[one.name].combine_chunks(), one) for one in signature.inputs}
    except (OSError, KeyError, pa.ArrowInvalid) as cause:
        raise FormatError(f"{path} is not readable", expected="the frozen rows of a watch", got=str(cause)) from cause
    return Rows(inputs, np.array(truth, dtype=object))


def _read(column: Any, one: Input) -> Any:
    if one.kind == "number":
        return np.asarray(column.to_numpy(zero_copy_only=False), dtype=np.float64)
    if one.kind == "category":
        return np.array([text or "" for text in column.to_pylist()], dtype=object)
    if one.kind == "text":
        return np.array(column.to_pylist(), dtype=object)
    return np.asarray(column.to_pylist(), dtype=one.dtype).reshape(-1, *one.shape)


def _parquet(rows: Rows, signature: Signature, target: str) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns: dict[str, Any] = {}
    for one in signature.inputs:
        values = rows.inputs[one.name]
        if one.kind == "number":
            columns[one.name] = pa.array(values, pa.float64(), from_pandas=True)
        elif one.kind == "category":
            columns[one.name] = pa.array([text or None for text in values.tolist()], pa.string())
        elif one.kind == "text":
            columns[one.name] = pa.array(values.tolist(), pa.string())
        else:
            kind = pa.list_(pa.from_numpy_dtype(np.dtype(one.dtype)))
            columns[one.name] = pa.array(values.reshape(len(rows), -1).tolist(), kind)
    columns[target] = pa.array(rows.truth.tolist(), pa.string())
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink)
    return sink.getvalue()


def _shaped(value: Any, one: Input) -> Any:
    """An array's value as it was sent: a sealed log keeps its numbers in one flat list."""
    is_flat = isinstance(value, list) and len(one.shape) > 1 and not any(isinstance(part, list) for part in value)
    if not is_flat or len(value) != math.prod(one.shape):
        return value
    return np.array(value, dtype=object).reshape(one.shape).tolist()


def _flat(values: Any, one: Input) -> Any:
    array = np.asarray(values)
    return array if one.shape else array.reshape(-1)


def _nothing(signature: Signature) -> dict[str, Any]:
    kinds = {"number": "float64", "category": "object", "text": "object"}
    return {one.name: np.empty((0, *one.shape), dtype=kinds.get(one.kind, one.dtype)) for one in signature.inputs}
