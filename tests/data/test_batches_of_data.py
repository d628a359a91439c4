from itertools import chain

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import DataLoader, TensorDataset

from lepton_nb.data import batches as room
from lepton_nb.data import features, load, module
from lepton_nb.data.batches import Batches
from lepton_nb.errors import DataError, FormatError, UsageError
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


def numbered(rows, size, seed=0, rank=0, world=1):
    numbers = torch.arange(rows)
    return Batches(numbers[:, None].float(), numbers, size, seed, rank, world)


def taken(batches):
    return [(x[:, 0].long().tolist(), y.tolist()) for x, y in batches]


@pytest.mark.parametrize("at_once", [0, 24 << 20])
def test_batches_are_those_of_a_torch_loader_given_the_same_order(monkeypatch, at_once):
    monkeypatch.setattr(room, "_AT_ONCE", at_once)
    features, targets = torch.randn(103, 3, 4), torch.arange(103)
    for epoch in (0, 1):
        order = torch.randperm(103, generator=torch.Generator().manual_seed(5 * 1_000_003 + epoch))
        peer = DataLoader(TensorDataset(features, targets), batch_size=8, sampler=order.tolist())
        ours = Batches(features, targets, 8, seed=5)
        ours.set_epoch(epoch)
        for (x, y), (their_x, their_y) in zip(ours, peer, strict=True):
            assert torch.equal(x, their_x)
            assert torch.equal(y, their_y)


@given(
    rows=st.integers(4, 40),
    size=st.integers(2, 12),
    seed=st.none() | st.integers(0, 5),
    cut=st.integers(0, 25),
    epoch=st.integers(0, 2),
)
def test_a_resumed_epoch_is_the_rest_of_an_uninterrupted_one(rows, size, seed, cut, epoch):
    whole = [taken(loader) for loader in [numbered(rows, size, seed)] for _ in range(epoch + 2)]
    cut = min(cut, len(whole[epoch]))
    interrupted = numbered(rows, size, seed)
    interrupted.set_epoch(epoch)
    running = iter(interrupted)
    for position in range(cut):
        next(running)
        assert interrupted.state_dict() == {"epoch": epoch, "position": position + 1}
    resumed = numbered(rows, size, seed)
    waiting = iter(resumed)
    resumed.load_state_dict(interrupted.state_dict())
    assert resumed.state_dict() == {"epoch": epoch, "position": cut}
    assert len(resumed) == len(whole[epoch])
    assert taken(waiting) == whole[epoch][cut:]
    assert resumed.state_dict() == {"epoch": epoch + 1, "position": 0}
    assert taken(resumed) == whole[epoch + 1]


def test_an_epoch_that_was_left_half_way_is_followed_by_the_next_one():
    left, whole = numbered(20, 4), numbered(20, 4)
    next(iter(left))
    whole.set_epoch(1)
    assert taken(left) == taken(whole)


@given(
    rows=st.integers(6, 60), share=st.integers(2, 5), seed=st.none() | st.integers(0, 5), world=st.sampled_from([2, 3])
)
def test_the_shares_of_all_ranks_together_are_the_batch_of_a_single_process(rows, share, seed, world):
    size = share * world
    single = [y for _, y in taken(numbered(rows, size, seed))]
    ranks = [[y for _, y in taken(numbered(rows, size, seed, rank, world))] for rank in range(world)]
    together = []
    for parts in zip(*ranks, strict=True):
        assert all(parts)
        batch = [0] * sum(map(len, parts))
        for rank, part in enumerate(parts):
            batch[rank::world] = part
        together.append(batch)
    assert list(chain(*together)) == list(chain(*single))
    # Only a last batch that is too small for every rank joins the batch before it.
    assert together[:-1] == single[: len(together) - 1]


def test_ranks_that_cannot_all_have_rows_are_refused():
    with pytest.raises(UsageError, match="batch_size 2 is too small"):
        numbered(8, 2, world=3)
    with pytest.raises(DataError, match="2 rows cannot be shared among 3 ranks"):
        numbered(2, 4, world=3)
    with pytest.raises(UsageError, match="rank 2 of 2"):
        numbered(8, 2, rank=2, world=2)


@pytest.mark.parametrize("state", [{"epoch": 0, "position": 6}, {"epoch": -1, "position": 0}, {}])
def test_a_state_of_other_batches_is_refused(state):
    with pytest.raises(FormatError, match="resume with the data and the batch size of the run"):
        numbered(20, 4).load_state_dict(state)


def test_the_module_hands_its_rank_to_every_part(data):
    single, shares = module(data, 16, 3), [module(data, 16, 3, rank, 2) for rank in (0, 1)]
    for loader in ("train_dataloader", "val_dataloader", "test_dataloader"):
        expected = gathered(getattr(single, loader)())[0]
        rows = [row for one in shares for row in gathered(getattr(one, loader)())[0].tolist()]
        assert sorted(rows) == sorted(expected.tolist())


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
