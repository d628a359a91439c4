"""What is kept of a notebook's own loaders is what they gave, and keeping it ends no training."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import pytorch_lightning as pl
import torch
from torch import nn
from torch.utils.data import DataLoader

from lepton_nb.models import read_examples
from lepton_nb.training.trainer.gathering import Gatherer

pytestmark = pytest.mark.filterwarnings("ignore")


class Kept(Gatherer, pl.Callback):
    pass


class Net(pl.LightningModule):
    """Changes its batches in place, as a step that scales its pictures does."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(2, 1)

    def forward(self, x):
        return self.head(x.to_dense().float())

    def training_step(self, batch, _):
        target = batch.pop("target")
        if not batch["x"].is_sparse:
            batch["x"].div_(255)
        return (self(**batch) - target).square().mean()

    def validation_step(self, batch, _):
        batch["x"].div_(255)

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.01)


def rows(start: int):
    numbers = torch.arange(start, start + 8.0).reshape(4, 2)
    return DataLoader([{"x": row, "target": row.sum()} for row in numbers], batch_size=2)


def train(folder, *, epochs=1, every=1, validation=True, training=None):
    (folder / "job").mkdir(exist_ok=True)
    trainer = pl.Trainer(
        max_epochs=epochs,
        check_val_every_n_epoch=every,
        num_sanity_val_steps=0,
        callbacks=[Kept(SimpleNamespace(folder=folder))],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        accelerator="cpu",
    )
    trainer.fit(Net(), training or rows(0), rows(100) if validation else None)
    return read_examples(folder / "job")


def test_what_is_kept_is_what_the_loader_gave(tmp_path):
    found = train(tmp_path)
    assert [one.inputs["x"].tolist() for one in found.train] == [[[0, 1], [2, 3]], [[4, 5], [6, 7]]]
    assert found.train[0].targets["target"].tolist() == [1, 5]
    assert found.validation[0].inputs["x"].tolist() == [[100, 101], [102, 103]]


def test_a_validation_that_comes_later_is_waited_for_and_kept_once(tmp_path):
    assert [len(one) for one in parts(train(tmp_path, epochs=4, every=2))] == [2, 2]


def test_a_run_that_goes_on_keeps_the_validation_that_was_yet_to_come(tmp_path):
    before = train(tmp_path, every=2)
    assert [len(one) for one in parts(before)] == [2, 0]
    assert before.part == "train"
    after = train(tmp_path, every=1)
    assert [len(one) for one in parts(after)] == [2, 2]
    assert after.part == "validation"


def test_without_a_validation_what_is_kept_is_as_it_was_after_the_first_epoch(tmp_path):
    assert [len(one) for one in parts(train(tmp_path, epochs=3, validation=False))] == [2, 0]


def test_a_batch_that_cannot_be_kept_ends_no_training(tmp_path):
    sparse = [{"x": torch.eye(2).to_sparse(), "target": torch.zeros(2)}]
    found = train(tmp_path, validation=False, training=DataLoader(sparse, batch_size=None))
    assert "sparse" in found.fault.lower() or "Sparse" in found.fault
    assert not found.train


def parts(found):
    return found.train, found.validation
