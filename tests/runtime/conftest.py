"""Tiny real models, made in milliseconds without torch."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import httpx
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

import lepton_nb.runtime
from lepton_nb.processes import free_port
from lepton_nb.runtime import Input, Signature, manifest_of

# Files of this folder share `asked`.
sys.path.insert(0, str(Path(__file__).parent))

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


@pytest.fixture
def made_of_a_graph():
    """The graph for images, and what lays out a model's folder of one."""
    return image_graph(), write_model


@pytest.fixture
def table_signature():
    return TABLE


@pytest.fixture
def image_signature():
    return IMAGE


@pytest.fixture
def rewrite_manifest():
    return write_manifest


@pytest.fixture(scope="session")
def make_source():
    """Lay out a folder as a Bento's `src`: the runtime copied as `lepton_runtime`, and the table model."""

    def make(bento: Path) -> Path:
        write_model(bento / "src" / "model", table_graph(), TABLE)
        runtime = Path(lepton_nb.runtime.__file__).parent
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(runtime, bento / "src" / "lepton_runtime", ignore=ignored)
        (bento / "bento.yaml").write_text("service: service:Model\nname: tiny\nversion: v1\n")
        return bento / "src"

    return make


@dataclass(frozen=True)
class Served:
    """A server that a test started."""

    process: subprocess.Popen
    url: str
    log_dir: Path
    output: Path

    def client(self, token: str = "the-token") -> httpx.Client:
        headers = {"authorization": f"Bearer {token}"} if token else {}
        return httpx.Client(base_url=self.url, headers=headers, trust_env=False, timeout=30)

    def lines(self) -> list[dict]:
        """What all workers logged, in the order of time, which is the order of the ids."""
        lines = [json.loads(one) for path in self.log_dir.glob("log-*") for one in path.read_text().splitlines()]
        return sorted(lines, key=lambda line: line["id"])


@pytest.fixture(scope="session")
def start_server():
    """Start `command PORT`-like servers; every one is ended with the session."""
    started = []

    def start(command, source: Path, log_dir: Path, environment: dict[str, str]) -> Served:
        log_dir.mkdir(parents=True, exist_ok=True)
        port = free_port()
        output = log_dir.parent / f"output-{port}"
        with output.open("wb") as stream:
            process = subprocess.Popen(
                [part.replace("PORT", str(port)) for part in command],
                cwd=source,
                env={**os.environ, "LEPTON_LOG_DIR": str(log_dir), "PYTHONDONTWRITEBYTECODE": "1", **environment},
                stdout=stream,
                stderr=subprocess.STDOUT,
            )
        served = Served(process, f"http://127.0.0.1:{port}", log_dir, output)
        started.append(served)
        deadline = time.monotonic() + 60
        with served.client() as client:
            while time.monotonic() < deadline:
                assert process.poll() is None, output.read_text()
                with contextlib.suppress(httpx.HTTPError):
                    if client.get("/readyz").status_code == 200:
                        return served
                time.sleep(0.05)
        raise AssertionError(output.read_text())

    yield start
    for served in started:
        served.process.terminate()
        try:
            served.process.wait(15)
        except subprocess.TimeoutExpired:
            served.process.kill()
            served.process.wait()


UVICORN = [sys.executable, "-m", "uvicorn", "lepton_runtime.asgi:app", "--port", "PORT", "--no-access-log"]


@pytest.fixture(scope="session")
def uvicorn_command():
    return UVICORN
