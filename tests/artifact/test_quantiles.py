"""What a forecast may be at least and at most goes with it: into the graph, its golden rows, and the card."""

from __future__ import annotations

import dataclasses
import json
import shutil

import numpy as np
import onnx
import pandas as pd
import pytest
import torch

from lepton_nb.artifact.assembly import check_parity
from lepton_nb.artifact.golden import check_golden
from lepton_nb.artifact.reference import numbers_of, reference_of, signature_of
from lepton_nb.artifact.trained import Form, every_number, form_of, levels_of, stacked
from lepton_nb.data import features, load, read
from lepton_nb.errors import PackagingError
from lepton_nb.evaluation import evaluate
from lepton_nb.models import load_trained
from lepton_nb.records import Series
from lepton_nb.runtime import Signature, manifest_of, read_reference, read_signature
from lepton_nb.runtime.openapi import document
from lepton_nb.runtime.truths import Truths, is_number
from lepton_nb.workspace import Workspace, write_json

LEVELS = (0.05, 0.5, 0.9)


@pytest.fixture(scope="module")
def forecast(tmp_path_factory, quick_run):
    """Run, data, card and artifact of a forecast of three days."""
    ws = Workspace(tmp_path_factory.mktemp("forecast") / ".lepton")
    days = np.arange(90)
    heat = 20 + 5 * np.sin(2 * np.pi * days / 7) + np.random.default_rng(0).normal(0, 1, len(days))
    moments = pd.date_range("2024-01-01", periods=len(days)).strftime("%Y-%m-%d")
    frame = pd.DataFrame({"day": moments, "heat": heat})
    data = load(ws, frame, target="heat", time_column="day", series=Series(history=7, horizon=3))
    run = quick_run(ws, data, "forecaster", epochs=3, size=8, quantiles=list(LEVELS))
    return run, data, evaluate(ws, run, data), run.path / "artifact"


def test_the_signature_names_the_levels_and_what_may_be_told_later_are_the_numbers_alone(forecast):
    _, data, _, folder = forecast
    signature = read_signature(folder)
    assert [one.name for one in signature.answers] == list(data.targets)
    assert [(one.name, one.quantile, one.shape) for one in signature.quantiles] == [
        (f"quantile_{level}", level, (len(data.targets),)) for level in LEVELS
    ]
    assert Signature.from_dict(json.loads(json.dumps(signature.to_dict()))) == signature
    assert Truths.of([signature]).takes(dict.fromkeys(data.targets, 1.0))
    assert "lies above the true one with probability 0.9" in document(signature, "heat:1").decode()
    reference = read_reference(folder)
    answers = [name for name in reference.features if "prediction" in name]
    assert answers == [f"prediction.{one}" for one in data.targets]


def test_a_single_number_with_quantiles_is_watched_as_a_single_number(forecast):
    _, data, _, _ = forecast
    one = dataclasses.replace(data, targets=data.targets[:1])
    signature = signature_of(one, Form("", one.targets, (("low", 0.1), ("high", 0.9))))
    assert is_number(signature)
    told = {"heat_in_1": np.arange(40.0), "low": np.zeros((40, 1)), "high": np.ones((40, 1))}
    reference = reference_of(signature, read(data, "train")[0], told)
    assert reference.prediction == numbers_of(told["heat_in_1"])
    assert not any("prediction" in name for name in reference.features)


def test_the_card_tells_how_many_true_values_lie_between_the_outer_quantiles(forecast):
    run, data, card, _ = forecast
    targets = read(data, "test")[1]
    with torch.no_grad():
        told = load_trained(run.path).quantiles(torch.from_numpy(features(data, "test")[0])).numpy()
    truth = targets.reshape(len(targets), -1)
    assert card.metrics["coverage"] == pytest.approx(((told[..., 0] <= truth) & (truth <= told[..., -1])).mean())
    assert card.metrics["mae"] == pytest.approx(np.abs(told[..., 1] - truth).mean(), rel=1e-4)
    assert "from quantile_0.05 to quantile_0.9, which is to be 85%" in card.as_text()


def test_the_golden_rows_hold_them_and_a_model_that_gives_others_is_refused(forecast, tmp_path):
    _, _, _, folder = forecast
    check_golden(folder)
    changed = shutil.copytree(folder, tmp_path / "changed")
    golden = json.loads((changed / "golden.json").read_text())
    golden["outputs"]["quantile_0.9"][0][0] += 1.0
    write_json(changed / "golden.json", golden)
    (changed / "manifest.json").unlink()
    write_json(changed / "manifest.json", manifest_of(changed, run="r", data="d").to_dict())
    with pytest.raises(PackagingError, match="does not answer its golden batch as the trained network did"):
        check_golden(changed)


def test_what_the_answers_and_the_quantiles_have_in_common_is_computed_once(forecast):
    _, _, _, folder = forecast
    graph = onnx.load(folder / "model.onnx").graph
    assert sum(node.op_type == "GRU" for node in graph.node) == 1


def test_a_quantile_that_the_graph_gives_otherwise_is_no_parity():
    form = Form("", ("a", "b"), (("low", 0.1), ("high", 0.9)))
    assert form.outputs == ("a", "b", "low", "high")
    told = {"a": np.zeros(4), "b": np.ones(4), "low": np.zeros((4, 2)), "high": np.ones((4, 2))}
    other = told | {"high": told["high"] + [[0, 0], [0, 0.1], [0, 0], [0, 0]]}
    assert stacked(told).tolist() == [[0, 1]] * 4
    assert check_parity(every_number(told), every_number(told), "Net") == 0
    with pytest.raises(PackagingError, match="on 1 of 4 validation rows"):
        check_parity(every_number(other), every_number(told), "Net")


class Between(torch.nn.Module):
    """A network of one's own that gives quantiles, in a shape that may be wrong."""

    levels = (0.2, 0.8)

    def __init__(self, width: int, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.width, self.shape = width, shape

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        return rows[:, : self.width]

    def quantiles(self, rows: torch.Tensor) -> torch.Tensor:
        return torch.zeros(len(rows), *self.shape)


def test_a_network_of_ones_own_may_give_quantiles_in_the_right_shape(forecast):
    _, data, _, _ = forecast
    width, rows = data.width, features(data, "test")[0]
    named = dataclasses.replace(data, targets=("quantile_0.2", *data.targets[1:]))
    form = form_of(Between(width, (width, 2)), named)
    assert [name for name, _ in form.quantiles] == ["quantile_0.2_", "quantile_0.8"]
    assert form.asked(Between(width, (width, 2)), rows, width)["quantile_0.8"].shape == (len(rows), width)
    with pytest.raises(PackagingError, match=r"quantiles of Between does not give .*; expected finite numbers \[rows"):
        form.asked(Between(width, (width, 3)), rows, width)


@pytest.mark.parametrize("levels", [None, 0.5, (0.5,), (0.9, 0.1), (0.1, 0.1), (0.0, 1.0), ("a", "b")])
def test_what_is_no_interval_is_not_answered(levels):
    network = Between(1, (1, 2))
    network.levels = levels
    assert levels_of(network) == ()
