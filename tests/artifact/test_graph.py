"""The graph answers as torch and scikit-learn do, whatever the columns are called and whatever is missing."""

from __future__ import annotations

import numpy as np
import onnxruntime as ort
import pandas as pd
import pytest
import torch
from onnx import TensorProto, helper

from lepton_nb.artifact import network_probabilities
from lepton_nb.artifact.assembly import check_parity
from lepton_nb.artifact.graph import join
from lepton_nb.artifact.network import exported
from lepton_nb.artifact.preparation import export_preparation
from lepton_nb.artifact.trained import Form
from lepton_nb.data import features, load, preprocessing, read
from lepton_nb.errors import PackagingError
from lepton_nb.runtime import read_signature, verify_manifest
from lepton_nb.runtime.model import Model
from lepton_nb.workspace import Workspace


class Bare(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.line = torch.nn.Linear(4, 3)

    def forward(self, x):
        return self.line(x)


class Airy(Bare):
    def forward(self, x):
        return self.line(torch.special.airy_ai(x))


class Branching(Bare):
    def forward(self, x):
        if x.sum() > 0:
            x = x * 2
        return self.line(x)


class FixedRows(Bare):
    def forward(self, x):
        return self.line(x.view(3, 4))


SAMPLE = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)


def graph_of(data) -> ort.InferenceSession:
    """The graph of a data set whose network only passes the features on."""
    size = data.feature_shape[0]
    taken = helper.make_tensor_value_info("features", TensorProto.FLOAT, ["rows", size])
    given = helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["rows", size])
    network = helper.make_model(
        helper.make_graph([helper.make_node("Identity", ["features"], ["probabilities"])], "n", [taken], [given]),
        opset_imports=[helper.make_opsetid("", 20)],
    )
    whole = join(export_preparation(data, preprocessing(data)), network, [one.name for one in data.columns])
    return ort.InferenceSession(whole.SerializeToString())


def fed(data, inputs):
    return {
        one.name: inputs[one.name] if one.kind == "array" else inputs[one.name].reshape(-1, 1) for one in data.columns
    }


@pytest.mark.parametrize("name", ["digits", "breast_cancer"])
def test_every_test_row_is_answered_as_the_trained_network_answers_it(name, trained, packaged):
    one = trained(name)
    model = Model.load(packaged(name).model)
    inputs, targets = read(one.data, "test")
    ours, theirs = model.predict(inputs), network_probabilities(one.run, one.data, "test")
    assert ours.dtype == np.float32
    assert np.abs(ours - theirs).max() <= 1e-5
    assert (ours.argmax(axis=1) == targets).mean() > 0.9


@pytest.mark.parametrize("name", ["digits", "breast_cancer"])
def test_one_row_is_answered_as_it_is_among_others(name, trained, packaged):
    one = trained(name)
    model = Model.load(packaged(name).model)
    inputs, _ = read(one.data, "test")
    alone = [model.predict({key: values[i : i + 1] for key, values in inputs.items()}) for i in range(3)]
    np.testing.assert_allclose(np.concatenate(alone), model.predict(inputs)[:3], atol=1e-6)


def awkward_frame(rows: int = 120) -> pd.DataFrame:
    """Names that a converter would mangle or that graphs use inside, gaps, large numbers with a small spread."""
    rng = np.random.default_rng(1)
    numbers = ("a b", "a.b", "a_b", "variable", "features", "_prepare/x", "größe", "year")
    frame = pd.DataFrame({name: rng.normal(size=rows) for name in numbers})
    frame["year"] = 1.7e9 + np.round(frame["year"] * 10)
    frame.loc[::5, "a.b"] = np.nan
    for name, values in (("c at", ["x", "y", None, "ünï"]), ("variable1", ["p", "q", "r", "s"])):
        frame[name] = np.array(values, dtype=object)[rng.integers(0, 4, rows)]
    frame["target"] = np.array(["no", "yes"])[rng.integers(0, 2, rows)]
    order = ["c at", "a_b", "variable1", "target", "year", "a b", "größe", "a.b", "features", "variable", "_prepare/x"]
    return frame[order]


def test_columns_of_any_name_with_gaps_and_unseen_categories_are_prepared_as_scikit_learn_does(tmp_path):
    data = load(Workspace(tmp_path / ".lepton"), awkward_frame(), target="target")
    session = graph_of(data)
    assert [one.name for one in session.get_inputs()] == [one.name for one in data.columns]
    for part in ("train", "test"):
        inputs, _ = read(data, part)
        answer = session.run(["probabilities"], fed(data, inputs))[0]
        np.testing.assert_allclose(answer, features(data, part)[0], rtol=1e-6, atol=1e-6)
    inputs = {name: values[:1].copy() for name, values in read(data, "test")[0].items()}
    inputs["c at"][0], inputs["a b"][0] = "never seen", np.nan
    answer = session.run(["probabilities"], fed(data, inputs))[0]
    assert np.isfinite(answer).all()
    assert answer.shape == (1, *data.feature_shape)


def test_flat_arrays_are_normalised_as_in_training(tmp_path):
    rng = np.random.default_rng(2)
    rows = rng.normal(1e4, 0.5, (90, 8, 1)).astype(np.float32)
    data = load(Workspace(tmp_path / ".lepton"), (rows, rng.integers(0, 2, 90)))
    inputs, _ = read(data, "test")
    whole = join(export_preparation(data, preprocessing(data)), _passing(data.feature_shape), ["input"])
    answer = ort.InferenceSession(whole.SerializeToString()).run(None, {"input": inputs["input"]})[0]
    np.testing.assert_array_equal(answer.reshape(len(answer), -1), features(data, "test")[0].reshape(len(answer), -1))


def _passing(shape):
    taken = helper.make_tensor_value_info("features", TensorProto.FLOAT, ["rows", *shape])
    given = helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["rows", *shape])
    node = helper.make_node("Identity", ["features"], ["probabilities"])
    return helper.make_model(
        helper.make_graph([node], "n", [taken], [given]), opset_imports=[helper.make_opsetid("", 20)]
    )


@pytest.mark.parametrize("name", ["", "probabilities"])
def test_a_column_whose_name_the_graph_needs_is_named_in_the_error(name):
    with pytest.raises(PackagingError, match="cannot be an input") as error:
        join(_passing((2,)), _passing((2,)), [name])
    assert "rename the column" in str(error.value)


@pytest.mark.parametrize(
    ("network", "words"),
    [
        (Airy, ["aten.special_airy_ai", "with other operators"]),
        (Branching, ["if x.sum() > 0:", "torch.where"]),
        (FixedRows, ["exactly 3 rows", "x.flatten(1)"]),
    ],
)
def test_a_network_that_onnx_cannot_express_is_refused_with_the_reason_and_the_next_step(network, words, capfd):
    with pytest.raises(PackagingError) as error:
        exported(network().eval(), SAMPLE, Form("softmax"))
    assert network.__name__ in str(error.value)
    assert all(word in str(error.value) for word in words)
    assert capfd.readouterr() == ("", "")


def test_a_network_that_takes_the_hint_is_exported_for_any_number_of_rows():
    class AnyRows(Bare):
        def forward(self, x):
            return self.line(x.flatten(1))

    model, _ = exported(AnyRows().eval(), SAMPLE, Form("softmax"))
    assert model.graph.input[0].type.tensor_type.shape.dim[0].dim_param


def test_exporting_says_nothing_and_leaves_the_loggers_as_they_were(capfd, caplog, recwarn):
    import logging

    logging.getLogger("torch.onnx").setLevel(logging.WARNING)
    levels = {name: logging.getLogger(name).level for name in ("torch", "torch.onnx", "onnxscript", "onnx_ir")}
    model, _ = exported(Bare().eval(), SAMPLE, Form("softmax"))
    assert capfd.readouterr() == ("", "")
    assert not caplog.records
    assert not recwarn.list
    assert levels == {name: logging.getLogger(name).level for name in levels}
    content = model.SerializeToString()
    assert __file__.encode() not in content
    assert b"site-packages" not in content


def test_only_logits_get_a_softmax():
    network = Bare().eval()
    rows = {"features": SAMPLE}

    def run(module, head):
        model, _ = exported(module, SAMPLE, Form(head))
        return ort.InferenceSession(model.SerializeToString()).run(None, rows)

    already = torch.nn.Sequential(network, torch.nn.Softmax(dim=1)).eval()
    np.testing.assert_allclose(run(network, "softmax")[0], run(already, "")[0], atol=1e-7)


def test_answers_that_differ_are_refused_with_how_many_and_how_much():
    right = np.full((4, 2), 0.5)
    wrong = right.copy()
    wrong[2] = [0.4, 0.6]
    assert check_parity(right.astype(np.float32), right, "net") == 0.0
    with pytest.raises(PackagingError, match=r"0\.1 on 1 of 4 validation rows"):
        check_parity(wrong, right, "net")
    wrong[2] = np.nan
    with pytest.raises(PackagingError, match="1 of 4"):
        check_parity(wrong, right, "net")
    with pytest.raises(PackagingError, match="another shape"):
        check_parity(right[:, :1], right, "net")


def test_the_folder_is_whole_and_its_signature_is_the_datas(trained, packaged):
    one, folder = trained("digits"), packaged("digits").model
    assert set(verify_manifest(folder).files) == {
        "model.onnx",
        "signature.json",
        "reference.json",
        "golden.json",
        "sbom.json",
    }
    signature = read_signature(folder)
    assert signature.classes == one.data.classes
    assert [(i.name, i.kind, i.shape) for i in signature.inputs] == [("input", "array", (1, 8, 8))]
