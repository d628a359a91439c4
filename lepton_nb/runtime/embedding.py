"""What a network makes of its rows, as few numbers that drift is measured on: a sketch of its own embedding.

The layer before the softmax is taken: the probabilities tell it but for a constant, so that every log holds it, that of
a graph that nobody changed too. Of many classes a few fixed projections are enough to see it move.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

__all__ = ["answer_features", "output_features"]

_PROJECTIONS = 3
# Of more outputs the first ones.
_MOST_OUTPUTS = 20
# float32 tells no smaller differences of a probability from 1; nor does it matter here.
_SMALLEST = 1e-6


def answer_features(probabilities: np.ndarray[Any, Any]) -> dict[str, np.ndarray[Any, Any]]:
    """Features of the answers of a classification.

    Args:
        probabilities: [N, C].

    Returns:
        `prediction.confidence`, the largest probability of each row, and `prediction.logits0` to `prediction.logits2`
        (fewer of fewer than four classes): the logarithms of the probabilities, projected on the lowest cosine waves
        over the classes, which are at right angles and leave out what all logits share; float64 [N] each.

    Example:
        >>> {name: values.round(3).tolist() for name, values in answer_features(np.array([[0.9, 0.1]])).items()}
        {'prediction.confidence': [0.9], 'prediction.logits0': [1.554]}
    """
    values = np.asarray(probabilities, np.float64)
    classes = values.shape[1]
    logits = np.log(np.maximum(values, _SMALLEST))
    features = {"prediction.confidence": values.max(1)}
    for wave in range(min(_PROJECTIONS, classes - 1)):
        direction = np.cos(np.pi * (wave + 1) * (2 * np.arange(classes) + 1) / (2 * classes))
        features[f"prediction.logits{wave}"] = logits @ direction / np.sqrt(classes / 2)
    return features


def output_features(outputs: Mapping[str, np.ndarray[Any, Any]]) -> dict[str, np.ndarray[Any, Any]]:
    """Features of the answers of a model with several numbers, or labels: `prediction.NAME` of each, float64 [N].

    A single number is counted as the answer itself, and what is no number for each row, such as the quantiles of
    several, is left out.

    Example:
        >>> list(output_features({"cost": np.array([1.0]), "days": np.array([2.0])}))
        ['prediction.cost', 'prediction.days']
    """
    plain = [(name, np.asarray(values)) for name, values in outputs.items()]
    numbers = [(name, values) for name, values in plain if values.ndim == 1 and values.dtype.kind in "fiu"]
    if len(numbers) < 2:
        return {}
    return {f"prediction.{name}": values.astype(np.float64) for name, values in numbers[:_MOST_OUTPUTS]}
