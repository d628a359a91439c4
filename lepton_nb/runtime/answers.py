"""What a model answers: probabilities of classes, or named outputs. Both are cut, joined and told here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .formats import Signature

__all__ = ["Answers", "joined", "parted", "values_of"]

# Probabilities [N, C], or arrays [N, ...] by the name of the output.
Answers = np.ndarray[Any, Any] | Mapping[str, np.ndarray[Any, Any]]


def joined(parts: Sequence[Answers]) -> Answers:
    """The answers to some stretches of rows, as one.

    Raises:
        ValueError: outputs whose length may differ have different lengths.
    """
    if len(parts) == 1:
        return parts[0]
    if plain := [one for one in parts if isinstance(one, np.ndarray)]:
        return np.concatenate(plain)
    named = [one for one in parts if isinstance(one, Mapping)]
    return {name: np.concatenate([one[name] for one in named]) for name in named[0]}


def parted(whole: Answers, sizes: Sequence[int]) -> list[Answers]:
    """The answers of stretches of so many rows each."""
    cuts = np.cumsum(sizes[:-1])
    if isinstance(whole, np.ndarray):
        return list(np.split(whole, cuts))
    parts = {name: np.split(values, cuts) for name, values in whole.items()}
    return [{name: values[place] for name, values in parts.items()} for place in range(len(sizes))]


def values_of(answers: Answers, signature: Signature) -> list[dict[str, Any]]:
    """One JSON object per row: `label` and `probabilities`, or `outputs` by their names."""
    if isinstance(answers, np.ndarray):
        classes = signature.classes
        labels = [classes[place] for place in answers.argmax(1).tolist()]
        rows = zip(labels, answers.tolist(), strict=True)
        return [{"label": label, "probabilities": row} for label, row in rows]
    columns = {name: values.tolist() for name, values in answers.items()}
    count = len(next(iter(columns.values())))
    return [{"outputs": {name: values[row] for name, values in columns.items()}} for row in range(count)]
