"""Predictions by their ids: an id begins with its time, and each file of the log is in the order of its ids.

So the stretch of a file that may hold an id is found by halving, and of that stretch only the lines that are wanted
are parsed.
"""

from __future__ import annotations

import contextlib
import io
import os
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import orjson

from ...runtime import Signature
from ..entries import pieces
from ..places import LOGS
from ..sealed import sealed_batches, sealed_files
from ..shapes import shaped

__all__ = ["Predicted", "moment_of", "predicted"]

# Lines of one worker are in the order of their ids, but for requests that were worked on at the same time.
_SLACK_MS = 60_000
# More stretches would cost more to find than they spare.
_STRETCHES = 32
_CHUNK_BYTES = 4 * 1024 * 1024
_LINE_BYTES = 64 * 1024
_BEFORE_ID = b'"id":"'
_ID_BYTES = 36


class Predicted(NamedTuple):
    """One prediction that is on the log.

    Args:
        id: of the prediction.
        time: when its request came, seconds since the epoch.
        version: the model that answered.
        label: the predicted class; empty where a number was predicted.
        probabilities: one per class of that version; none where a number was predicted.
        inputs: the row as it was logged, without columns that are private.
        masked: columns whose values are hashed or left out.
        value: the predicted number, where that is the answer.
        values: numbers by their names, where several are the answer.
    """

    id: str
    time: float
    version: str
    label: str
    probabilities: Sequence[float]
    inputs: Mapping[str, Any]
    masked: Sequence[str]
    value: float | None = None
    values: Mapping[str, float] = {}


def moment_of(identifier: str) -> float:
    """When an id was made, in seconds since the epoch.

    Raises:
        ValueError: it is no UUIDv7.

    Example:
        >>> moment_of("018bcfe5-6800-7000-8000-000000000000")
        1700000000.0
    """
    return _milliseconds(identifier.encode()) / 1e3


def predicted(
    folder: Path, ids: Collection[str], signature_of: Callable[[str], Signature | None]
) -> Iterator[Predicted]:
    """The predictions of these ids that are on a deployment's log, in no order; what nobody was shown is left out.

    Args:
        folder: of the deployment.
        ids: of the predictions.
        signature_of: what a version takes; None where its model is gone.
    """
    missing = set(ids)
    for one in _on_the_log(folder, ids, signature_of):
        missing.discard(one.id)
        yield one
    # Looked for last: what was a log until just now is found here.
    yield from _sealed(folder, missing, signature_of)


def _on_the_log(
    folder: Path, ids: Collection[str], signature_of: Callable[[str], Signature | None]
) -> Iterator[Predicted]:
    if not ids:
        return
    wanted = {one.encode() for one in ids}
    stretches = _stretches(sorted(_milliseconds(one) for one in wanted))
    lines, bulk = (sorted(folder.glob(kind)) for kind in LOGS)
    for path in lines:
        # Old segments are removed while somebody reads.
        try:
            with path.open("rb") as stream:
                yield from _of_lines(stream, wanted, stretches)
        except FileNotFoundError:
            continue
    rows: defaultdict[str, set[int]] = defaultdict(set)
    for one in ids:
        whole, dot, row = one.partition(".")
        if dot:
            rows[whole].add(int(row))
    for path in bulk if rows else ():
        try:
            with path.open("rb") as stream:
                yield from _of_records(stream, rows, signature_of)
        except FileNotFoundError:
            continue


def _sealed(folder: Path, ids: Collection[str], signature_of: Callable[[str], Signature | None]) -> Iterator[Predicted]:
    """Those that rest as Parquet."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not ids:
        return
    wanted = pa.array(sorted(ids), pa.string())
    for path in (path for paths in sealed_files(folder).values() for path in paths):
        with contextlib.suppress(FileNotFoundError):
            for batch in sealed_batches(path, ids=ids):
                found = batch.filter(pc.is_in(batch.column("id"), wanted))
                masked = [one.name for one in found.schema.field("inputs").type if one.metadata]
                signature = signature_of(found.column("version")[0].as_py()) if len(found) else None
                for row in found.to_pylist():
                    value, values = _told(orjson.loads(row["outputs"])) if row["outputs"] else (row["value"], {})
                    if not row["shadow"] and (row["label"] is not None or value is not None or values):
                        about = row["id"], row["time"], row["version"], row["label"] or ""
                        inputs = _as_sent(row["inputs"], signature)
                        yield Predicted(*about, row["probabilities"] or (), inputs, masked, value, values)


def _as_sent(row: Mapping[str, Any], signature: Signature | None) -> Mapping[str, Any]:
    """A row whose arrays may lie flat, as it was sent."""
    return row if signature is None else shaped(row, signature.inputs)


def _milliseconds(identifier: bytes) -> int:
    return int(identifier[:8] + identifier[9:13], 16)


def _stretches(moments: Sequence[int]) -> list[tuple[int, int]]:
    """Times in milliseconds, ascending, as a few stretches that hold them all."""
    gap = max(2 * _SLACK_MS, (moments[-1] - moments[0]) // _STRETCHES)
    found = [[moments[0], moments[0]]]
    for moment in moments:
        if moment - found[-1][1] > gap:
            found.append([moment, moment])
        found[-1][1] = moment
    return [(first - _SLACK_MS, last + _SLACK_MS) for first, last in found]


def _of_lines(stream: BinaryIO, wanted: set[bytes], stretches: Sequence[tuple[int, int]]) -> Iterator[Predicted]:
    size = os.fstat(stream.fileno()).st_size
    behind = 0
    for first, last in stretches:
        at = max(_place(stream, first, size), behind)
        for chunk in pieces(stream, at, _CHUNK_BYTES):
            behind = at = at + len(chunk)
            yield from _parsed(chunk, wanted)
            final = _moment(chunk[chunk.rfind(b"\n", 0, len(chunk) - 1) + 1 :])
            if final is not None and final > last:
                break


def _place(stream: BinaryIO, moment: int, size: int) -> int:
    """Where a line begins, before which all lines are older than `moment`."""
    low, high = 0, size
    while high - low > _LINE_BYTES:
        middle = (low + high) // 2
        stream.seek(middle)
        stream.readline()
        found = _moment(stream.readline())
        # What is no line of ours may lie anywhere: what is before it is read as well.
        if found is not None and found < moment:
            low = middle
        else:
            high = middle
    stream.seek(low)
    if low:
        stream.readline()
    return stream.tell()


def _moment(line: bytes) -> int | None:
    start = line.find(_BEFORE_ID, 0, 64)
    try:
        return _milliseconds(line[start + len(_BEFORE_ID) :]) if start >= 0 else None
    except ValueError:
        return None


def _parsed(chunk: bytes, wanted: set[bytes]) -> Iterator[Predicted]:
    for line in chunk.split(b"\n"):
        start = line.find(_BEFORE_ID, 0, 64) + len(_BEFORE_ID)
        if line[start : line.find(b'"', start + _ID_BYTES)] not in wanted:
            continue
        try:
            entry = orjson.loads(line)
            if "error" in entry or entry.get("shadow"):
                continue
            given, masked = entry["inputs"], entry.get("masked", ())
            label, probabilities, value, values = _answer(entry["outputs"])
            moment, version = float(entry["time"]), str(entry["version"])
            yield Predicted(str(entry["id"]), moment, version, label, probabilities, given, masked, value, values)
        except (ValueError, TypeError, KeyError):
            # Whoever counts lines counts it as broken.
            continue


def _answer(outputs: Mapping[str, Any]) -> tuple[str, Sequence[float], float | None, Mapping[str, float]]:
    """The class and its probabilities, or the only number, or several by their names.

    Raises:
        KeyError: it is none of these.
    """
    if "label" in outputs:
        return str(outputs["label"]), outputs["probabilities"], None, {}
    value, values = _told({name: value for name, value in outputs.items() if name != "id"})
    if value is None and not values:
        raise KeyError("neither a class nor numbers")
    return "", (), value, values


def _told(outputs: Mapping[str, Any]) -> tuple[float | None, Mapping[str, float]]:
    """The only output that is a number, or several by their names; lists, such as their quantiles, are passed over."""
    values = {name: float(value) for name, value in outputs.items() if type(value) in (int, float)}
    return (next(iter(values.values())), {}) if len(values) == 1 else (None, values)


def _of_records(
    stream: BinaryIO, rows: Mapping[str, Collection[int]], signature_of: Callable[[str], Signature | None]
) -> Iterator[Predicted]:
    """The wanted rows of a file of bulk requests; what is in between is skipped, not read."""
    from ...runtime.bulk import heads, records

    for head, at, end in heads(stream):
        wanted = rows.get(str(head.get("id")))
        if not wanted or head.get("shadow"):
            continue
        stream.seek(at)
        for _, given, answer, _ in records(stream.read(end - at)):
            try:
                yield from _of_record(head, given, answer, sorted(wanted), signature_of(str(head["version"])))
            except (ValueError, TypeError, KeyError):
                # Whoever counts records counts it as broken.
                continue


def _of_record(
    head: Mapping[str, Any], given: bytes, answer: bytes, wanted: Sequence[int], signature: Signature | None
) -> Iterator[Predicted]:
    import pyarrow as pa

    answers = pa.ipc.open_stream(io.BytesIO(answer)).read_all()
    known = [row for row in wanted if row < answers.num_rows]
    inputs = _inputs(head, given, known, signature)
    masked = list(head.get("masked") or ())
    for row, one in zip(inputs, answers.take(known).to_pylist(), strict=True):
        label, probabilities, value, values = _answer(one)
        moment, version = float(head["time"]), str(head["version"])
        yield Predicted(one["id"], moment, version, label, probabilities, row, masked, value, values)


def _inputs(
    head: Mapping[str, Any], given: bytes, rows: Sequence[int], signature: Signature | None
) -> list[dict[str, Any]]:
    import numpy as np
    import pyarrow as pa

    from ...runtime.columns import NUMPY

    if head["kind"] == NUMPY:
        if signature is None:
            raise KeyError("the model that knows the input's name is gone")
        values = np.load(io.BytesIO(given), allow_pickle=False)
        return [{signature.inputs[0].name: values[row].tolist()} for row in rows]
    table = pa.ipc.open_stream(io.BytesIO(given)).read_all()
    return [dict(_as_sent(row, signature)) for row in table.take(rows).to_pylist()]
