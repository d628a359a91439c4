"""Preprocessing that is fitted a batch of rows at a time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..records import Data
from .kept import kept_batches, kept_buckets
from .reading import raw_inputs, sample

__all__ = ["fit_streamed", "fit_whole"]

# Of the sample, and of what is kept for the medians, in bytes over all columns.
_SAMPLE, _MIDDLE = 32 << 20, 64 << 20
_PENDING = 1 << 16
# Rows that are enough for every attribute of a fitted transformer to be there.
_FEW = 1000


def fit_whole(data: Data, transformer: Any, frame_of: Any, inputs: Mapping[str, NDArray[Any]]) -> Any:
    """Fit a ColumnTransformer of `preprocessing` on the raw inputs of a training part.

    It ends up as `transformer.fit` leaves it, in a quarter of the time: the imputer's own way to its medians is slow.

    Args:
        data: the data set.
        transformer: not yet fitted.
        frame_of: makes the DataFrame that it takes.
        inputs: of `read`.

    Returns:
        `transformer`, fitted.
    """
    from sklearn.preprocessing import StandardScaler

    transformer.fit(frame_of({name: values[:_FEW] for name, values in inputs.items()}))
    numbers = [column.name for column in data.columns if column.kind == "number"]
    if numbers:
        scaler = StandardScaler().fit(frame_of({name: inputs[name] for name in numbers}))
        _settle(transformer, scaler, {name: _middle_pair(inputs[name]) for name in numbers}, frame_of)
    return transformer


def fit_streamed(data: Data, transformer: Any, frame_of: Any) -> Any:
    """Fit a ColumnTransformer of `preprocessing` on the training part of a streamed data set.

    Means and deviations are those of all rows (StandardScaler.partial_fit). So are the medians that fill gaps: a sample
    says between which two values a median lies, and one pass counts the rows below and keeps those between. Where
    these are too many to be kept (from about 10 million rows with 30 columns of distinct numbers on), it is the
    median of the sample, whose rank is off by less than 5 / (2 sqrt(n)) of the rows, n being rows in the sample (0.7 %
    with 139,000 of them), but once in a million.

    Args:
        data: a streamed data set.
        transformer: not yet fitted.
        frame_of: makes the DataFrame that it takes.

    Returns:
        `transformer`, fitted.
    """
    from sklearn.preprocessing import StandardScaler

    numbers = [column for column in data.columns if column.kind == "number"]
    few, _ = sample(data, "train", max(1000, _SAMPLE // (8 * max(1, len(data.columns)))))
    # Fitted on some rows first, so that every attribute is there; then the numbers that these got are replaced.
    transformer.fit(frame_of({name: values[:_FEW] for name, values in few.items()}))
    if not numbers:
        return transformer
    scaler = StandardScaler()
    middles = [_Middle(few[column.name], _MIDDLE // (16 * len(numbers))) for column in numbers]
    del few
    for path, _ in kept_buckets(data, "train"):
        for table in kept_batches(path, [column.name for column in numbers]):
            inputs = raw_inputs(table, numbers)
            scaler.partial_fit(frame_of(inputs))
            for column, middle in zip(numbers, middles, strict=True):
                middle.add(inputs[column.name])
    pairs = {column.name: middle.pair() for column, middle in zip(numbers, middles, strict=True)}
    _settle(transformer, scaler, pairs, frame_of)
    return transformer


def _settle(transformer: Any, scaler: Any, pairs: Mapping[str, tuple[float, float]], frame_of: Any) -> None:
    """Give a ColumnTransformer the numbers that were found elsewhere.

    Args:
        transformer: fitted on some rows.
        scaler: fitted on all of them.
        pairs: per column the two values in the middle, NaN where there is none.
        frame_of: makes the DataFrame that `scaler` takes.
    """
    fitted, _, fill = (step for _, step in transformer.named_transformers_["number"].steps)
    fitted.__dict__.update(scaler.__dict__)
    medians = fitted.transform(frame_of({name: np.array(pair) for name, pair in pairs.items()}))
    medians = medians.astype(np.float32).mean(axis=0)
    fill.statistics_ = np.where(np.isnan(medians), 0, medians).astype(fill.statistics_.dtype)


def _middle_pair(values: NDArray[np.float64]) -> tuple[float, float]:
    """The two values in the middle, equal when their number is odd; NaN where there is none."""
    known = values[~np.isnan(values)]
    if not known.size:
        return np.nan, np.nan
    places = [(known.size - 1) // 2, known.size // 2]
    low, high = np.partition(known, places)[places]
    return float(low), float(high)


class _Middle:
    """The two values in the middle of many, equal when their number is odd.

    Args:
        few: a sample, NaN where a value is missing.
        most: distinct values that may be kept.
    """

    def __init__(self, few: NDArray[np.float64], most: int) -> None:
        known = np.sort(few[~np.isnan(few)])
        self._most = most
        self._guess = float(np.median(known)) if known.size else np.nan
        margin = 2.5 / np.sqrt(max(1, known.size))
        ends = (max(0.0, 0.5 - margin), min(1.0, 0.5 + margin))
        self._low, self._high = map(float, np.quantile(known, ends) if margin < 0.5 else (-np.inf, np.inf))
        self._below = self._known = 0
        self._values, self._counts = np.empty(0), np.empty(0, np.int64)
        self._pending: list[NDArray[np.float64]] = []

    def add(self, values: NDArray[np.float64]) -> None:
        """Take in some of the values."""
        known = values[~np.isnan(values)]
        self._known += len(known)
        self._below += int((known < self._low).sum())
        if self._most:
            self._pending.append(known[(known >= self._low) & (known <= self._high)])
        if sum(map(len, self._pending)) > _PENDING:
            self._merge()

    def _merge(self) -> None:
        values = np.concatenate([self._values, *self._pending])
        counts = np.ones(len(values), np.int64)
        counts[: len(self._counts)] = self._counts
        self._pending.clear()
        self._values, where = np.unique(values, return_inverse=True)
        self._counts = np.bincount(where, counts, len(self._values)).astype(np.int64)
        if len(self._values) > self._most:
            self._most = 0
            self._values, self._counts = np.empty(0), np.empty(0, np.int64)

    def pair(self) -> tuple[float, float]:
        """The two values in the middle; twice the sample's median where the exact ones were not kept."""
        self._merge()
        ends = self._below + np.cumsum(self._counts)
        first, second = (self._known - 1) // 2, self._known // 2
        if not self._known or first < self._below or not len(ends) or second >= ends[-1]:
            return self._guess, self._guess
        low, high = self._values[np.searchsorted(ends, [first, second], side="right")]
        return float(low), float(high)
