"""What every supervised network of the zoo shares: the loss of its task, the optimizer, and what is logged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import pytorch_lightning as pl
import torch
from torch import Tensor, nn

from .objectives import Objective, objective_of

__all__ = ["Learner", "Schedule"]

Schedule = Literal["one_cycle", "cosine", "constant"]


class Learner(pl.LightningModule):
    """An optimizer and a task's loss around a network that turns features into one number per class, target or label.

    Logs `train_loss`, `val_loss` and what the task is judged by (`val_accuracy` of classes; `val_mae` and `val_rmse` of
    numbers, in their own units, the mean over several; `val_f1` of labels, micro-averaged at 0.5) once per epoch: sums
    are kept here, because `self.log` at every step costs as much as a small network's step.

    The targets of a regression are scaled by their mean and standard deviation in the training part, which are buffers:
    the network learns and its losses are of scaled targets, `forward` answers in the target's own unit.

    Args:
        network: float32 features `[N, *feature_shape]` to float32 `[N, width]`.
        width: number of classes, targets or labels.
        task: `classification`, `regression` or `multilabel`.
        lr: the (largest) learning rate.
        weight_decay: of weights; biases and scales of normalisations as well. AdamW's is decoupled.
        schedule: `one_cycle` (Smith & Topin, arXiv:1708.07120), `cosine` (arXiv:1608.03983) or `constant`.
        label_smoothing: share of each target spread over all classes (arXiv:1512.00567), for training alone.
        loss: of a regression: `mse`, `huber` (quadratic up to one standard deviation, linear beyond) or `mae`.
        class_weights: of classes, what an error on each costs; of labels, what a missed one costs beside a false one.
            `balanced`: as many rows as there are of the others (classes: `N / (C * count)`).
    """

    def __init__(
        self,
        network: nn.Module,
        *,
        width: int,
        task: str = "classification",
        lr: float,
        weight_decay: float = 0.01,
        schedule: Schedule = "one_cycle",
        label_smoothing: float = 0.0,
        loss: str = "mse",
        class_weights: str | Sequence[float] | None = None,
    ) -> None:
        super().__init__()
        self.network = network
        self.lr, self.weight_decay, self.schedule = lr, weight_decay, schedule
        self.objective = objective_of(task, width, label_smoothing, loss, class_weights)
        self._sums: dict[str, Tensor] = {}
        self._rows = 0

    @property
    def needs_rows(self) -> bool:
        """Whether `learn_from` has to be called before the training: something is taken from its rows."""
        return any(getattr(part, "asks_for_rows", False) for part in self.modules())

    def learn_from(self, features: Tensor, targets: Tensor) -> None:
        """Take from rows of the training part what is no weight: scales of targets, class weights, bins.

        Args:
            features: float32 `[N, *feature_shape]`.
            targets: as a batch has them, `[N]` or `[N, width]`.
        """
        part: Any
        for part in self.modules():
            if getattr(part, "asks_for_rows", False):
                part.learn_from(features, targets)

    def forward(self, features: Tensor) -> Tensor:
        """What the network says.

        Args:
            features: float32 `[N, *feature_shape]`.

        Returns:
            float32 `[N, width]`: logits of classes or labels, or numbers in the unit of the target.
        """
        answers: Tensor = self.objective.answers(self.network(features))
        return answers

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        """The mean loss of a batch."""
        features, targets = batch
        loss = self.objective.loss(self.network(features), targets, training=True)
        self._add(len(targets), train_loss=loss.detach())
        return loss

    def on_train_epoch_start(self) -> None:
        """Start the sums of an epoch."""
        self._clear()

    def on_train_epoch_end(self) -> None:
        """Log the training loss; validation has logged its own sums before."""
        self._log_means()

    def on_validation_epoch_start(self) -> None:
        """Log what training summed, then start the sums of the validation part."""
        self._log_means()

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        """Sum the loss and the scores of a batch."""
        features, targets = batch
        scores = self.network(features)
        loss = self.objective.loss(scores, targets, training=False)
        self._add(len(targets), val_loss=loss, **self.objective.sums(scores, targets))

    def on_validation_epoch_end(self) -> None:
        """Log the means over the validation part."""
        self._log_means()

    def make_optimizer(self) -> torch.optim.Optimizer:
        """AdamW, unless a network learns by another one."""
        return torch.optim.AdamW(self.parameters(), lr=self.lr, weight_decay=self.weight_decay, fused=True)

    def configure_optimizers(self) -> Any:
        """The optimizer, with the learning rate stepped after every batch unless it is constant."""
        optimizer = self.make_optimizer()
        if self.schedule == "constant":
            return optimizer
        steps = max(1, int(self.trainer.estimated_stepping_batches))
        scheduler: torch.optim.lr_scheduler.LRScheduler = (
            torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=self.lr, total_steps=steps)
            if self.schedule == "one_cycle"
            else torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=steps)
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    def _add(self, rows: int, **means: Tensor) -> None:
        # Not by `self._rows += rows`: `nn.Module.__setattr__` looks at each value as if it were a parameter.
        vars(self)["_rows"] += rows
        for name, mean in means.items():
            before = self._sums.get(name)
            self._sums[name] = mean * rows if before is None else torch.add(before, mean, alpha=rows)

    def _log_means(self) -> None:
        means = {name: total / self._rows for name, total in self._sums.items()}
        for name, value in Objective.told(means).items():
            self.log(name, value)
        self._clear()

    def _clear(self) -> None:
        self._sums, self._rows = {}, 0
