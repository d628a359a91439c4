"""Labels from a file or a table become one file of feedback, as the server would have written them: all or none."""

from __future__ import annotations

import contextlib
import math
import os
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from ...errors import DataError, FormatError, NotFoundError, UsageError
from ...records import Deployment, Feedback
from ...runtime import FORMAT, ModelError, read_signature, read_slots
from ...runtime.formats import PREDICTION_ID
from ...runtime.texts import plain_text
from ...runtime.truths import Truths
from ...workspace import Workspace
from ..places import folder_of
from .joining import join
from .ledger import read

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["feedback"]

_COLUMNS = ("id", "label")


def feedback(ws: Workspace, deployment: Deployment | str, labels: Any) -> Feedback:
    """Write labels for a deployment, and join them with their predictions.

    Rows without a label are left out. Of several labels for one prediction the one that is told last holds.

    Args:
        ws: the workspace.
        deployment: the deployment, or its name.
        labels: a .csv or .parquet file with the columns `id` and `label`, a DataFrame or an Arrow table with these, or
            a mapping of ids to labels. Other columns are left aside.

    Raises:
        NotFoundError: there is no such deployment or file.
        DataError: a column is missing, an id is none of a prediction, or a label is none that its models answer; then
            nothing is written.
    """
    name = str(deployment)
    folder = folder_of(ws, name)
    pairs = _pairs(_table(labels), _legal(folder))
    if not pairs:
        raise DataError("there are no labels in it", expected="rows with an id and a label")
    before = read(folder).joined
    _write(folder, pairs, time.time())
    ledger = join(ws, folder)
    return Feedback(name, len(pairs), ledger.joined - before, ledger.unmatched)


def _table(labels: Any) -> pa.Table:
    import pyarrow as pa

    if isinstance(labels, (str, Path)):
        return _read(Path(labels).expanduser())
    if isinstance(labels, Mapping):
        return pa.table({"id": list(labels), "label": [_text(value) for value in labels.values()]})
    if isinstance(labels, pa.Table):
        return labels
    if hasattr(labels, "columns") and hasattr(labels, "dtypes"):
        missing = [one for one in _COLUMNS if one not in list(labels.columns)]
        if missing:
            raise _lacks(missing[0], list(map(str, labels.columns)))
        return pa.table({one: [_text(value) for value in labels[one].tolist()] for one in _COLUMNS})
    raise UsageError(
        f"{type(labels).__name__} holds no labels", expected="a .csv or .parquet file, a DataFrame, or {id: label}"
    )


def _read(path: Path) -> pa.Table:
    import pyarrow as pa
    import pyarrow.csv as pc
    import pyarrow.parquet as pq

    if not path.is_file():
        raise NotFoundError(f"{path} does not exist", expected="a .csv or .parquet file with the columns id and label")
    try:
        if path.suffix.lower() == ".parquet":
            return pq.read_table(path, partitioning=None)
        if path.suffix.lower() == ".csv":
            # Text as it stands there: 007 is no 7.
            as_text = pc.ConvertOptions(column_types=dict.fromkeys(_COLUMNS, pa.string()))
            return pc.read_csv(path, convert_options=as_text)
    except (pa.ArrowException, OSError) as cause:
        raise DataError(f"{path} cannot be read", got=str(cause)) from cause
    raise UsageError(f"{path} has an unknown kind", expected="a name that ends in .csv or .parquet")


def _lacks(column: str, columns: Sequence[str]) -> DataError:
    return DataError(f"column {column!r} is missing", expected="the columns id and label", got=", ".join(columns[:20]))


def _legal(folder: Path) -> Truths:
    """What models of a deployment answer, or have answered."""
    try:
        slots = read_slots(folder / "slots.json").values()
        signatures = [read_signature(slot.path) for slot in slots]
    except ModelError as cause:
        raise FormatError("the deployment's models cannot be read", got=str(cause)) from cause
    known = read(folder).classes.values()
    return Truths.of(signatures, (name for names in known for name in names))


def _pairs(table: pa.Table, truths: Truths) -> list[tuple[str, Any]]:
    for column in _COLUMNS:
        if column not in table.column_names:
            raise _lacks(column, table.column_names)
    found: list[tuple[str, Any]] = []
    columns = (table[column].to_pylist() for column in _COLUMNS)
    for row, (identifier, label) in enumerate(zip(*columns, strict=True)):
        text = _text(label)
        if not text:
            continue
        if not isinstance(identifier, str) or not PREDICTION_ID.fullmatch(identifier.strip()):
            raise DataError(
                f"row {row}: {str(identifier)[:60]!r} is no id of a prediction",
                expected="an id as POST /predict answers it",
            )
        found.append((identifier.strip(), _label(text, truths, row)))
    return found


def _text(value: Any) -> str:
    """A label as text; empty where there is none."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    whole = isinstance(value, float) and value.is_integer()
    return plain_text(str(int(value) if whole else value))


def _label(text: str, truths: Truths, row: int) -> Any:
    """A label as it is told over HTTP: several numbers are a JSON object, labels a JSON list or `one; another`."""
    for parse in (str, float, orjson.loads, _parted):
        with contextlib.suppress(ValueError):
            if truths.takes(label := parse(text)):
                return label
    raise DataError(
        f"row {row}: label {text[:60]!r} is none that the model answers",
        expected=truths.expected.removeprefix("one of "),
    )


def _parted(text: str) -> list[str]:
    return [one.strip() for one in text.split(";") if one.strip()]


def _write(folder: Path, pairs: Iterable[tuple[str, Any]], now: float) -> None:
    """One file, whole or not at all, under a name that nobody else has."""
    content = b"".join(
        orjson.dumps({"format": FORMAT, "id": one, "label": label, "time": now}, option=orjson.OPT_APPEND_NEWLINE)
        for one, label in pairs
    )
    handle, temporary = tempfile.mkstemp(prefix=".feedback-", dir=folder)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        number = 1
        while not _linked(temporary, folder / f"feedback-{os.getpid()}-{number}.jsonl"):
            number += 1
    finally:
        Path(temporary).unlink(missing_ok=True)


def _linked(temporary: str, path: Path) -> bool:
    """Whether the file could have this name: one that is there already is never replaced."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        return False
    return True
