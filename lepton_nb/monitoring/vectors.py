"""Counts of many windows as one table, a row per window and thing that is counted: they add up without a loop."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..scores import CONFIDENCE_BINS
from .counts import Counts, ModelCounts

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Span", "counts_of_table", "summed", "table_of_counts"]

_KEYS = ("version", "kind", "name")


class Span(NamedTuple):
    """A window of time.

    Args:
        start: seconds since the epoch.
        seconds: its length.
    """

    start: int
    seconds: int


def table_of_counts(windows: Mapping[Span, Counts]) -> pa.Table:
    """Windows as a table.

    Returns:
        Columns `start` and `seconds` (int64), `version`, `kind` and `name` (text; what is counted), and `counts`
        (list of int64).
    """
    import pyarrow as pa

    rows = [(*span, *row) for span, counts in windows.items() for row in _rows(counts)]
    columns = list(zip(*rows, strict=True)) if rows else [()] * 6
    return pa.table(
        {
            "start": pa.array(columns[0], pa.int64()),
            "seconds": pa.array(columns[1], pa.int64()),
            **{name: pa.array(columns[2 + place], pa.string()) for place, name in enumerate(_KEYS)},
            "counts": pa.array(columns[5], pa.list_(pa.int64())),
        }
    )


def summed(tables: list[pa.Table], step: int) -> pa.Table:
    """Tables of counts added up to windows of `step` seconds, but for those that are longer."""
    import pyarrow as pa

    table = pa.concat_tables(tables).combine_chunks()
    if not table.num_rows:
        return table
    counts = table.column("counts").combine_chunks()
    if isinstance(counts, pa.ChunkedArray):
        counts = counts.chunk(0)
    ends = counts.offsets.to_numpy()
    widths, values = np.diff(ends), counts.values.to_numpy()
    seconds = np.maximum(table.column("seconds").to_numpy(), step)
    starts = table.column("start").to_numpy() // step * step
    keys, names = _codes(table)
    order = np.lexsort((seconds, starts, widths, keys))
    sorted_by = np.stack([keys, widths, starts, seconds])[:, order]
    new = np.concatenate([[True], (np.diff(sorted_by, axis=1) != 0).any(axis=0)])
    first = np.flatnonzero(new)
    # Of one key and width many rows are added at once.
    blocks = np.flatnonzero(np.concatenate([[True], (np.diff(sorted_by[:2], axis=1) != 0).any(axis=0)]))
    parts = []
    for begin, end in zip(blocks, np.append(blocks[1:], len(order)), strict=True):
        places = ends[order[begin:end], None] + np.arange(sorted_by[1, begin])
        groups = first[(first >= begin) & (first < end)] - begin
        parts.append(np.add.reduceat(values[places], groups, axis=0).ravel())
    sizes = sorted_by[1, first]
    offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int32)
    lists = pa.ListArray.from_arrays(pa.array(offsets), pa.array(np.concatenate(parts)))
    return pa.table(
        {
            "start": pa.array(sorted_by[2, first]),
            "seconds": pa.array(sorted_by[3, first]),
            **{name: column.take(pa.array(sorted_by[0, first])) for name, column in names.items()},
            "counts": lists,
        }
    )


def _codes(table: pa.Table) -> tuple[NDArray[np.int64], dict[str, pa.Array]]:
    """A number per row for what it counts, and per number the texts that it stands for."""
    import pyarrow as pa

    encoded = {name: table.column(name).combine_chunks().dictionary_encode() for name in _KEYS}
    encoded = {name: one.chunk(0) if isinstance(one, pa.ChunkedArray) else one for name, one in encoded.items()}
    code = np.zeros(table.num_rows, np.int64)
    for one in encoded.values():
        code = code * len(one.dictionary) + one.indices.to_numpy()
    distinct, place, inverse = np.unique(code, return_index=True, return_inverse=True)
    del distinct
    rows = pa.array(place)
    return inverse.astype(np.int64), {name: table.column(name).combine_chunks().take(rows) for name in _KEYS}


def counts_of_table(table: pa.Table) -> dict[Span, Counts]:
    """The windows of a table that `summed` made."""
    found: dict[Span, Counts] = {}
    if not table.num_rows:
        return found
    lists = table.column("counts").combine_chunks()
    lists = lists.chunk(0) if hasattr(lists, "chunk") else lists
    ends, values = lists.offsets.to_numpy().tolist(), lists.values.to_numpy()
    texts = (table.column(name).to_pylist() for name in _KEYS)
    starts, seconds = table.column("start").to_pylist(), table.column("seconds").to_pylist()
    for place, (start, length, version, kind, name) in enumerate(zip(starts, seconds, *texts, strict=True)):
        counts = found.setdefault(Span(start, length), Counts())
        _take(counts, version, kind, name, values[ends[place] : ends[place + 1]])
    return found


def _rows(counts: Counts) -> Iterator[tuple[str, str, str, list[int]]]:
    yield "", "requests", "", [counts.requests]
    yield "", "latency", "", counts.latency.tolist()
    for fault, times in counts.errors.items():
        yield "", "error", fault, [times]
    if counts.usage.any():
        yield "", "usage", "", counts.usage.tolist()
    for version, model in counts.models.items():
        yield version, "rows", "", [model.rows]
        for label, number in model.labels.items():
            yield version, "label", label, [number]
        for name, number in model.outside.items():
            yield version, "outside", name, [number]
        for feature, bins in model.features.items():
            yield version, "feature", feature, bins.tolist()
        for place, sums in _sure(model).items():
            yield version, "sure", str(place), sums.tolist()
        if model.answers is not None:
            yield version, "answers", "", model.answers.tolist()


def _sure(model: ModelCounts) -> dict[int, NDArray[np.int64]]:
    """How sure a model was, bin by bin, by the place of the predicted class."""
    found: dict[int, NDArray[np.int64]] = {}
    for place, number in model.confidence.items():
        found.setdefault(place // CONFIDENCE_BINS, np.zeros(CONFIDENCE_BINS, np.int64))[place % CONFIDENCE_BINS] = (
            number
        )
    return found


def _take(counts: Counts, version: str, kind: str, name: str, values: NDArray[np.int64]) -> None:
    if kind == "requests":
        counts.requests = int(values[0])
    elif kind == "latency":
        counts.latency = values
    elif kind == "error":
        counts.errors[name] = int(values[0])
    elif kind == "usage":
        counts.usage = values
    else:
        model = counts.models.setdefault(version, ModelCounts())
        if kind == "rows":
            model.rows = int(values[0])
        elif kind == "feature":
            model.features[name] = values
        elif kind == "answers":
            model.answers = values
        elif kind == "sure":
            first = int(name) * CONFIDENCE_BINS
            model.confidence.update({first + int(place): int(values[place]) for place in np.flatnonzero(values)})
        elif kind in {"label", "outside"}:
            (model.labels if kind == "label" else model.outside)[name] = int(values[0])
