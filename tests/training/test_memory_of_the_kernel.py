"""A kernel that trains again and again keeps its memory."""

import textwrap

import psutil
import pytest
from jupyter_client.manager import KernelManager

CELLS = """
%load_ext lepton_nb
import pytorch_lightning as pl, torch
from torch import nn

class Net(pl.LightningModule):
    def __init__(self, in_features, classes):
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(in_features, 256), nn.ReLU(), nn.Linear(256, classes))
    def forward(self, x):
        return self.layers(x)
    def training_step(self, batch, index):
        loss = nn.functional.cross_entropy(self(batch[0]), batch[1])
        self.log("train_loss", loss)
        return loss
    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters())

net = Net(64, 10)
"""


@pytest.mark.timeout(600)
def test_twenty_trainings_leave_the_memory_of_a_kernel_as_it_was(tmp_path, monkeypatch):
    monkeypatch.setenv("LEPTON_HOME", str(tmp_path / ".lepton"))
    manager = KernelManager(kernel_name="lepton")
    manager.start_kernel(cwd=str(tmp_path))
    client = manager.client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=120)
        process = psutil.Process(manager.provisioner.pid)

        def run(code):
            # As a person's front end asks: a live view is shown.
            answer = client.execute_interactive(
                textwrap.dedent(code), allow_stdin=True, timeout=120, output_hook=lambda _: None
            )
            assert answer["content"]["status"] == "ok", answer["content"]

        run(CELLS)
        taken = []
        for number in range(20):
            run(f"%lepton train net --data digits --epochs 2 --name again-{number}")
            taken.append(process.memory_full_info().uss)
        # The first ones load what a training needs.
        assert max(taken[3:]) - taken[2] <= 50 * 2**20, [one >> 20 for one in taken]
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
