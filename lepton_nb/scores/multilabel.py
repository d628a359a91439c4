"""Scores of a model that tells which labels hold, several at once."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .classification import classification_scores
from .regression import regression_scores

__all__ = ["multilabel_scores", "task_scores"]


def multilabel_scores(probabilities: ArrayLike, targets: ArrayLike) -> dict[str, float]:
    """The scores that a model card shows. A label is told where its probability is above 0.5.

    Args:
        probabilities: [N, L], of each label.
        targets: [N, L], 1 where a label holds.

    Returns:
        `f1`, micro-averaged over all labels, and `f1_macro`, its mean over labels (a label that is neither told nor
        there counts 1); `exact_match`, the share of rows with all labels right; `roc_auc`, the mean over labels that
        hold in some rows and not in others (NaN without one); `log_loss` in nats, the mean over rows and labels.

    Raises:
        ValueError: the shapes do not fit, or there are no rows.

    Example:
        >>> scores = multilabel_scores([[0.9, 0.2], [0.6, 0.7]], [[1, 0], [0, 1]])
        >>> round(scores["f1"], 3), scores["exact_match"]
        (0.8, 0.5)
    """
    p, y = np.asarray(probabilities, np.float64), np.asarray(targets)
    if p.ndim != 2 or p.shape != y.shape or not len(p):
        raise ValueError(f"expected probabilities and targets [N, L] with N > 0, got {p.shape} and {y.shape}")
    told, held = p > 0.5, y.astype(bool)
    right, marked = (told & held).sum(0), told.sum(0) + held.sum(0)
    chosen = np.where(held, p, 1 - p)
    return {
        "f1": float(2 * right.sum() / marked.sum()) if marked.any() else 1.0,
        "f1_macro": float(np.where(marked > 0, 2 * right / np.maximum(marked, 1), 1.0).mean()),
        "exact_match": float((told == held).all(1).mean()),
        "roc_auc": _roc_auc(p, held),
        # A probability of exactly 0 would cost infinitely much; the smallest step of float64 stands in for it.
        "log_loss": float(-np.log(np.maximum(chosen, np.finfo(np.float64).eps)).mean()),
    }


def task_scores(task: str, answers: ArrayLike, targets: ArrayLike) -> dict[str, float]:
    """The scores of a task that a model card shows.

    Args:
        task: `classification`, `regression` or `multilabel`.
        answers: [N, C] probabilities of classes or labels, or [N, K] numbers.
        targets: [N] class indices, [N, L] labels, or [N, K] numbers.
    """
    scores = {"regression": regression_scores, "multilabel": multilabel_scores}.get(task, classification_scores)
    return scores(answers, targets)


def _roc_auc(p: NDArray[np.float64], held: NDArray[np.bool_]) -> float:
    from sklearn.metrics import roc_auc_score

    told = [roc_auc_score(held[:, one], p[:, one]) for one in range(p.shape[1]) if 0 < held[:, one].sum() < len(held)]
    return float(np.mean(told)) if told else math.nan
