"""Scores of a classifier, from its probabilities and the true classes."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["calibration_error", "classification_scores", "confusion"]

_FEW = 10


def classification_scores(probabilities: ArrayLike, targets: ArrayLike) -> dict[str, float]:
    """The scores a model card shows.

    Args:
        probabilities: [N, C], each row sums to 1.
        targets: [N], the true class of each row as an index below C.

    Returns:
        `accuracy`; `f1`, the macro mean over the classes that occur or are predicted; `roc_auc`, of the
        second class when there are two, else one against the rest as the mean over the classes that occur
        (NaN when only one class occurs); `log_loss` in nats; `calibration_error`, see `calibration_error`; of more
        than ten classes `recall_at_10`, the share of rows whose class is among the ten that are most likely.

    Raises:
        ValueError: the shapes do not fit, or there are no rows.

    Example:
        >>> scores = classification_scores([[0.9, 0.1], [0.2, 0.8]], [0, 1])
        >>> scores["accuracy"], scores["roc_auc"], round(scores["log_loss"], 4)
        (1.0, 1.0, 0.1643)
    """
    from sklearn.metrics import f1_score

    p, y = _checked(probabilities, targets)
    predicted = p.argmax(axis=1)
    chosen = p[np.arange(len(y)), y]
    # A probability of exactly 0 would cost infinitely much; the smallest step of float64 stands in for it.
    surprise = -np.log(np.maximum(chosen, np.finfo(np.float64).eps))
    return {
        "accuracy": float((predicted == y).mean()),
        "f1": float(f1_score(y, predicted, average="macro", zero_division=0.0)),
        "roc_auc": _roc_auc(p, y),
        "log_loss": float(surprise.mean()),
        "calibration_error": calibration_error(p, y),
        **({f"recall_at_{_FEW}": _recall(p, y)} if p.shape[1] > _FEW else {}),
    }


def calibration_error(probabilities: ArrayLike, targets: ArrayLike, bins: int = 15) -> float:
    """Expected calibration error of the predicted class: how far confidence is from accuracy.

    Guo et al., "On Calibration of Modern Neural Networks", ICML 2017, equation 3, with bins of equal width.

    Args:
        probabilities: [N, C].
        targets: [N], class indices.
        bins: number of bins between 0 and 1.

    Returns:
        Between 0 (a confidence of 80 % is right in 80 % of the cases) and 1.

    Example:
        >>> round(calibration_error([[0.8, 0.2]] * 5, [0, 0, 0, 0, 1]), 12)
        0.0
    """
    p, y = _checked(probabilities, targets)
    confidence = p.max(axis=1)
    right = (p.argmax(axis=1) == y).astype(np.float64)
    where = np.searchsorted(np.linspace(0, 1, bins + 1)[1:-1], confidence, side="left")
    gaps = np.bincount(where, weights=right - confidence, minlength=bins)
    return float(np.abs(gaps).sum() / len(y))


def confusion(predicted: ArrayLike, targets: ArrayLike, classes: int) -> NDArray[np.int64]:
    """Counts of predicted against true classes.

    Args:
        predicted: [N], class indices; or [N, C] probabilities, of which the largest counts.
        targets: [N], class indices.
        classes: number of classes C.

    Returns:
        int64 [C, C]; rows are the true classes, columns the predicted ones.

    Example:
        >>> confusion([0, 1, 1], [0, 0, 1], 2).tolist()
        [[1, 1], [0, 1]]
    """
    guess = np.asarray(predicted)
    guess = guess.argmax(axis=1) if guess.ndim == 2 else guess
    y = np.asarray(targets)
    flat = np.bincount(y.astype(np.int64) * classes + guess.astype(np.int64), minlength=classes * classes)
    return flat.reshape(classes, classes).astype(np.int64)


def _checked(probabilities: ArrayLike, targets: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    p = np.asarray(probabilities, dtype=np.float64)
    y = np.asarray(targets, dtype=np.int64)
    if p.ndim != 2 or y.shape != p.shape[:1] or not len(y):
        raise ValueError(f"expected probabilities [N, C] and targets [N] with N > 0, got {p.shape} and {y.shape}")
    if y.min() < 0 or y.max() >= p.shape[1]:
        raise ValueError(f"targets must be below {p.shape[1]}, the number of columns; got up to {y.max()}")
    return p, y


def _recall(p: NDArray[np.float64], y: NDArray[np.int64]) -> float:
    # Of equal probabilities the one in front counts as larger, as it does for the class that is answered.
    first = np.argsort(-p, axis=1, kind="stable")[:, :_FEW]
    return float((first == y[:, None]).any(axis=1).mean())


def _roc_auc(p: NDArray[np.float64], y: NDArray[np.int64]) -> float:
    from sklearn.metrics import roc_auc_score

    if len(np.unique(y)) < 2:
        return math.nan
    if p.shape[1] == 2:
        return float(roc_auc_score(y, p[:, 1]))
    # A class without rows has no curve of its own.
    return float(np.mean([roc_auc_score(y == c, p[:, c]) for c in np.unique(y)]))
