"""The first pass over a file that is larger than the memory: everything about its rows but the rows."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from ..records import Column
from .buckets import assigned
from .columns import TypedColumn, is_dates, plain_texts, typed
from .labels import classes_among
from .roles import MOST_CATEGORIES, refuse_scattered
from .splits import PARTS, SplitPlan

__all__ = ["Scanned", "cells_of", "scan"]


@dataclass(frozen=True)
class Scanned:
    """What one pass found.

    Args:
        rows: per part.
        columns: the inputs, with what is known of them from the training part.
        digests: SHA-256 per column, over its values in order (hexadecimal), and the categories by first occurrence.
        classes: names of the classes.
        values: Arrow array of the classes as the target has them.
    """

    rows: dict[str, int]
    columns: tuple[Column, ...]
    digests: dict[str, Any]
    classes: tuple[str, ...]
    values: Any


def cells_of(name: str, column: Any) -> TypedColumn:
    """A batch of a column, typed by how it is stored and not by what this batch holds."""
    import pyarrow.types as kinds

    kind = column.type
    if kinds.is_string(kind) or kinds.is_large_string(kind) or str(kind) == "string_view":
        return TypedColumn(name, "category", plain_texts(column))
    return typed(name, column)


def scan(batches: Iterable[Any], inputs: Sequence[str], target: str, plan: SplitPlan) -> Scanned:
    """Look at every row once.

    Args:
        batches: Arrow record batches, in order.
        inputs: names of the inputs.
        target: name of the target.
        plan: how rows are drawn into parts.

    Raises:
        DataError: as when a table is loaded: infinities, labels that are missing, text that hardly repeats.
    """
    columns = {name: _Column(name) for name in inputs}
    labels = _Column(target, label=True)
    counts = np.zeros(len(PARTS), np.int64)
    total = 0
    for batch in batches:
        part = assigned(total, batch.num_rows, plan)
        counts += np.bincount(part, minlength=len(PARTS))
        for name, column in [*columns.items(), (target, labels)]:
            column.add(cells_of(name, batch.column(name)), part == 0, total)
        if missing := batch.column(target).null_count or labels.missing:
            raise DataError(
                f"target {target!r} is missing in {missing} of the rows {total + 1} to {total + batch.num_rows}",
                expected="a class in every row",
                hint="remove these rows or fill in their labels",
            )
        total += batch.num_rows
    if not counts.all():
        raise DataError(
            f"{total} rows leave a part without any", expected="rows for train, validation and test", hint="load more"
        )
    classes, values = classes_among(labels.typed(), labels.values, total)
    if len(labels.trained) < 2:
        raise DataError("the training part has one class", expected="at least two classes to tell apart")
    return Scanned(
        dict(zip(PARTS, map(int, counts), strict=True)),
        tuple(column.known(total) for column in columns.values()),
        {name: column.digest() for name, column in [*columns.items(), (target, labels)]},
        classes,
        values,
    )


class _Column:
    """What is known so far of one column."""

    def __init__(self, name: str, *, label: bool = False) -> None:
        import pyarrow as pa

        self.name = name
        self.kind: Any = "number"
        self.whole = True
        self.order: tuple[str, ...] = ()
        self.missing = 0
        self.low, self.high = np.inf, -np.inf
        # The distinct values, in the order of their first occurrence, and which of them the training part has.
        self.values: Any = pa.array([], pa.string())
        self.trained: set[int] = set()
        self._is_label = label
        self._hash = hashlib.sha256()

    def add(self, cells: TypedColumn, train: NDArray[np.bool_], before: int) -> None:
        """Take in a batch; `before` rows came before it."""
        self.kind, self.order = cells.kind, tuple(dict.fromkeys((*self.order, *cells.order)))
        self.missing += cells.cells.null_count
        if cells.kind == "number":
            self._add_numbers(cells, train, before)
        # How many different numbers an input has does not matter.
        if cells.kind == "category" or self._is_label:
            self._add_values(cells.cells, train)

    def _add_numbers(self, cells: TypedColumn, train: NDArray[np.bool_], before: int) -> None:
        numbers = np.asarray(cells.cells.to_numpy(zero_copy_only=False), np.float64)
        if np.isinf(numbers).any():
            raise DataError(
                f"column {self.name!r} has infinite values (row {before + int(np.isinf(numbers).argmax()) + 1})",
                expected="finite numbers, or nothing where a value is missing",
                hint="replace them before loading",
            )
        # One bit pattern for every missing number, so that the hash sees values only.
        self._hash.update(np.where(np.isnan(numbers), np.nan, numbers).astype("<f8", copy=False).data)
        known = numbers[train & ~np.isnan(numbers)]
        if known.size:
            self.low, self.high = min(self.low, float(known.min())), max(self.high, float(known.max()))
        self.whole = self.whole and (cells.whole or cells.cells.null_count == len(cells.cells))

    def _add_values(self, cells: Any, train: NDArray[np.bool_]) -> None:
        import pyarrow as pa
        import pyarrow.compute as pc

        if not len(self.values):
            self.values = self.values.cast(cells.type)
        distinct = pc.unique(cells).drop_null()
        new = distinct.filter(pc.invert(pc.is_in(distinct, value_set=self.values)))
        self.values = pa.concat_arrays([self.values, new])
        if len(self.values) > MOST_CATEGORIES:
            self._refuse_more()
        codes = pc.fill_null(pc.index_in(cells, value_set=self.values), -1).to_numpy(zero_copy_only=False)
        self.trained.update(np.unique(codes[train & (codes >= 0)]).tolist())
        if self.kind == "category":
            self._hash.update(codes.astype("<i4", copy=False).data)

    def _refuse_more(self) -> None:
        if not self._is_label:
            refuse_scattered(self.typed(), len(self.values), len(self.values))
        raise DataError(
            f"target {self.name!r} has more than {MOST_CATEGORIES} distinct values",
            expected="classes: numbers are not streamed as a target",
            hint="choose another column with --target NAME; or cut the numbers into classes",
        )

    def typed(self) -> TypedColumn:
        """The column with its distinct values for cells."""
        return TypedColumn(self.name, self.kind, self.values, self.whole, self.order)

    def digest(self) -> list[Any]:
        """What stands for the values in the hash."""
        return [self.kind, self._hash.hexdigest(), self.values.to_pylist() if self.kind == "category" else []]

    def known(self, rows: int) -> Column:
        """The column as an input.

        Raises:
            DataError: it is text that hardly repeats, or dates.
        """
        if self.kind == "number":
            known = self.low <= self.high
            return Column(self.name, "number", (), (), self.low if known else None, self.high if known else None)
        if len(self.values) and is_dates(self.values):
            raise DataError(
                f"column {self.name!r} holds dates",
                expected="numbers or categories",
                hint=f"leave it out with --ignore {self.name!r}, or turn it into numbers such as the month",
            )
        refuse_scattered(self.typed(), len(self.values), rows - self.missing)
        texts = self.values.to_pylist()
        return Column(self.name, "category", (), tuple(sorted(texts[i] for i in self.trained)))
