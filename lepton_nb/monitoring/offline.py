"""Drift of rows that no server has seen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..drift import drift
from ..errors import DataError, FormatError
from ..records import Drift
from ..runtime import ModelError, Reference, Signature, read_reference
from .binning import bin_answers, bin_features, count_outside

__all__ = ["check_drift", "reference_of"]


def check_drift(model: Path, inputs: Mapping[str, np.ndarray[Any, Any]]) -> Drift:
    """Compare rows, and what the model answers to them, with the model's training reference.

    Args:
        model: a model folder, such as `Bento.model`.
        inputs: per input N values: float64 [N] (NaN = missing), text [N] (None or "" = missing), float32 [N, *shape].

    Raises:
        FormatError: the model folder cannot be read.
        DataError: an input is missing or has another shape.
    """
    from ..runtime.embedding import answer_features, output_features
    from ..runtime.model import Model
    from ..runtime.summary import features_of
    from ..runtime.tokens import tokenizers_of

    try:
        loaded = Model.load(model)
        reference = read_reference(model)
    except ModelError as cause:
        raise FormatError(str(cause), hint="package the run again") from cause
    if missing := [one.name for one in loaded.signature.inputs if one.name not in inputs]:
        raise DataError(f"input {missing[0]!r} is missing", expected=f"the inputs of {model}")
    try:
        answers = loaded.predict(inputs)
        features = features_of(inputs, loaded.signature, tokenizers_of(model, loaded.signature))
        if loaded.signature.is_classification:
            features = {**features, **answer_features(answers)}
        else:
            features = {**features, **output_features(answers)}
    except ValueError as cause:
        raise DataError(f"the rows do not fit the model {model}", got=str(cause)) from cause
    if not loaded.signature.is_classification:
        return _drift_of_outputs(features, next(iter(answers.values())), reference, loaded.signature)
    labels = np.array(loaded.signature.classes, dtype=object)[answers.argmax(axis=1)]
    return drift(reference, reference_of(features, labels, reference, loaded.signature))


def _drift_of_outputs(
    features: Mapping[str, np.ndarray[Any, Any]], first: np.ndarray[Any, Any], like: Reference, signature: Signature
) -> Drift:
    """The drift of rows whose answers are no classes; `first` is the first output of each."""
    from .counts import ModelCounts

    model = ModelCounts(len(first), features=bin_features(features, like), answers=bin_answers(first.tolist(), like))
    model.outside = count_outside(features, signature)
    return drift(like, model.like(like))


def reference_of(
    features: Mapping[str, np.ndarray[Any, Any]],
    labels: np.ndarray[Any, Any],
    like: Reference,
    signature: Signature | None = None,
) -> Reference:
    """Count rows in the bins of a reference.

    Args:
        features: per feature N values, as `features_of` makes them.
        labels: N predicted class names.
        like: the bins.
        signature: tells the range that training saw; None counts nothing as outside of it.
    """
    from .counts import ModelCounts

    model = ModelCounts(len(labels))
    model.labels.update(labels.tolist())
    model.features = bin_features(features, like)
    model.outside = count_outside(features, signature) if signature else Counter()
    return model.like(like)
