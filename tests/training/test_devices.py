"""Several processes of this machine train together."""

import os
import signal
import threading
import time
from pathlib import Path

import psutil
import pytest
import pytorch_lightning as pl
import torch
from networks import Noisy, Pair, Rows, StopAt
from safetensors.torch import load_file
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from lepton_nb import data, tracking, training
from lepton_nb.errors import TrainingError, UsageError
from lepton_nb.records import Epoch, Started
from lepton_nb.training import Fit
from lepton_nb.training.events import Tail
from lepton_nb.workspace import Workspace


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


@pytest.fixture(scope="module")
def ws(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        yield Workspace(tmp_path_factory.mktemp("project") / ".lepton")


@pytest.fixture(scope="module")
def table(ws):
    rows = Rows()
    return data.load(ws, (rows.features.numpy(), rows.targets.numpy()))


def train(ws, source, *, net=Plain, devices=2, told=None, **options):
    keywords = {key: options.pop(key) for key in ("callbacks", "name", "detach") if key in options}
    fit = Fit(**{"epochs": 3, "batch_size": 16, "seed": 1, "patience": 0, "devices": devices, **options})
    return training.train(ws, net, source, fit, report=(told if told is not None else []).append, **keywords)


def weights(run):
    return load_file(run.path / "weights.safetensors")


def close(first, second):
    return all(torch.allclose(first[name], second[name], atol=1e-4, rtol=0) for name in first)


def test_two_processes_equal_one_with_the_same_batch(ws, table):
    alone, together = train(ws, table, devices=1), train(ws, table)
    assert close(weights(alone), weights(together))
    assert alone.metrics.keys() == together.metrics.keys()
    assert together.metrics == pytest.approx(alone.metrics, abs=1e-4)
