import numpy as np
import pytest
import pytorch_lightning as pl
import torch

from lepton_nb.data import features, load, module
from lepton_nb.data.batches import Batches
from lepton_nb.errors import UsageError
from lepton_nb.workspace import Workspace


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return load(Workspace(tmp_path_factory.mktemp("batches") / ".lepton"), "wine")


def gathered(loader):
    batches = list(loader)
    return torch.cat([x for x, _ in batches]), torch.cat([y for _, y in batches])


def test_an_epoch_holds_every_training_row_once_in_another_order(data):
    loader = module(data, batch_size=16, seed=3).train_dataloader()
    expected, _ = features(data, "train")
    first, _ = gathered(loader)
    second, _ = gathered(loader)
    assert sorted(map(tuple, first.tolist())) == sorted(map(tuple, expected.tolist()))
    assert not torch.equal(first, second)


def test_the_seed_decides_the_order_of_every_epoch(data):
    loaders = [module(data, 16, seed).train_dataloader() for seed in (3, 3, 4)]
    epochs = [[gathered(loader)[0] for _ in range(2)] for loader in loaders]
    assert all(torch.equal(a, b) for a, b in zip(epochs[0], epochs[1], strict=True))
    assert not torch.equal(epochs[0][0], epochs[2][0])


def test_an_epoch_can_be_gone_on_with(data):
    loader, resumed = (module(data, 16, 3).train_dataloader() for _ in range(2))
    gathered(loader)
    resumed.set_epoch(1)
    assert torch.equal(gathered(loader)[0], gathered(resumed)[0])


@pytest.mark.parametrize("part", ["validation", "test"])
def test_held_out_parts_keep_their_order(data, part):
    built = module(data, batch_size=7)
    loader = built.val_dataloader() if part == "validation" else built.test_dataloader()
    x, y = gathered(loader)
    expected, targets = features(data, part)
    assert np.array_equal(x.numpy(), expected)
    assert np.array_equal(y.numpy(), targets)
    assert (x.dtype, y.dtype, len(list(loader))) == (torch.float32, torch.int64, len(loader))


@pytest.mark.parametrize(
    ("rows", "size", "expected"), [(9, 4, [4, 5]), (10, 4, [4, 4, 2]), (1, 4, [1]), (3, 1, [1, 1, 1])]
)
def test_no_training_batch_is_a_single_row_unless_it_must_be(rows, size, expected):
    batches = Batches(torch.zeros(rows, 2), torch.zeros(rows), size, seed=0)
    assert [len(y) for _, y in batches] == expected
    assert len(batches) == len(expected)


def test_a_batch_size_below_one_is_refused(data):
    with pytest.raises(UsageError, match="batch_size 0"):
        module(data, batch_size=0)


class Linear(pl.LightningModule):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(13, 3)

    def training_step(self, batch, index):
        return torch.nn.functional.cross_entropy(self.layer(batch[0]), batch[1])

    def validation_step(self, batch, index):
        self.log("val_loss", torch.nn.functional.cross_entropy(self.layer(batch[0]), batch[1]))

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), 0.05)


def test_lightnings_trainer_takes_the_module(data, tmp_path):
    pl.seed_everything(0, verbose=False)
    trainer = pl.Trainer(
        max_epochs=8,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=tmp_path,
    )
    trainer.fit(Linear(), datamodule=module(data, 16, 0))
    assert trainer.callback_metrics["val_loss"] < 0.5
