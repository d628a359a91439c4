"""Runs on a notebook's own loaders are measured on the rows that were kept of them, and exported to other formats."""

from __future__ import annotations

import io
import json

import numpy as np
import onnxruntime
import pytest
import torch
from sklearn.metrics import mean_absolute_error, r2_score

import lepton_nb
from lepton_nb.errors import DataError, PackagingError, UsageError
from lepton_nb.evaluation import evaluate_examples
from lepton_nb.models import load_trained
from lepton_nb.packaging import export
from lepton_nb.packaging.exports.formats import Subject
from lepton_nb.packaging.exports.program import whole_of
from lepton_nb.scores import Tally

FORMATS = ("onnx", "onnx-int8", "pt2")


def held_out(one):
    batches = one.examples.validation
    inputs = {name: np.concatenate([batch.inputs[name] for batch in batches]) for name in batches[0].inputs}
    targets = np.concatenate([next(iter(batch.targets.values())) for batch in batches])
    return {name: torch.from_numpy(value) for name, value in inputs.items()}, targets


def test_a_regression_has_the_errors_of_the_network_on_the_rows_that_were_kept(made):
    one = made("Price")
    card = evaluate_examples(one.run, one.examples)
    inputs, targets = held_out(one)
    told = one.told(**inputs).numpy()
    assert (card.task, card.part, card.rows, card.classes, card.confusion) == ("regression", "validation", 64, (), ())
    assert card.metrics["mae"] == pytest.approx(mean_absolute_error(targets, told), abs=1e-5)
    assert card.metrics["r2"] == pytest.approx(r2_score(targets, told), abs=1e-5)
    assert card.metrics["rmse"] ** 2 == pytest.approx(one.run.metrics["val_loss"], abs=1e-4)
    assert 0 < card.latency_p50_ms <= card.latency_p95_ms
    assert "mae" in str(card)
    assert json.loads((one.run.path / "artifact" / "card.json").read_text())["metrics"] == card.metrics


def test_other_tensors_have_the_loss_that_the_run_itself_counted(made):
    one = made("TwoByTwo")
    card = evaluate_examples(one.run, one.examples)
    assert set(card.metrics) == {"largest_difference", "val_loss"}
    assert card.metrics["largest_difference"] < 1e-5
    assert card.metrics["val_loss"] == pytest.approx(one.run.metrics["val_loss"], abs=1e-5)


def test_a_classification_is_measured_as_one_on_loaded_data_is(made):
    one = made("Transformer")
    card = evaluate_examples(one.run, one.examples)
    assert card.classes == ("no", "yes")
    assert set(card.metrics) == {"accuracy", "f1", "roc_auc", "log_loss", "calibration_error"}
    assert card.metrics["log_loss"] == pytest.approx(one.run.metrics["val_loss"], abs=1e-4)
    assert sum(map(sum, card.confusion)) == card.rows == 8
    # What accuracy is estimated by where labels are missing travels with the model, evaluated or not.
    for folder in (one.run.path / "artifact", one.bento.model):
        kept = json.loads((folder / "heldout.json").read_text())
        tally = Tally(int(kept["classes"]))
        tally.add_dict(kept)
        assert tally.rows == 8
    (note,) = card.notes
    assert "the tokenizer reads a text of the training as" in note


def test_the_verb_measures_the_rows_that_were_kept_and_no_others(made, monkeypatch):
    one = made("Price")
    monkeypatch.setenv("LEPTON_HOME", str(one.ws.home))
    found = lepton_nb.evaluate(one.run, part="train")
    assert (found.part, found.rows) == ("train", 64)
    with pytest.raises(DataError, match="keeps no rows of part 'test'; expected validation or train"):
        lepton_nb.evaluate(one.run, part="test")
    with pytest.raises(UsageError, match="loaders of a notebook's own"):
        lepton_nb.evaluate(one.run, data="breast_cancer")


@pytest.mark.parametrize(("name", "measure"), [("Price", "rmse"), ("TwoByTwo", "val_loss"), ("Transformer", "")])
def test_every_format_is_measured_against_the_network(made, name, measure, tmp_path):
    one = made(name)
    found = export(one.ws, one.run, one.examples, FORMATS, out=tmp_path)
    assert (found.part, found.rows, found.measure) == ("validation", 8 if name == "Transformer" else 64, measure)
    whole, small, program = found.files
    assert max(whole.difference, program.difference) < 1e-5
    assert small.difference > 1e-6
    for file in found.files:
        assert file.path.stat().st_size == file.size_bytes
        assert 0 < file.latency_p50_ms <= file.latency_p95_ms
        assert str(file.path) in str(found)
    if measure:
        assert found.accuracy is None is whole.accuracy_lost
        assert found.error == pytest.approx(one.run.metrics["val_loss"] ** (0.5 if measure == "rmse" else 1), abs=1e-4)
        assert whole.error_added == pytest.approx(0, abs=1e-5)
        assert small.error_added == pytest.approx(small.error - found.error)
        assert abs(small.error_added) > 1e-6
        assert f"the trained network's {measure} is" in str(found)
    else:
        assert found.accuracy == 1.0
        assert found.error is None is whole.error_added
    assert json.dumps(found.to_json())


def test_an_exported_file_takes_what_forward_takes_of_any_number_of_rows(made, tmp_path):
    one = made("TwoByTwo")
    files = export(one.ws, one.run, one.examples, ("onnx", "pt2"), out=tmp_path).files
    numbers, kinds = torch.randn(5, 3), torch.tensor([0, 1, 2, 3, 1])
    expected = one.told(numbers=numbers, kind=kinds)
    session = onnxruntime.InferenceSession(files[0].path.read_bytes())
    told = dict(
        zip(
            ["mean", "scale"],
            session.run(["mean", "scale"], {"numbers": numbers.numpy(), "kind": kinds.numpy()}),
            strict=True,
        )
    )
    program = torch.export.load(io.BytesIO(files[1].path.read_bytes())).module()(numbers, kinds)
    for place, name in enumerate(("mean", "scale")):
        np.testing.assert_allclose(told[name], expected[name], atol=1e-5)
        np.testing.assert_allclose(program[place].detach(), expected[name], atol=1e-5)
    assert files[1].note == "takes numbers float32 [N, 3], kind int64 [N]; gives mean, scale"


def test_texts_of_a_format_for_one_length_are_filled_up(made):
    """What ExecuTorch is given, which has no dimension that may differ."""
    one = made("Transformer")
    whole = whole_of(Subject(one.ws, one.run, one.examples)).of_one_length()
    ids = one.ids(["good film", "the plot is bad"])
    assert ids.shape[1] < 12
    assert [list(value.shape) for value in whole.sample(1)] == [[1, 12], [1, 12]]
    found = whole.predictor(whole)({"text": ids.numpy(), "attention_mask": (ids != 0).long().numpy()})
    expected = torch.softmax(one.told(text=ids, attention_mask=(ids != 0).long()), 1)
    np.testing.assert_allclose(found["probabilities"], expected, atol=1e-5)


def test_a_step_that_cannot_be_asked_outside_of_a_training_says_nothing(made):
    from lepton_nb.artifact.losses import counted

    one = made("Price")
    network, batches = load_trained(one.run.path), one.examples.validation
    assert counted(network, batches)["val_loss"] == pytest.approx(one.run.metrics["val_loss"], abs=1e-5)
    off = counted(network, batches, lambda inputs: {"value": np.zeros((len(inputs["features"]), 1), np.float32)})
    assert off["val_loss"] == pytest.approx(float((held_out(one)[1] ** 2).mean()), rel=1e-5)
    assert network(torch.zeros(1, 3)).shape == (1, 1)

    class Needs(type(network)):
        def validation_step(self, batch, _):
            self.log("val_loss", self.trainer.world_size * 1.0)

    network.__class__ = Needs
    assert counted(network, batches) == {}


def test_without_a_word_of_what_the_network_takes_nothing_is_measured(made):
    import dataclasses

    one = made("Price")
    with pytest.raises(PackagingError, match="nothing that could be told"):
        export(one.ws, one.run, dataclasses.replace(one.examples, fault="nothing that could be told"), ["pt2"])
