"""The verdict on the quickstart's two models, each split, trained and built anew for twenty seeds."""

import numpy as np
import pytest

from lepton_nb.artifact import build
from lepton_nb.data import load, read
from lepton_nb.monitoring import check_drift
from lepton_nb.workspace import Workspace

SEEDS = range(20)


def shifted(inputs):
    """As in the quickstart: a darker camera, or the first three instruments 30 % too high."""
    if "input" in inputs:
        return {"input": np.float32(0.6) * inputs["input"]}
    moved = list(inputs)[:3]
    return {name: values * 1.3 if name in moved else values for name, values in inputs.items()}


@pytest.mark.nightly
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("name", ["digits", "breast_cancer"])
def test_ordinary_traffic_reads_drifting_in_at_most_one_of_twenty_seeds(name, tmp_path, quick_run) -> None:
    ordinary, moved = [], []
    for seed in SEEDS:
        ws = Workspace(tmp_path / str(seed) / ".lepton")
        data = load(ws, name, seed=seed)
        run = quick_run(ws, data, "cnn" if data.kind == "array" else "mlp", epochs=12)
        model = build(ws, run, data).path
        inputs, _ = read(data, "test")
        ordinary.append(check_drift(model, inputs).drifted)
        moved.append(check_drift(model, shifted(inputs)).drifted)
    print(f"{name}: ordinary {sum(map(bool, ordinary))} of 20, shifted {sum(map(bool, moved))} of 20")
    assert None not in ordinary
    assert sum(ordinary) <= 1
    assert all(moved)
