"""LightningModules as others write them, and callbacks that interrupt a training at a given batch."""

import os
import signal
import time
from pathlib import Path

import numpy as np
import pytorch_lightning as pl
import torch
import torchmetrics
from torch import nn
from torch.utils.data import Dataset, IterableDataset

from lepton_nb.training import ask_to_stop


class Noisy(pl.LightningModule):
    """All that has a state: dropout, sums of an epoch, a metric, momentum, and a schedule that looks at the loss."""

    def __init__(self, in_features=12, num_classes=3, lr=0.05):
        super().__init__()
        self.save_hyperparameters()
        self.lr = lr
        self.body = nn.Sequential(
            nn.Flatten(), nn.Linear(in_features, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.3)
        )
        self.head = nn.Linear(16, num_classes)
        self.accuracy = torchmetrics.classification.MulticlassAccuracy(num_classes)

    def forward(self, x):
        return self.head(self.body(x))

    def training_step(self, batch, index):
        x, y = batch
        logits = self(x)
        loss = nn.functional.cross_entropy(logits, y)
        self.accuracy(logits, y)
        self.log("train_loss", loss, on_step=True, on_epoch=True)
        self.log("worst", loss, on_step=False, on_epoch=True, reduce_fx="max")
        self.log("train_accuracy", self.accuracy, on_step=False, on_epoch=True)
        return loss

    def validation_step(self, batch, index):
        x, y = batch
        self.log("val_loss", nn.functional.cross_entropy(self(x), y))

    def configure_optimizers(self):
        optimizer = torch.optim.SGD(self.parameters(), self.lr, momentum=0.9)
        plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.7, patience=0, threshold=0.5)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": plateau, "monitor": "val_loss"}}


class Plain(Noisy):
    """The same without a schedule: no validation part is needed."""

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), self.lr)


class Odd(Plain):
    """Keeps what it needs in attributes, as many do, and has something to say to each batch."""

    def __init__(self):
        super().__init__(12, 3)
        self.average = 0.0
        self.register_buffer("smooth", torch.zeros(3))

    def on_train_epoch_start(self):
        self.losses = []

    def training_step(self, batch, index):
        loss = super().training_step(batch, index)
        self.losses.append(loss.detach())
        if index < 2:
            self.log("early", loss, on_step=False, on_epoch=True)
        self.log("acc@1 (%)", loss)
        return loss

    def on_train_batch_end(self, outputs, batch, index):
        self.average = 0.9 * self.average + 0.1 * float(outputs["loss"])
        self.smooth += self.head.bias.detach()
        self.log("smoothed", self.average)

    def on_train_epoch_end(self):
        self.log("mean", torch.stack(self.losses).mean())

    def on_save_checkpoint(self, checkpoint):
        checkpoint["history"] = np.arange(3)

    def configure_optimizers(self):
        optimizer = torch.optim.SGD(self.parameters(), self.lr)
        return [optimizer], [torch.optim.lr_scheduler.LambdaLR(optimizer, lambda e: 0.5 * (1 + np.cos(e / 7)))]


class Pair(pl.LightningModule):
    """Two networks against each other, each with an optimizer of its own, stepped by hand: the shape of a GAN."""

    def __init__(self, width=6):
        super().__init__()
        self.automatic_optimization = False
        self.generator, self.discriminator = (
            nn.Linear(4, width),
            nn.Sequential(nn.Linear(width, 8), nn.ReLU(), nn.Linear(8, 1)),
        )

    def forward(self, z):
        return self.generator(z)

    def training_step(self, batch, index):
        real = batch[0].flatten(1)[:, : self.generator.out_features]
        made = self(torch.randn(len(real), 4))
        first, second = self.optimizers()
        judge = nn.functional.binary_cross_entropy_with_logits
        for name, optimizer, loss in (
            ("g_loss", first, lambda: judge(self.discriminator(made), torch.ones(len(real), 1))),
            ("d_loss", second, lambda: judge(self.discriminator(torch.cat([real, made.detach()])),
                                            torch.cat([torch.ones(len(real), 1), torch.zeros(len(real), 1)]))),
        ):  # fmt: skip
            self.toggle_optimizer(optimizer)
            value = loss()
            optimizer.zero_grad()
            self.manual_backward(value)
            optimizer.step()
            self.untoggle_optimizer(optimizer)
            self.log(name, value, prog_bar=True)

    def configure_optimizers(self):
        return [
            torch.optim.Adam(self.generator.parameters(), 1e-2),
            torch.optim.Adam(self.discriminator.parameters(), 1e-2),
        ], []


class Autoencoder(pl.LightningModule):
    """An autoencoder that is optimised by hand."""

    def __init__(self, in_features):
        super().__init__()
        self.automatic_optimization = False
        self.encoder, self.decoder = nn.Linear(in_features, 3), nn.Linear(3, in_features)

    def forward(self, x):
        return self.decoder(torch.tanh(self.encoder(x.flatten(1))))

    def training_step(self, batch, index):
        optimizer, rows = self.optimizers(), batch[0].flatten(1)
        loss = nn.functional.mse_loss(self(rows), rows)
        optimizer.zero_grad()
        self.manual_backward(loss)
        optimizer.step()
        self.log("train_loss", loss)

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), 1e-2)


class Language(pl.LightningModule):
    """A small transformer that continues a text, with its own loaders."""

    def __init__(self, vocabulary=17, width=16):
        super().__init__()
        self.vocabulary = vocabulary
        self.embedding = nn.Embedding(vocabulary, width)
        layer = nn.TransformerEncoderLayer(width, 2, 32, dropout=0.1, batch_first=True)
        self.body, self.head = nn.TransformerEncoder(layer, 2), nn.Linear(width, vocabulary)

    def forward(self, tokens):
        mask = nn.Transformer.generate_square_subsequent_mask(tokens.shape[1])
        return self.head(self.body(self.embedding(tokens), mask=mask, is_causal=True))

    def training_step(self, batch, index):
        loss = nn.functional.cross_entropy(self(batch[:, :-1]).flatten(0, 1), batch[:, 1:].flatten())
        self.log("train_loss", loss)
        return loss

    def train_dataloader(self):
        return torch.utils.data.DataLoader(Text(self.vocabulary), batch_size=8, shuffle=True)

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


class Text(Dataset):
    """Sequences that count upwards."""

    def __init__(self, vocabulary):
        self.vocabulary = vocabulary

    def __len__(self):
        return 80

    def __getitem__(self, row):
        return (torch.arange(9) + row) % self.vocabulary


class Rows(Dataset):
    """Rows that are shaken at random each time they are read."""

    def __init__(self, count=160):
        generator = torch.Generator().manual_seed(3)
        self.features = torch.randn(count, 12, generator=generator)
        self.targets = torch.randint(0, 3, (count,), generator=generator)

    def __len__(self):
        return len(self.targets)

    def __getitem__(self, row):
        return self.features[row] + 0.1 * torch.randn(12), self.targets[row]


class Stream(IterableDataset):
    """The same rows, of which nobody can ask for one by its number."""

    def __iter__(self):
        rows = Rows()
        return iter([(rows.features[i], rows.targets[i]) for i in range(len(rows))])


class KillAt(pl.Callback):
    """The process is gone at a batch, once; a moment before there was time for a checkpoint."""

    def __init__(self, batch, mark):
        self.batch, self.mark = batch, mark

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        done = trainer.fit_loop.total_batch_idx + 1
        if done in (self.batch, self.batch - 3):
            time.sleep(0.11)
        if done == self.batch and not self.mark.exists():
            self.mark.touch()
            self.act(trainer)

    def act(self, trainer):
        os.kill(os.getpid(), signal.SIGKILL)


class StopAt(KillAt):
    """Somebody asks to stop at a batch, once."""

    def act(self, trainer):
        ask_to_stop(Path(trainer.default_root_dir))
