"""How good answers to the rows of a run on its own loaders are, in the measures of its task."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..scores import Tally, classification_scores, confusion, regression_scores
from .named import Arrays
from .subject import Subject

__all__ = ["confusion_of", "difference_of", "scores_of", "spread_of", "tally_of"]


def scores_of(subject: Subject, answers: Sequence[Arrays]) -> dict[str, float]:
    """How good answers to the rows of a subject are, where it is known what is right.

    Args:
        subject: with the rows.
        answers: to its batches, by the names of the graph's outputs.

    Returns:
        Of a classification what `classification_scores` gives, of a regression what `regression_scores` does; else
        none.
    """
    if (found := _classes(subject, answers)) is not None:
        return classification_scores(*found)
    targets = subject.targets
    if subject.task != "regression" or len(targets) != subject.rows:
        return {}
    told = _whole(answers, subject.outputs[0])
    return regression_scores(told, targets) if told.size == targets.size else {}


def tally_of(subject: Subject, answers: Sequence[Arrays]) -> Tally | None:
    """How sure answers to the rows of a classification were, and how often right; None where that is not known."""
    if (found := _classes(subject, answers)) is None:
        return None
    return Tally.of(*found)


def confusion_of(subject: Subject, answers: Sequence[Arrays]) -> tuple[tuple[int, ...], ...]:
    """True classes (rows) against predicted ones (columns), in counts; empty where the true ones are not known."""
    if (found := _classes(subject, answers)) is None:
        return ()
    return tuple(tuple(map(int, row)) for row in confusion(*found, found[0].shape[1]))


def difference_of(subject: Subject, answers: Sequence[Arrays]) -> float:
    """The largest difference of answers to the network's own, of any output."""
    pairs = [
        (found[name].astype(np.float64), theirs.astype(np.float64))
        for found, told in zip(answers, subject.answers, strict=True)
        for name, theirs in told.items()
    ]
    return max(float(np.abs(found.reshape(theirs.shape) - theirs).max(initial=0.0)) for found, theirs in pairs)


def spread_of(subject: Subject, answers: Sequence[Arrays]) -> float:
    """How far answers are from the network's own, in standard deviations of these, of the output that is off most."""
    found = []
    for name in subject.answers[0]:
        theirs = np.concatenate([one[name].reshape(-1) for one in subject.answers]).astype(np.float64)
        off = np.concatenate([one[name].reshape(-1) for one in answers]).astype(np.float64) - theirs
        found.append(float(np.sqrt((off**2).mean()) / (theirs.std() or 1.0)))
    return max(found)


def _classes(subject: Subject, answers: Sequence[Arrays]) -> tuple[NDArray[Any], NDArray[np.int64]] | None:
    """Probabilities and true classes, where they are known."""
    targets = subject.targets
    if subject.task != "classification" or not len(targets) == targets.size == subject.rows:
        return None
    told, right = _whole(answers, "probabilities"), targets.reshape(-1).astype(np.int64)
    # Some losses pass over rows of a class that is none, such as -100.
    return (told, right) if right.min() >= 0 and right.max() < told.shape[1] else None


def _whole(answers: Sequence[Arrays], name: str) -> NDArray[Any]:
    return np.concatenate([one[name] for one in answers])
