"""What a network's own step counts when its answers are given by somebody else."""

from __future__ import annotations

import json

import numpy as np
import pytest
import pytorch_lightning as pl
import torch

from lepton_nb.artifact.losses import counted
from lepton_nb.models import Batch


class Net(pl.LightningModule):
    def __init__(self, *, around=False):
        super().__init__()
        self.around, self.kept = around, []
        self.register_buffer("steps", torch.zeros(1))

    def forward(self, x):
        return 2 * x

    def validation_step(self, batch, number):
        x, y = batch
        self.steps += 1
        self.kept.append(number)
        answer = 2 * x if self.around else self(x)
        self.log("val_loss", (answer - y).abs().mean())
        if number == 0:
            self.log("val_first", 5.0)


def batches():
    layout = json.dumps(["tuple", [["inputs", "x"], ["targets", "0"]]])
    rows = np.ones((3, 1), np.float32)
    return [Batch({"x": rows}, {"0": rows}, layout) for _ in range(4)]


def test_answers_of_somebody_else_are_measured():
    assert counted(Net(), batches())["val_loss"] == pytest.approx(1.0)
    told = counted(Net(), batches(), lambda given: {"output": given["x"] * 2 + 3})
    assert told["val_loss"] == pytest.approx(4.0)


def test_a_step_that_goes_around_forward_tells_nothing_of_answers_of_somebody_else():
    assert counted(Net(around=True), batches())["val_loss"] == pytest.approx(1.0)
    assert counted(Net(around=True), batches(), lambda given: {"output": given["x"] + 3}) == {}


def test_what_is_told_once_is_the_mean_of_where_it_was_told():
    assert counted(Net(), batches())["val_first"] == pytest.approx(5.0)


def test_the_network_is_not_changed():
    net = Net()
    counted(net, batches())
    assert (float(net.steps), net.kept) == (0.0, [])
