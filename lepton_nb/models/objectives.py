"""What a network is trained for: the loss of each task, what makes answers of its scores, and what it is judged by."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["Objective", "objective_of"]

_LOSSES: dict[str, Callable[..., Tensor]] = {
    "mse": functional.mse_loss,
    "huber": functional.huber_loss,
    "mae": functional.l1_loss,
}


def objective_of(
    task: str, width: int, label_smoothing: float, loss: str, class_weights: str | Sequence[float] | None
) -> Objective:
    """The objective of a task; its arguments are those of `Learner`."""
    if task == "regression":
        return Numbers(width, loss)
    if task == "multilabel":
        return Labels(width, class_weights)
    return Classes(width, class_weights, label_smoothing)


class Objective(nn.Module):
    """The loss of a task, over scores `[N, width]`."""

    asks_for_rows = False

    def loss(self, scores: Tensor, targets: Tensor, *, training: bool) -> Tensor:
        """The mean loss of a batch."""
        raise NotImplementedError

    def answers(self, scores: Tensor) -> Tensor:
        """What the network answers: the scores themselves, unless they are scaled."""
        return scores

    def sums(self, scores: Tensor, targets: Tensor) -> dict[str, Tensor]:
        """Means over the rows of a batch, from whose means over all of them `told` makes what is logged."""
        raise NotImplementedError

    @staticmethod
    def told(means: dict[str, Tensor]) -> dict[str, Tensor]:
        """What is logged: a square becomes a root, and counts of right and wrong labels their F1."""
        found = dict(means)
        if (square := found.pop("val_square", None)) is not None:
            found["val_rmse"] = square.sqrt()
        if (right := found.pop("val_right", None)) is not None:
            # Micro-averaged over all labels; no label told and none there is no error.
            marked = found.pop("val_marked")
            found["val_f1"] = torch.where(marked > 0, 2 * right / marked.clamp(min=torch.finfo().tiny), 1.0)
        return found


class _Weighted(Objective):
    """Class weights, given or from the rows."""

    weights: Tensor | None

    def __init__(self, width: int, class_weights: str | Sequence[float] | None) -> None:
        super().__init__()
        self.asks_for_rows = class_weights == "balanced"
        given: Any = None if class_weights is None else torch.ones(width)
        if class_weights is not None and not self.asks_for_rows:
            given = torch.tensor([float(one) for one in class_weights])
            if given.shape != (width,):
                raise ValueError(f"{len(given)} class weights for {width} classes")
        self.register_buffer("weights", given)

    def learn_from(self, features: Tensor, targets: Tensor) -> None:
        """Weigh the classes by their rows."""
        assert self.weights is not None  # noqa: S101 - for the type checker: only a balanced one asks
        self.weights.copy_(self._balanced(targets, len(self.weights)))

    @staticmethod
    def _balanced(targets: Tensor, width: int) -> Tensor:
        raise NotImplementedError


class Classes(_Weighted):
    """Cross entropy of one class out of several.

    Args:
        width: classes.
        class_weights: as `Learner` has them.
        label_smoothing: as `Learner` has it.
    """

    def __init__(self, width: int, class_weights: str | Sequence[float] | None, label_smoothing: float) -> None:
        super().__init__(width, class_weights)
        self.label_smoothing = label_smoothing

    def loss(self, scores: Tensor, targets: Tensor, *, training: bool) -> Tensor:
        """Cross entropy in nats; of weighted classes each row counts as much as its class, over the number of rows."""
        smoothing = self.label_smoothing if training else 0.0
        if self.weights is None:
            return functional.cross_entropy(scores, targets, label_smoothing=smoothing)
        # Not torch's mean, which divides by the weights of the batch: a rare class would count less where it occurs.
        total = functional.cross_entropy(scores, targets, self.weights, label_smoothing=smoothing, reduction="sum")
        return total / len(targets)

    def sums(self, scores: Tensor, targets: Tensor) -> dict[str, Tensor]:
        """`val_accuracy`."""
        return {"val_accuracy": (scores.argmax(dim=1) == targets).float().mean()}

    @staticmethod
    def _balanced(targets: Tensor, width: int) -> Tensor:
        counts = torch.bincount(targets, minlength=width).clamp(min=1)
        return len(targets) / (width * counts)


class Labels(_Weighted):
    """Binary cross entropy of each of several labels."""

    def loss(self, scores: Tensor, targets: Tensor, *, training: bool) -> Tensor:
        """Binary cross entropy in nats, the mean over rows and labels."""
        return functional.binary_cross_entropy_with_logits(scores, targets, pos_weight=self.weights)

    def sums(self, scores: Tensor, targets: Tensor) -> dict[str, Tensor]:
        """Labels told rightly, and labels told or there, per row."""
        told = (scores > 0).float()
        rows = len(targets)
        return {"val_right": (told * targets).sum() / rows, "val_marked": (told.sum() + targets.sum()) / rows}

    @staticmethod
    def _balanced(targets: Tensor, width: int) -> Tensor:
        held = targets.sum(dim=0)
        # As if one row more had a label that none has, or lacked one that all have: it is learned with some weight.
        return (len(targets) - held).clamp(min=1) / held.clamp(min=1)


class Numbers(Objective):
    """Errors of numbers, scaled by the mean and standard deviation of the training part.

    Args:
        width: numbers per row.
        loss: as `Learner` has it.
    """

    asks_for_rows = True
    mean: Tensor
    deviation: Tensor

    def __init__(self, width: int, loss: str) -> None:
        super().__init__()
        self._loss = _LOSSES[loss]
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("deviation", torch.ones(width))

    def learn_from(self, features: Tensor, targets: Tensor) -> None:
        """Take the scale of each number."""
        values = targets.reshape(len(targets), -1).double()
        deviation = values.std(dim=0, unbiased=False)
        self.mean.copy_(values.mean(dim=0))
        self.deviation.copy_(torch.where(deviation > 0, deviation, 1.0))

    def answers(self, scores: Tensor) -> Tensor:
        """Numbers in their own units."""
        return scores * self.deviation + self.mean

    def loss(self, scores: Tensor, targets: Tensor, *, training: bool) -> Tensor:
        """The loss of scaled targets: 1 is what their mean would cost (`mse`)."""
        return self._loss(scores, (targets.view_as(scores) - self.mean) / self.deviation)

    def sums(self, scores: Tensor, targets: Tensor) -> dict[str, Tensor]:
        """`val_mae`, and the squared error."""
        errors = self.answers(scores) - targets.view_as(scores)
        return {"val_mae": errors.abs().mean(), "val_square": errors.square().mean()}
