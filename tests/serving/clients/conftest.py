"""A deployment whose columns, categories and classes are as nasty as texts can be; a server that follows a script."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from onnx import TensorProto, helper

from lepton_nb.runtime import Input, Signature, manifest_of
from lepton_nb.serving import serve, stop
from lepton_nb.workspace import Workspace

NASTY = (
    '"); System.exit(3); //',
    "'''\"\"\"\n__import__('pathlib').Path('pwned').touch()\n",
    "$(touch pwned)`touch pwned`'; touch pwned; '",
    "\\u0022); System.exit(4); //\\",
    "*/ /* {@code",
    "@URL@ %s {0} ${x}",
    "\u202eebircs\u0000\u2028\u00e9\U0001f600",
    "class",
    "import",
    "record",
    "a b",
    "a-b",
    "a.b",
    "aB",
    "1st",
    "größe",
    " ",
    "toString",
)
CLASSES = ('no "\\u0022', "yes'\n$(touch pwned)")
SIGNATURE = Signature(
    "classification",
    CLASSES,
    (
        Input("age", "number", low=-1.0, high=3.0),
        Input("pixels", "array", (2, 3), low=0.0, high=1.0),
        Input("color", "category", categories=NASTY),
        *(Input(name, "category", categories=(name, "x")) for name in NASTY),
    ),
)


def _graph():
    """Softmax of [age or 0, 0]; nothing else is looked at."""
    kinds = {"number": TensorProto.DOUBLE, "array": TensorProto.FLOAT, "category": TensorProto.STRING}
    inputs = [
        helper.make_tensor_value_info(one.name, kinds[one.kind], [None, *(one.shape or (1,))])
        for one in SIGNATURE.inputs
    ]
    nodes = [
        helper.make_node("IsNaN", ["age"], ["missing"]),
        helper.make_node("Where", ["missing", "zero", "age"], ["filled"]),
        helper.make_node("Cast", ["filled"], ["age32"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["age32", "zero32"], ["rest"]),
        helper.make_node("Concat", ["age32", "rest"], ["logits"], axis=1),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
    ]
    constants = [
        helper.make_tensor("zero", TensorProto.DOUBLE, [1], [0.0]),
        helper.make_tensor("zero32", TensorProto.FLOAT, [1], [0.0]),
    ]
    outputs = [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [None, 2])]
    graph = helper.make_graph(nodes, "nasty", inputs, outputs, constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


@pytest.fixture(scope="session")
def served(tmp_path_factory, make_tiny_bento):
    """The deployment `nasty`, which answers."""
    ws = Workspace(tmp_path_factory.mktemp("served") / ".lepton")
    one = make_tiny_bento(tmp_path_factory.mktemp("nasty") / "nasty" / "v1", "nasty:v1")
    model = one.model
    (model / "model.onnx").write_bytes(_graph().SerializeToString())
    (model / "signature.json").write_text(json.dumps(SIGNATURE.to_dict()))
    (model / "manifest.json").unlink()
    (model / "manifest.json").write_text(json.dumps(manifest_of(model, run="run-1", data="data-1").to_dict()))
    yield serve(ws, one)
    stop(ws, "nasty")


@pytest.fixture(scope="session")
def nasty():
    """The names, the classes and the signature of the deployment."""
    return SIGNATURE


@pytest.fixture
def logged(served):
    """What the deployment's log holds, by prediction id."""

    def read():
        lines = [
            json.loads(line) for path in served.path.glob("log-*.jsonl") for line in path.read_bytes().splitlines()
        ]
        return {line["id"]: line for line in lines}

    return read


ANSWER = {"version": "m:1", "predictions": [{"id": "p1", "label": "yes", "probabilities": [0.25, 0.75]}]}


class _Scripted(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.asked.append((self.path, dict(self.headers), body))
        step = self.server.script.pop(0) if self.server.script else 200
        if step == "broken":
            self.close_connection = True
            return
        if step == "slow":
            self.server.ended.wait(20)
            self.close_connection = True
            return
        status, headers = step if isinstance(step, tuple) else (step, {})
        value = {"error": {"code": "told", "message": f"status {status}", "row": 2}}
        content = json.dumps(ANSWER if status == 200 else value).encode()
        self.send_response(status)
        for name, text in headers.items():
            self.send_header(name, text)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *args):
        pass


@pytest.fixture
def scripted():
    """Starts a server that answers what it is told, one step per request, and then 200: its address and what came."""
    servers = []

    def start(*script):
        server = ThreadingHTTPServer(("127.0.0.1", 0), _Scripted)
        server.daemon_threads = True
        server.script, server.asked, server.ended = list(script), [], threading.Event()
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}", server.asked

    yield start
    for server in servers:
        server.ended.set()
        server.shutdown()
        server.server_close()
