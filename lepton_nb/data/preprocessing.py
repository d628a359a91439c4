"""What a network sees of raw rows.

It is learned from the training part alone, and learned anew from the kept rows wherever it is needed: nothing
fitted is ever stored.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..records import Data
from .fitting import fit_streamed, fit_whole
from .kept import kept_batches, kept_buckets, refuse_too_large
from .reading import Part, raw_inputs, read
from .splits import PARTS
from .texts import encoder_of

__all__ = ["Normaliser", "features", "file_features", "preprocessing"]

_KEPT: dict[tuple[str, str], Any] = {}
_MOST_KEPT = 4


@dataclass(frozen=True)
class Normaliser:
    """Subtracts a mean and divides by a standard deviation, per channel.

    Args:
        mean: one value per channel, in the units of the input.
        std: one value per channel; 1 where the channel is constant.

    Example:
        >>> Normaliser((2.0,), (4.0,))(np.array([[[[6.0]]]])).tolist()
        [[[[1.0]]]]
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __call__(self, array: NDArray[Any]) -> NDArray[np.float32]:
        """Rows as the network sees them.

        Args:
            array: [N, *shape]; the first axis of a shape with three axes holds the channels, any other shape
                is one channel.

        Returns:
            float32 [N, *shape].
        """
        mean, std = self.broadcast(array.ndim)
        return np.asarray((array.astype(np.float32) - mean) / std, dtype=np.float32)

    def broadcast(self, ndim: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Mean and standard deviation as float32 arrays that fit a batch of `ndim` axes."""
        shape = (1, -1) + (1,) * (ndim - 2)
        return np.array(self.mean, np.float32).reshape(shape), np.array(self.std, np.float32).reshape(shape)


def preprocessing(data: Data) -> Any:
    """From raw inputs to features, fitted on the training part.

    Args:
        data: a loaded data set.

    Returns:
        For a table a fitted scikit-learn ColumnTransformer that takes a DataFrame (see `frame_of`) of float64
        numbers and text categories and gives float32 [N, features]: numbers standardised, gaps filled with
        the median; categories one-hot, and nothing for a missing or unseen one. For arrays a `Normaliser`, for
        texts a `TextEncoder`.
    """
    return _fitted(data)


def features(data: Data, part: Part | str) -> tuple[NDArray[Any], NDArray[Any]]:
    """One part as the network sees it.

    Args:
        data: a loaded data set.
        part: `train`, `validation` or `test`.

    Returns:
        float32 [N, *data.feature_shape], of texts token ids int64 [N, L] with 0 behind a shorter one; and the
        targets: classes int64 [N], or float32 [N, K], the numbers of a regression or 1 for each label that holds.
    """
    if data.streamed and part in PARTS:
        fitted = preprocessing(data)
        files = kept_buckets(data, part)
        refuse_too_large(data, data.rows[part], 4 * data.feature_shape[0] + 8)
        return file_features(data, fitted, [path for path, _ in files], data.rows[part])
    inputs, targets = read(data, part)
    if data.task != "classification":
        targets = targets.astype(np.float32)
    fitted = _fitted(data, inputs if part == "train" else None)
    if data.kind == "array":
        return fitted(inputs["input"]), targets
    if data.kind == "text":
        return fitted(inputs[data.columns[0].name]), targets
    return np.asarray(fitted.transform(frame_of(inputs)), dtype=np.float32), targets


def file_features(
    data: Data, fitted: Any, files: Sequence[Path], rows: int
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """The rows of files of a streamed data set as the network sees them.

    Args:
        data: the data set.
        fitted: its `preprocessing`.
        files: of `kept_buckets`.
        rows: rows in all of them.

    Returns:
        As `features`; beside that, memory is taken for a few rows only.
    """
    values = np.empty((rows, data.feature_shape[0]), np.float32)
    targets = np.empty(rows, np.int64)
    names = [*(column.name for column in data.columns), data.target]
    start = 0
    for path in files:
        for table in kept_batches(path, names):
            stop = start + table.num_rows
            values[start:stop] = fitted.transform(frame_of(raw_inputs(table, data.columns)))
            targets[start:stop] = table.column(data.target).to_numpy()
            start = stop
    return values, targets


def frame_of(inputs: Mapping[str, NDArray[Any]]) -> Any:
    """Raw inputs as the DataFrame that the fitted ColumnTransformer takes."""
    import pandas as pd

    return pd.DataFrame({name: pd.Series(values, dtype=values.dtype) for name, values in inputs.items()})


def _fitted(data: Data, inputs: Mapping[str, NDArray[Any]] | None = None) -> Any:
    """What `preprocessing` gives, kept for the last few data sets; `inputs` are the training part's, when at hand."""
    # A folder of the store never changes its rows, so its path stands for them.
    key = (str(data.path), data.id)
    made = _KEPT.get(key)
    if made is None:
        made = _fit(data, inputs)
        while len(_KEPT) >= _MOST_KEPT:
            _KEPT.pop(next(iter(_KEPT)), None)
        _KEPT[key] = made
    return made


def _fit(data: Data, inputs: Mapping[str, NDArray[Any]] | None) -> Any:
    if data.streamed:
        return fit_streamed(data, _transformer(data), frame_of)
    inputs = read(data, "train")[0] if inputs is None else inputs
    if data.kind == "array":
        return _normaliser(inputs["input"])
    if data.kind == "text":
        return encoder_of(data, inputs[data.columns[0].name].tolist())
    # All-missing columns have no mean: NumPy says so, and the imputer turns them into zeros.
    with np.errstate(invalid="ignore", divide="ignore"):
        return fit_whole(data, _transformer(data), frame_of, inputs)


def _normaliser(array: NDArray[np.float32]) -> Normaliser:
    axes = (0, 2, 3) if array.ndim == 4 else None
    mean = np.atleast_1d(array.mean(axis=axes, dtype=np.float64))
    std = np.atleast_1d(array.std(axis=axes, dtype=np.float64))
    std[std == 0] = 1.0
    return Normaliser(tuple(map(float, mean)), tuple(map(float, std)))


def _transformer(data: Data) -> Any:
    from skl2onnx.sklapi import CastTransformer
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    numbers = [c.name for c in data.columns if c.kind == "number"]
    categories = [c for c in data.columns if c.kind == "category"]
    steps: list[tuple[str, Any, list[str]]] = []
    if numbers:
        # Scaled in float64 before it is narrowed: large numbers with a small spread (years, timestamps) keep
        # their differences. ONNX Runtime fills gaps in float32 only, hence the cast in between.
        fill = SimpleImputer(strategy="median", keep_empty_features=True)
        steps.append(("number", make_pipeline(StandardScaler(), CastTransformer(dtype=np.float32), fill), numbers))
    if categories:
        # A column without a value in the training part still needs one category: the missing one.
        values = [np.array(c.categories or ("",), dtype=object) for c in categories]
        encoder = OneHotEncoder(categories=values, handle_unknown="ignore", sparse_output=False, dtype=np.float32)
        steps.append(("category", encoder, [c.name for c in categories]))
    return ColumnTransformer(steps, remainder="drop")
