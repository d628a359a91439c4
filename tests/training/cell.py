"""A notebook's cells, run as one: networks of `__main__`, trained, stopped by a bad batch, and looked at."""

import ast
import json
import math
import sys
from pathlib import Path

import pytest
import pytorch_lightning as pl
import torch
from torch import nn

from lepton_nb import data, models, tracking, training
from lepton_nb.errors import TrainingError
from lepton_nb.training import Fit
from lepton_nb.training.checkpoints import good_checkpoint
from lepton_nb.workspace import Workspace


class Net(pl.LightningModule):
    """No validation step, two optimizers by hand, and metrics of its own."""

    def __init__(self, in_features, n_classes, width=8, explode=False):
        super().__init__()
        self.automatic_optimization = False
        self.save_hyperparameters()
        self.body = nn.Linear(in_features, width)
        self.head = nn.Linear(width, n_classes)
        self.explode = explode

    def forward(self, x):
        return self.head(torch.tanh(self.body(x)))

    def training_step(self, batch, index):
        if self.explode:
            raise RuntimeError("a bad\nbatch")
        x, y = batch
        loss = nn.functional.cross_entropy(self(x), y)
        for optimizer in self.optimizers():
            optimizer.zero_grad()
        self.manual_backward(loss)
        for optimizer in self.optimizers():
            optimizer.step()
        self.logger.experiment.add_scalar("what tensorboard has", 1.0)
        self.log("train_loss", loss, on_step=False, on_epoch=True)
        self.log("strange", math.nan)

    def configure_optimizers(self):
        return [torch.optim.SGD(part.parameters(), lr=0.05) for part in (self.body, self.head)]


def main(home):
    ws = Workspace(Path(home))
    table = data.load(ws, "breast_cancer")
    net = Net(30, 2)
    before = net.body.weight.detach().clone()
    run = training.train(ws, net, table, Fit(3, 64, 0, 8, checkpoint_every=0.0), name="by-hand")
    trained = models.load_trained(run.path)
    assert torch.equal(trained.body.weight, net.body.weight), "the notebook's object holds the best weights"
    assert not torch.equal(before, net.body.weight)
    assert run.status == "finished"
    assert set(run.metrics) == {"train_loss", "strange"}, run.metrics
    assert run.model == "Net"
    source, names = json.loads((run.path / "job" / "source.json").read_text()), {}
    exec(source["text"], names)
    again = names["Net"](**ast.literal_eval(source["options"]))
    models.load_weights(run.path / "weights.safetensors", again)
    torch.load(run.path / "checkpoints" / good_checkpoint(run.path)[0].file, weights_only=True)
    with pytest.raises(TrainingError, match="failed; got RuntimeError: a bad batch; next: lepton resume"):
        training.train(ws, Net, table, Fit(1, 64, 0, 8), options={"explode": True})
    failed = tracking.get(ws, "last")
    assert (failed.status, failed.cause) == ("failed", "RuntimeError: a bad batch")
    assert failed.params["net.in_features"] == "30"
    assert "Traceback" in (failed.path / "log").read_text()
    print("all is well")


if __name__ == "__main__":
    main(sys.argv[1])
