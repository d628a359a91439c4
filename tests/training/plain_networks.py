"""A network that takes a batch the same way however it is shared."""

import pytorch_lightning as pl
import torch
from torch import nn


class Plain(pl.LightningModule):
    """Nothing in it depends on how a batch is shared."""

    def __init__(self, in_features=12, num_classes=3):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(in_features, 16), nn.Tanh(), nn.Linear(16, num_classes))

    def forward(self, x):
        return self.body(x)

    def training_step(self, batch, index):
        loss = nn.functional.cross_entropy(self(batch[0]), batch[1])
        self.log("train_loss", loss)
        return loss

    def validation_step(self, batch, index):
        self.log("val_loss", nn.functional.cross_entropy(self(batch[0]), batch[1]))

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), 0.02)
