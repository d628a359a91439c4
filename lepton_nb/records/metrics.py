"""What the name of a metric says of it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

__all__ = ["better", "monitored"]

_FALLING = ("loss", "error", "mse", "mae", "brier", "perplexity", "latency")
_RISING = (
    "accuracy", "acc", "f1", "precision", "recall", "auc", "auroc", "r2", "iou", "dice", "bleu", "return", "reward",
    "solved",
)  # fmt: skip


def better(metric: str) -> Literal["lower", "higher", ""]:
    """Which values of a metric are better; empty when nobody can say.

    Example:
        >>> better("val_loss"), better("test/f1"), better("temperature")
        ('lower', 'higher', '')
    """
    text = metric.lower()
    if any(word in text for word in _FALLING):
        return "lower"
    return "higher" if any(word in text for word in _RISING) else ""


def monitored(metrics: Iterable[str]) -> str | None:
    """What says which epoch is the best: an agent's return, else a loss, of validation where there is one.

    Example:
        >>> monitored(["train_loss", "valid/loss"]), monitored(["loss"]), monitored(["f1"])
        ('valid/loss', 'loss', None)
        >>> monitored(["train_loss", "val_return"])
        'val_return'
    """
    names = list(metrics)
    losses = [name for name in names if "loss" in name]
    preferred = (
        "val_return",
        "val_loss",
        *(n for n in losses if "val" in n),
        "train_loss",
        "train_loss_epoch",
        *losses,
    )
    return next((name for name in preferred if name in names), None)
