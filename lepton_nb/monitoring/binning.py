"""Rows become counts in the bins of a training reference."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..runtime import Reference, Signature
from ..runtime.tokens import Tokenizer
from ..scores import count_category, count_confidence, count_number

__all__ = ["Bins", "bin_answers", "bin_features", "count_outside", "count_sure"]

_MARGIN = 1e-6


@dataclass(frozen=True)
class Bins:
    """Where the rows of one model version are counted.

    Args:
        signature: its inputs.
        reference: its training reference, whose bins are used.
        tokenizers: of its texts, by input; those that are not there are not counted.
    """

    signature: Signature
    reference: Reference
    tokenizers: Mapping[str, Tokenizer] = field(default_factory=dict)


def bin_answers(values: Sequence[Any], reference: Reference) -> NDArray[np.int64] | None:
    """Count answers into the bins of a training reference whose prediction is a number; None for any other.

    Args:
        values: the first output of each row.
        reference: the bins.

    Returns:
        int64 [bins + 1], what is no number last.
    """
    if reference.prediction is None or reference.prediction.kind != "number":
        return None
    numbers = np.array([one if isinstance(one, (int, float)) else math.nan for one in values], dtype=np.float64)
    counts = count_number(numbers, np.array(reference.prediction.edges, dtype=np.float64))
    return np.append(counts, len(numbers) - counts.sum())


def bin_features(features: Mapping[str, NDArray[Any]], reference: Reference) -> dict[str, NDArray[np.int64]]:
    """Count values into the bins of a training reference.

    Args:
        features: per feature N values, as `features_of` makes them.
        reference: the bins.

    Returns:
        Per feature that is there int64 [bins + 1], the missing values last.
    """
    counted = {}
    for name, distribution in reference.features.items():
        if name not in features:
            # Its column is private: nobody can tell.
            continue
        values = features[name]
        if distribution.kind == "number":
            counts = count_number(values, np.array(distribution.edges, dtype=np.float64))
        else:
            counts = count_category(values, distribution.categories)
        counted[name] = np.append(counts, len(values) - counts.sum())
    return counted


def count_outside(features: Mapping[str, NDArray[Any]], signature: Signature) -> Counter[str]:
    """How many rows lie below or above all that training saw.

    Args:
        features: per feature N values, as `features_of` makes them.
        signature: tells the range of each input; that of an array holds for its smallest and its largest value.

    Returns:
        Rows per feature whose range is known; 0 is told as well.
    """
    found: Counter[str] = Counter()
    for one in signature.inputs:
        if one.low is None or one.high is None:
            continue
        # A little beyond the range is rounding: JSON and float32 tell a value a little differently.
        margin = _MARGIN * max(abs(one.low), abs(one.high))
        low, high = one.low - margin, one.high + margin
        names = (f"{one.name}.min", f"{one.name}.max") if one.kind == "array" else (one.name,)
        for name in names:
            if name in features and one.kind in {"array", "number"}:
                values = features[name]
                found[name] = int(((values < low) | (values > high)).sum())
    return found


def count_sure(probabilities: Sequence[Any] | NDArray[Any]) -> Counter[int]:
    """Rows by predicted class and bin of its probability, the counts that are not 0 of `count_confidence` in one line.

    Args:
        probabilities: [N, C]; none are counted of rows that are no such table.
    """
    try:
        table = np.asarray(probabilities, dtype=np.float64)
    except (ValueError, TypeError):
        return Counter()
    if table.ndim != 2 or not table.size:
        return Counter()
    flat = count_confidence(table).ravel()
    return Counter({int(place): int(flat[place]) for place in np.flatnonzero(flat)})
