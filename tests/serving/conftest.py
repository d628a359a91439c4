"""A packaged tiny model as a Bento's folder has it, made in milliseconds."""

import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

import lepton_nb.runtime
from lepton_nb.records import Bento
from lepton_nb.runtime import Input, Signature, manifest_of
from lepton_nb.serving import deployments, stop
from lepton_nb.workspace import Workspace, file_sha256

SIGNATURE = Signature(
    "classification",
    ("no", "yes"),
    (Input("age", "number"), Input("height", "number"), Input("color", "category", (), ("blue", "red"))),
)


def _graph() -> onnx.ModelProto:
    """Softmax of [age or 0, 2 if the color is red]; the height is not looked at."""
    nodes = [
        helper.make_node("IsNaN", ["age"], ["missing"]),
        helper.make_node("Where", ["missing", "zero", "age"], ["filled"]),
        helper.make_node("Cast", ["filled"], ["age32"], to=TensorProto.FLOAT),
        helper.make_node("Equal", ["color", "red"], ["is_red"]),
        helper.make_node("Cast", ["is_red"], ["red32"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["red32", "two"], ["red_weight"]),
        helper.make_node("Concat", ["age32", "red_weight"], ["logits"], axis=1),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
    ]
    inputs = [
        helper.make_tensor_value_info("age", TensorProto.DOUBLE, [None, 1]),
        helper.make_tensor_value_info("height", TensorProto.DOUBLE, [None, 1]),
        helper.make_tensor_value_info("color", TensorProto.STRING, [None, 1]),
    ]
    constants = [
        helper.make_tensor("zero", TensorProto.DOUBLE, [1], [0.0]),
        helper.make_tensor("two", TensorProto.FLOAT, [1], [2.0]),
        helper.make_tensor("red", TensorProto.STRING, [1], [b"red"]),
    ]
    outputs = [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [None, 2])]
    graph = helper.make_graph(nodes, "tiny", inputs, outputs, constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def make_bento(path: Path, tag: str) -> Bento:
    """What `packaging` lays out: the runtime and the model under `src`."""
    model = path / "src" / "model"
    model.mkdir(parents=True)
    (model / "model.onnx").write_bytes(_graph().SerializeToString())
    (model / "signature.json").write_text(json.dumps(SIGNATURE.to_dict()))
    (model / "manifest.json").write_text(json.dumps(manifest_of(model, run="run-1", data="data-1").to_dict()))
    runtime = Path(lepton_nb.runtime.__file__).parent
    shutil.copytree(runtime, path / "src" / "lepton_runtime", ignore=shutil.ignore_patterns("__pycache__"))
    name, _, version = tag.partition(":")
    (path / "bento.yaml").write_text(f"service: service:Model\nname: {name}\nversion: {version}\n")
    onnx_file = model / "model.onnx"
    return Bento(tag, path, "run-1", file_sha256(onnx_file), onnx_file.stat().st_size, 0.0)


def expected(age: float | None, color: str | None) -> np.ndarray:
    """What the tiny model answers, by hand."""
    logits = np.array([age or 0.0, 2.0 if color == "red" else 0.0])
    weights = np.exp(logits - logits.max())
    return weights / weights.sum()


@pytest.fixture(scope="session")
def answer_by_hand():
    return expected


@pytest.fixture(scope="module")
def bento(tmp_path_factory):
    return make_bento(tmp_path_factory.mktemp("bento") / "tiny" / "v1", "tiny:v1")


@pytest.fixture
def other_bento(tmp_path):
    return make_bento(tmp_path / "other" / "v2", "other:v2")


@pytest.fixture(scope="session")
def make_tiny_bento():
    return make_bento


@pytest.fixture(scope="module")
def served_ws(tmp_path_factory):
    """A workspace whose deployments are stopped at the end, come what may."""
    ws = Workspace(tmp_path_factory.mktemp("served") / ".lepton")
    yield ws
    for one in deployments(ws).deployments:
        if one.status == "running":
            stop(ws, one.name)


@pytest.fixture
def ws(tmp_path):
    ws = Workspace(tmp_path / ".lepton")
    yield ws
    for one in deployments(ws).deployments:
        if one.status == "running":
            stop(ws, one.name)
