"""LightningModules over texts and with several inputs and outputs, their loaders, and a small tokenizer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from torch import nn
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset

_TEXT = """a the film was is fine good great bad poor dull plot actors very not story and of it"""
WORDS = _TEXT.split()
SENTENCES = [
    ("the film was good", 1),
    ("a very fine film", 1),
    ("great actors and great story", 1),
    ("the plot is good and the film was great", 1),
    ("bad film", 0),
    ("the story was dull and poor", 0),
    ("it is a very bad film of poor actors", 0),
    ("dull", 0),
]
LENGTH = 12


def tokenizer(path: Path, *, words: list[str] = WORDS, pad: bool = True) -> Any:
    """A word-level tokenizer, written to a file."""
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.normalizers import Lowercase
    from tokenizers.pre_tokenizers import Whitespace

    vocabulary = {name: place for place, name in enumerate(["[PAD]", "[UNK]", *words])}
    made = Tokenizer(WordLevel(vocabulary, unk_token="[UNK]"))
    made.normalizer, made.pre_tokenizer = Lowercase(), Whitespace()
    if pad:
        made.enable_padding(pad_id=0, pad_token="[PAD]")
    made.save(str(path))
    return made


def encoded(path: Path) -> tuple[torch.Tensor, torch.Tensor]:
    """The sentences as ids, filled up to one length, and their classes."""
    made = tokenizer(path)
    made.enable_padding(pad_id=0, pad_token="[PAD]", length=LENGTH)
    ids = [one.ids for one in made.encode_batch([text for text, _ in SENTENCES])]
    return torch.tensor(ids), torch.tensor([label for _, label in SENTENCES])


class Trained(pl.LightningModule):
    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), 0.02)


class Lstm(Trained):
    """Reads the last hidden state, also behind padding: what it says depends on how far a text is filled up."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(len(WORDS) + 2, 8, padding_idx=0)
        self.lstm = nn.LSTM(8, 16, batch_first=True)
        self.head = nn.Linear(16, 2)

    def forward(self, text):
        return self.head(self.lstm(self.embed(text))[1][0][-1])

    def training_step(self, batch, _):
        text, label = batch
        loss = functional.cross_entropy(self(text), label)
        self.log("train_loss", loss)
        return loss

    def validation_step(self, batch, _):
        self.log("val_loss", functional.cross_entropy(self(batch[0]), batch[1]))


class Transformer(Trained):
    """An encoder whose mask keeps padding out."""

    def __init__(self):
        super().__init__()
        self.embed, self.place = nn.Embedding(len(WORDS) + 2, 8), nn.Embedding(LENGTH, 8)
        layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.1, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Linear(8, 2)

    def forward(self, text, attention_mask):
        vectors = self.embed(text) + self.place(torch.arange(text.shape[1], device=text.device))
        vectors = self.encoder(vectors, src_key_padding_mask=attention_mask == 0)
        weights = attention_mask.unsqueeze(-1).float()
        return self.head((vectors * weights).sum(1) / weights.sum(1))

    def training_step(self, batch, _):
        loss = functional.cross_entropy(self(batch["text"], batch["attention_mask"]), batch["labels"])
        self.log("train_loss", loss)
        return loss

    def validation_step(self, batch, _):
        self.log("val_loss", functional.cross_entropy(self(batch["text"], batch["attention_mask"]), batch["labels"]))


class TwoByTwo(Trained):
    """Numbers and a kind in; a mean and a log scale out."""

    def __init__(self):
        super().__init__()
        self.kinds = nn.Embedding(4, 3)
        self.body = nn.Sequential(nn.Linear(6, 16), nn.ReLU())
        self.mean, self.scale = nn.Linear(16, 2), nn.Linear(16, 1)

    def forward(self, numbers, kind):
        hidden = self.body(torch.cat([numbers, self.kinds(kind)], 1))
        return {"mean": self.mean(hidden), "scale": self.scale(hidden).squeeze(1)}

    def training_step(self, batch, _):
        (numbers, kind), target = batch
        loss = functional.mse_loss(self(numbers, kind)["mean"], target)
        self.log("train_loss", loss)
        return loss

    def validation_step(self, batch, _):
        (numbers, kind), target = batch
        self.log("val_loss", functional.mse_loss(self(numbers, kind)["mean"], target))


class Price(Trained):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 1))

    def forward(self, features):
        return self.body(features)

    def training_step(self, batch, _):
        loss = functional.mse_loss(self(batch[0]), batch[1])
        self.log("train_loss", loss)
        return loss

    def validation_step(self, batch, _):
        self.log("val_loss", functional.mse_loss(self(batch[0]), batch[1]))


class Choosy(Price):
    """Goes another way for other values."""

    def forward(self, features):
        return self.body(features) if features.sum() > 0 else -self.body(features)


class ChoosyText(Transformer):
    """Goes another way for other texts."""

    def forward(self, text, attention_mask):
        scores = super().forward(text, attention_mask)
        return scores if scores.sum() > 0 else scores * 0.5


def _named(rows):
    ids, labels = torch.stack([row[0] for row in rows]), torch.stack([row[1] for row in rows])
    return {"text": ids, "attention_mask": (ids != 0).long(), "labels": labels}


def _paired(rows):
    numbers, kinds, targets = map(torch.stack, zip(*rows, strict=True))
    return (numbers, kinds), targets


def loaders(name: str, folder: Path) -> tuple[DataLoader, DataLoader]:
    """A loader to train on and one to validate on, for a network by its name."""
    generator = torch.Generator().manual_seed(0)
    if name in ("Lstm", "Transformer", "ChoosyText"):
        rows = TensorDataset(*encoded(folder / "tokenizer.json"))
        collate = _named if name != "Lstm" else None
    else:
        numbers = torch.randn(64, 3, generator=generator)
        kinds, rows, collate = torch.arange(64) % 4, None, None
        if name in ("Price", "Choosy"):
            rows = TensorDataset(numbers, numbers.sum(1, keepdim=True))
        else:
            rows, collate = TensorDataset(numbers, kinds, numbers[:, :2] * kinds[:, None]), _paired
    return tuple(DataLoader(rows, batch_size=4, shuffle=one, collate_fn=collate) for one in (True, False))
