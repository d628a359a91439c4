import json

import numpy as np
import onnx
import pytest

from lepton_nb.runtime import ModelError
from lepton_nb.runtime.model import Model
from lepton_nb.runtime.onnxfile import stands_alone
from lepton_nb.runtime.summary import feature_kinds, features_of


def test_a_model_answers_by_its_graph_with_missing_and_unseen_values(table_model):
    model = Model.load(table_model)
    model.warm_up()
    answer = model.predict({"age": [1.0, np.nan], "height": np.array([[np.nan], [2.5]]), "color": ["red", None]})
    logits = np.array([[3.0, -1.0, -1.0], [0.0, 2.5, 0.0]])
    wanted = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    assert answer.dtype == np.float32
    assert np.abs(answer - wanted).max() < 1e-6


def test_a_model_of_arrays_answers_a_batch(image_model):
    images = np.arange(12, dtype=np.float32).reshape(3, 1, 2, 2)
    answer = Model.load(image_model).predict({"input": images})
    assert answer.shape == (3, 2)
    assert np.allclose(answer.sum(1), 1)


def test_a_model_that_keeps_weights_in_another_file_is_refused(image_model, rewrite_manifest):
    graph = onnx.load(image_model / "model.onnx")
    onnx.save_model(
        graph, image_model / "model.onnx", save_as_external_data=True, location="weights.bin", size_threshold=0
    )
    rewrite_manifest(image_model)
    with pytest.raises(ModelError, match=r"model\.onnx refers to other files; a model is one file"):
        Model.load(image_model)


def test_weights_elsewhere_are_found_inside_a_constant_and_a_subgraph():
    def constant(external):
        tensor = onnx.numpy_helper.from_array(np.ones(3, np.float32), "w")
        if external:
            onnx.external_data_helper.set_external_data(tensor, "w.bin")
            tensor.ClearField("raw_data")
            tensor.data_location = onnx.TensorProto.EXTERNAL
        node = onnx.helper.make_node("Constant", [], ["y"], value=tensor)
        output = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [3])
        return onnx.helper.make_graph([node], "inner", [], [output])

    for external in (False, True):
        branch = onnx.helper.make_node("If", ["c"], ["y"], then_branch=constant(external), else_branch=constant(False))
        condition = onnx.helper.make_tensor_value_info("c", onnx.TensorProto.BOOL, [])
        output = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [3])
        model = onnx.helper.make_model(onnx.helper.make_graph([branch], "outer", [condition], [output]))
        assert stands_alone(model.SerializeToString()) is not external


@pytest.mark.parametrize("content", [b"not a model at all", b"\x3a\xff", b"\xff" * 40])
def test_bytes_that_are_no_model_are_refused(table_model, rewrite_manifest, content):
    (table_model / "model.onnx").write_bytes(content)
    rewrite_manifest(table_model)
    with pytest.raises(ModelError, match="model"):
        Model.load(table_model)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("classes", ["no", "yes"], "answers|fails"),
        ("inputs", [{"name": "age", "kind": "number"}], "but its signature says"),
        ("inputs", [{"name": "age", "kind": "category"}], "but its signature says"),
    ],
)
def test_a_graph_that_does_not_fit_its_signature_is_refused(table_model, rewrite_manifest, key, value, message):
    signature = json.loads((table_model / "signature.json").read_text())
    (table_model / "signature.json").write_text(json.dumps({**signature, key: value}))
    rewrite_manifest(table_model)
    with pytest.raises(ModelError, match=message):
        Model.load(table_model).warm_up()


def test_a_table_has_one_feature_per_column(table_signature):
    inputs = {"age": np.array([[1.0], [np.nan]]), "height": np.array([1, 2]), "color": np.array(["red", None])}
    features = features_of(inputs, table_signature)
    assert list(features) == list(feature_kinds(table_signature)) == ["age", "height", "color"]
    assert features["height"].dtype == np.float64
    assert features["color"].tolist() == ["red", ""]
    assert np.isnan(features["age"][1])


def test_an_image_has_statistics_and_the_means_of_its_quadrants(image_signature):
    images = np.random.default_rng(0).normal(size=(5, 1, 2, 2)).astype(np.float32)
    features = features_of({"input": images}, image_signature)
    assert feature_kinds(image_signature) == dict.fromkeys(features, "number")
    assert np.allclose(features["input.mean"], images.mean((1, 2, 3)))
    assert np.allclose(features["input.std"], images.std((1, 2, 3)))
    assert np.allclose(features["input.q1"], images[:, 0, 0, 1])
    assert np.allclose(features["input.q2"], images[:, 0, 1, 0])


@pytest.mark.parametrize("shape", [(1,), (3,), (4,), (10,), (1, 5), (1, 1, 6), (3, 5, 5), (2, 3)])
def test_arrays_of_any_shape_have_finite_features_for_batches_of_any_size(shape):
    from lepton_nb.runtime import Input, Signature

    signature = Signature("classification", ("a", "b"), (Input("input", "array", shape),))
    for rows in (0, 1, 7):
        features = features_of({"input": np.ones((rows, *shape), np.float32)}, signature)
        assert list(features) == list(feature_kinds(signature))
        assert all(values.shape == (rows,) and np.isfinite(values).all() for values in features.values())
