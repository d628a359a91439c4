"""Tiny real models, made in milliseconds without torch."""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from lepton_nb.runtime import Input, Signature, manifest_of

TABLE = Signature(
    "classification",
    ("no", "yes", "maybe"),
    (Input("age", "number"), Input("height", "number"), Input("color", "category", (), ("blue", "red"))),
)
IMAGE = Signature("classification", ("zero", "one"), (Input("input", "array", (1, 2, 2)),))


def table_graph() -> onnx.ModelProto:
    """Softmax(W @ [age or 0, height or 0, color is red])."""
    weights = np.array([[1, 0, -1], [0, 1, 0], [2, -1, 0]], np.float32)
    nodes = [
        helper.make_node("Concat", ["age", "height"], ["numbers"], axis=1),
        helper.make_node("IsNaN", ["numbers"], ["missing"]),
        helper.make_node("Where", ["missing", "zero", "numbers"], ["filled"]),
        helper.make_node("Cast", ["filled"], ["filled32"], to=TensorProto.FLOAT),
        helper.make_node("Equal", ["color", "red"], ["is_red"]),
        helper.make_node("Cast", ["is_red"], ["red32"], to=TensorProto.FLOAT),
        helper.make_node("Concat", ["filled32", "red32"], ["features"], axis=1),
        helper.make_node("MatMul", ["features", "weights"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
    ]
    inputs = [
        helper.make_tensor_value_info("age", TensorProto.DOUBLE, [None, 1]),
        helper.make_tensor_value_info("height", TensorProto.DOUBLE, [None, 1]),
        helper.make_tensor_value_info("color", TensorProto.STRING, [None, 1]),
    ]
    constants = [
        helper.make_tensor("zero", TensorProto.DOUBLE, [1], [0.0]),
        helper.make_tensor("red", TensorProto.STRING, [1], [b"red"]),
        onnx.numpy_helper.from_array(weights, "weights"),
    ]
    return _model(nodes, inputs, constants)


def image_graph() -> onnx.ModelProto:
    """Softmax of the flattened 2 x 2 image times a constant matrix."""
    weights = np.array([[1, 0], [0, 1], [1, 0], [0, 1]], np.float32)
    nodes = [
        helper.make_node("Flatten", ["input"], ["flat"], axis=1),
        helper.make_node("MatMul", ["flat", "weights"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
    ]
    inputs = [helper.make_tensor_value_info("input", TensorProto.FLOAT, [None, 1, 2, 2])]
    return _model(nodes, inputs, [onnx.numpy_helper.from_array(weights, "weights")])


def _model(nodes, inputs, constants) -> onnx.ModelProto:
    outputs = [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [None, None])]
    graph = helper.make_graph(nodes, "tiny", inputs, outputs, constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def write_model(folder: Path, graph: onnx.ModelProto, signature: Signature) -> Path:
    folder.mkdir(parents=True)
    (folder / "model.onnx").write_bytes(graph.SerializeToString())
    (folder / "signature.json").write_text(json.dumps(signature.to_dict()))
    write_manifest(folder)
    return folder


def write_manifest(folder: Path) -> None:
    manifest = manifest_of(folder, run="run-1", data="data-1")
    (folder / "manifest.json").write_text(json.dumps(manifest.to_dict()))


@pytest.fixture
def table_model(tmp_path):
    return write_model(tmp_path / "bento" / "src" / "model", table_graph(), TABLE)


@pytest.fixture
def image_model(tmp_path):
    return write_model(tmp_path / "image" / "src" / "model", image_graph(), IMAGE)
