"""A graph that answers otherwise than its network is refused with the layer where the two part."""

from __future__ import annotations

import numpy as np
import pytest
import pytorch_lightning as pl
import torch

from lepton_nb.artifact import build
from lepton_nb.artifact.divergence import first_divergence
from lepton_nb.artifact.named import export_named
from lepton_nb.artifact.network import exported
from lepton_nb.artifact.trained import Form
from lepton_nb.data import load
from lepton_nb.errors import PackagingError
from lepton_nb.workspace import Workspace

DRIFT = np.zeros(1, np.float32)


class Leaving(torch.nn.Module):
    """A layer that leaves torch: what NumPy holds at export is frozen into the graph, and moves on afterwards."""

    def forward(self, x):
        DRIFT[:] = (DRIFT + 1) % 7
        return x + torch.from_numpy(DRIFT.copy()) * torch.arange(x.shape[1]) / 10


class Deep(pl.LightningModule):
    def __init__(self, in_features=4, num_classes=3) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.net = torch.nn.Sequential(
            torch.nn.Linear(in_features, 8), torch.nn.BatchNorm1d(8), torch.nn.ReLU(), Leaving(), torch.nn.Dropout(0.5)
        )
        self.head = torch.nn.Linear(8, num_classes)

    def forward(self, x):
        return self.head(self.net(x))


class Between(Deep):
    """Its layers are all right; what is done between two of them is not."""

    def __init__(self, in_features=4, num_classes=3) -> None:
        super().__init__(in_features, num_classes)
        self.net[3] = torch.nn.Identity()

    def forward(self, x):
        DRIFT[:] = (DRIFT + 1) % 7
        return self.head(self.net(x) + torch.from_numpy(DRIFT.copy()) * torch.arange(8) / 10)


class Behind(Between):
    def forward(self, x):
        DRIFT[:] = (DRIFT + 1) % 7
        return self.head(self.net(x)) + torch.from_numpy(DRIFT.copy()) * torch.arange(3) / 10


class Again(Between):
    """One layer is called twice under two names; the second call is given something else."""

    def __init__(self, in_features=4, num_classes=3) -> None:
        super().__init__(in_features, num_classes)
        self.twice = self.net[2]

    def forward(self, x):
        DRIFT[:] = (DRIFT + 1) % 7
        return self.head(self.twice(self.net(x) + torch.from_numpy(DRIFT.copy()) * torch.arange(8) / 10))


ROWS = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        (Deep, "layer 'net.3' (Leaving)"),
        (Between, "what forward of the network Between computes before layer 'head' (Linear)"),
        (Behind, "forward of the network Behind itself"),
        (Again, "what forward of the network Again computes before layer 'net.2' (ReLU)"),
    ],
)
def test_the_first_place_that_differs_is_found(kind, told):
    network = kind().eval()
    program = exported(network, ROWS[:3], Form("softmax"))[1]
    assert first_divergence(network, program, ROWS) == told


def test_a_changed_weight_is_found_in_its_layer():
    network = Between().eval()
    plain = type("Plain", (Between,), {"forward": lambda self, x: self.head(self.net(x))})().eval()
    plain.load_state_dict(network.state_dict())
    program = exported(plain, ROWS[:3], Form("softmax"))[1]
    with torch.no_grad():
        plain.net[1].running_mean.add_(1.0)
        broken = plain.net[1].running_mean
    # The program shares its weights with the network it was made from: the network that is asked has its own.
    other = type(plain)().eval()
    assert broken is plain.net[1].running_mean
    assert first_divergence(other, program, ROWS) == "layer 'net.1' (BatchNorm1d)"


def test_the_refusal_of_a_run_names_the_layer(quick_run, tmp_path):
    ws = Workspace(tmp_path / ".lepton")
    rng = np.random.default_rng(5)
    data = load(ws, (rng.normal(size=(150, 4)), rng.integers(0, 3, 150)), name="small")
    run = quick_run(ws, data, Deep, epochs=0)
    with pytest.raises(PackagingError) as refused:
        build(ws, run, data)
    assert "validation rows, first in layer 'net.3' (Leaving); next: a forward that leaves torch" in str(refused.value)


class TwoHeads(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.left, self.right = torch.nn.Linear(4, 3), torch.nn.Linear(2, 3)
        self.norm = torch.nn.BatchNorm1d(3)

    def forward(self, wide, narrow):
        return {"sum": self.norm(self.left(wide) + self.right(narrow)), "right": self.right(narrow).tanh()}


def test_the_layer_is_found_in_a_network_of_several_inputs_and_outputs():
    torch.manual_seed(0)
    network = TwoHeads().eval()
    rows = {"wide": ROWS, "narrow": ROWS[:, :2].copy()}
    sample = {name: values[:3] for name, values in rows.items()}
    program = export_named(network, sample, ["sum", "right"], {}, head=None)[1]
    other = TwoHeads().eval()
    other.load_state_dict(network.state_dict())
    assert "layer" not in first_divergence(other, program, rows, ["sum", "right"])
    other.norm.running_mean.add_(1.0)
    assert first_divergence(other, program, rows, ["sum", "right"]) == "layer 'norm' (BatchNorm1d)"
