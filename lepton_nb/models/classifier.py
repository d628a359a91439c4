"""What every classifier of the zoo shares: the loss, the optimizer, and what is logged."""

from __future__ import annotations

from typing import Any, Literal

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["Classifier", "Schedule"]

Schedule = Literal["one_cycle", "cosine", "constant"]


class Classifier(pl.LightningModule):
    """Cross entropy and AdamW around a network that turns features into logits.

    Logs `train_loss`, `val_loss` and `val_accuracy` once per epoch: sums are kept here, because
    `self.log` at every step costs as much as a small network's step.

    Args:
        network: float32 features `[N, *feature_shape]` to logits `[N, classes]`.
        lr: the (largest) learning rate.
        weight_decay: AdamW's decoupled weight decay.
        schedule: `one_cycle` (Smith & Topin, arXiv:1708.07120), `cosine` (arXiv:1608.03983) or `constant`.
        label_smoothing: share of each target spread over all classes (arXiv:1512.00567), for training alone.
    """

    def __init__(
        self,
        network: nn.Module,
        *,
        lr: float,
        weight_decay: float = 0.01,
        schedule: Schedule = "one_cycle",
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__()
        self.network = network
        self.lr, self.weight_decay = lr, weight_decay
        self.schedule, self.label_smoothing = schedule, label_smoothing
        self._sums: dict[str, Tensor] = {}
        self._rows = 0

    def forward(self, features: Tensor) -> Tensor:
        """Logits.

        Args:
            features: float32 `[N, *feature_shape]`.

        Returns:
            float32 `[N, classes]`.
        """
        logits: Tensor = self.network(features)
        return logits

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        """The mean loss of a batch."""
        features, targets = batch
        loss = functional.cross_entropy(self(features), targets, label_smoothing=self.label_smoothing)
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
        """Sum the loss and the hits of a batch."""
        features, targets = batch
        logits = self(features)
        hits = (logits.argmax(dim=1) == targets).float().mean()
        self._add(len(targets), val_loss=functional.cross_entropy(logits, targets), val_accuracy=hits)

    def on_validation_epoch_end(self) -> None:
        """Log the means over the validation part."""
        self._log_means()

    def configure_optimizers(self) -> Any:
        """AdamW, with the learning rate stepped after every batch unless it is constant."""
        optimizer = torch.optim.AdamW(self.parameters(), lr=self.lr, weight_decay=self.weight_decay, fused=True)
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
        for name, total in self._sums.items():
            self.log(name, total / self._rows)
        self._clear()

    def _clear(self) -> None:
        self._sums, self._rows = {}, 0
