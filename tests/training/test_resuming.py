import json
import random

import pytest
import torch
from networks import KillAt, Noisy, Rows, StopAt
from safetensors.torch import load_file
from torch.utils.data import DataLoader, WeightedRandomSampler

from lepton_nb import data, training
from lepton_nb.errors import TrainingError
from lepton_nb.training import Fit
from lepton_nb.workspace import Workspace

EPOCHS = 4


@pytest.fixture(scope="module")
def ws(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        yield Workspace(tmp_path_factory.mktemp("project") / ".lepton")


@pytest.fixture(scope="module")
def table(ws):
    rows = Rows()
    return data.load(ws, (rows.features.numpy(), rows.targets.numpy()))


def weighted():
    return WeightedRandomSampler([1.0 + row % 3 for row in range(160)], 160)


def loaders(**options):
    torch.manual_seed(0)
    return DataLoader(Rows(), batch_size=16, **options), DataLoader(Rows(64), batch_size=32)


SOURCES = {
    "a loaded data set": None,
    "shuffled rows": lambda: loaders(shuffle=True),
    "rows by weight": lambda: loaders(sampler=weighted()),
    "rows with a generator": lambda: loaders(shuffle=True, generator=torch.Generator().manual_seed(5)),
    "rows by workers": lambda: loaders(shuffle=True, num_workers=2),
}


def train(ws, source, *, callbacks=(), net=Noisy, name=None, told=None, **fit):
    fit = Fit(**{"epochs": EPOCHS, "batch_size": 16, "seed": 1, "patience": 0, "checkpoint_every": 0.0, **fit})
    report = (told if told is not None else []).append
    return training.train(ws, net, source, fit, callbacks=callbacks, name=name, report=report)


def outcome(ws, run):
    """The weights, and all that was measured, each once."""
    spool = [json.loads(line) for line in (run.path / "spool.jsonl").read_text().splitlines()]
    points = [tuple(point[:3]) for line in spool if line["kind"] == "metrics" for point in line["metrics"]]
    assert len({point[:2] + point[2:] for point in points}) == len(points)
    keys = [(name, step) for name, _, step in points]
    assert len(set(keys)) == len(keys), "a step was told twice"
    return load_file(run.path / "weights.safetensors"), sorted(points)


@pytest.fixture(scope="module")
def uninterrupted(ws, table):
    known = {}

    def find(name):
        if name not in known:
            source = table if SOURCES[name] is None else SOURCES[name]()
            known[name] = outcome(ws, train(ws, source))
        return known[name]

    return find


@pytest.mark.parametrize("name", SOURCES)
@pytest.mark.parametrize("interruption", [StopAt, KillAt])
def test_interrupted_and_resumed_equals_uninterrupted_bit_for_bit(
    ws, table, uninterrupted, tmp_path, name, interruption
):
    batch = random.Random(name).randrange(12, 34)
    source = table if SOURCES[name] is None else SOURCES[name]()
    callback = interruption(batch, tmp_path / "done")
    if interruption is KillAt:
        with pytest.raises(TrainingError, match="killed by SIGKILL"):
            train(ws, source, callbacks=[callback], name="cut")
    else:
        assert train(ws, source, callbacks=[callback], name="cut").status == "stopped"
    resumed = training.resume(ws, "cut")
    assert resumed.status == "finished"
    (weights, points), (expected, expected_points) = outcome(ws, resumed), uninterrupted(name)
    assert points == expected_points
    assert weights.keys() == expected.keys()
    assert all(torch.equal(weights[key], expected[key]) for key in weights)
