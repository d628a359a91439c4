"""What the model takes, and what its data looked like: `signature.json` and `reference.json`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..records import Data
from ..runtime import Distribution, Output, Reference, Signature
from ..runtime.answers import Answers
from ..runtime.embedding import answer_features, output_features
from ..runtime.summary import feature_kinds, features_of, sides_names
from ..runtime.tokens import Tokenizer
from ..scores import count_category, count_number, edges_of
from .trained import Form

__all__ = ["categories_of", "numbers_of", "reference_of", "signature_of"]


def signature_of(data: Data, form: Form | None = None) -> Signature:
    """The inputs and answers of a data set, as a served model states them.

    Args:
        data: the data set.
        form: what the model answers; None of a classification.
    """
    if data.task == "classification" or form is None:
        return Signature(data.task, data.classes, data.columns)
    outputs = [Output(name, "float32", ()) for name in form.names]
    outputs += [Output(name, "float32", (len(form.names),), quantile=level) for name, level in form.quantiles]
    return Signature(data.task, (), data.columns, tuple(outputs))


def reference_of(
    signature: Signature,
    training: Mapping[str, NDArray[Any]],
    held_out: Answers,
    sides: NDArray[np.int32] | None = None,
    tokenizers: Mapping[str, Tokenizer] | None = None,
) -> Reference:
    """What ordinary traffic looks like.

    The inputs are counted on the training part, the predictions on rows that the network did not learn from: of
    its own training rows it is too sure, and the classes it predicts there are nearer to the labels than those
    that it predicts of new rows, which would read as drift for ever.

    Args:
        signature: of the model.
        training: raw inputs of the training part.
        held_out: probabilities [N, C] of rows outside the training part, or numbers [N] by their names, with the
            quantiles [N, K] of them if there are some, which are not counted.
        sides: [N, 2], width and height of the training part's pictures before they were scaled; None where they are
            not known.
        tokenizers: of the inputs that are texts.
    """
    kinds = feature_kinds(signature)
    categories = {one.name: one.categories for one in signature.inputs}
    features = {
        name: categories_of(values, categories[name]) if kinds.get(name) == "category" else numbers_of(values)
        for name, values in features_of(training, signature, tokenizers).items()
    }
    if sides is not None:
        lengths = dict(zip(sides_names(signature.inputs[0].name), sides.T, strict=True))
        features |= {name: numbers_of(values.astype(np.float64)) for name, values in lengths.items()}
    rows = len(next(iter(training.values())))
    if not isinstance(held_out, np.ndarray):
        features |= {name: numbers_of(values) for name, values in output_features(held_out).items()}
        told = [numbers_of(values) for values in held_out.values() if values.ndim == 1]
        return Reference(features, told[0] if len(told) == 1 else None, rows)
    features |= {name: numbers_of(values) for name, values in answer_features(held_out).items()}
    predicted = np.bincount(held_out.argmax(axis=1), minlength=len(signature.classes))
    counts = Distribution("category", tuple(map(int, predicted)), categories=signature.classes)
    return Reference(features, counts, rows)


def numbers_of(values: NDArray[Any]) -> Distribution:
    """Numbers [N], counted in bins cut at their own quantiles; NaN is missing."""
    edges = edges_of(values)
    counts = tuple(map(int, count_number(values, edges)))
    return Distribution("number", counts, tuple(map(float, edges)), missing=int(np.isnan(values).sum()))


def categories_of(values: NDArray[Any], known: tuple[str, ...]) -> Distribution:
    """Texts [N], counted by category; "" is missing."""
    counts = tuple(map(int, count_category(values, known)))
    return Distribution("category", counts, categories=known, missing=int((values == "").sum()))
