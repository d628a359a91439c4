"""Every request that the document allows, and many that it does not, is answered as the document says."""

import json

import onnx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from lepton_nb.runtime import Input, Output, Signature, Tokens

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
MODES = [schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE]


# A text, whole numbers with a range at each place, and outputs by names.
NAMED = Signature(
    "tensors",
    (),
    (
        Input("text", "text", tokens=Tokens("tokenizer.json", "text", "int64", 4, 0)),
        Input("kinds", "array", (2,), (), 0, 6, "refused", dtype="int64", highs=(4, 6)),
    ),
    (Output("mean", "float32", (2,)), Output("count", "int64")),
)


def named_graph():
    """`mean` is the sum of the ids and a row of a table for each kind, of five and of seven; `count` that of kinds."""
    made, kinds = onnx.helper, onnx.TensorProto
    nodes = [
        made.make_node("ReduceSum", ["text", "one"], ["sum"], keepdims=1),
        made.make_node("Cast", ["sum"], ["wide"], to=kinds.FLOAT),
        made.make_node("Split", ["kinds"], ["left", "right"], axis=1, num_outputs=2),
        made.make_node("Gather", ["small", "left"], ["first"]),
        made.make_node("Gather", ["large", "right"], ["second"]),
        made.make_node("Concat", ["first", "second"], ["both"], axis=1),
        made.make_node("Add", ["both", "wide"], ["mean"]),
        made.make_node("ReduceSum", ["kinds", "one"], ["count"], keepdims=0),
    ]
    inputs = [
        made.make_tensor_value_info("text", kinds.INT64, ["rows", "length"]),
        made.make_tensor_value_info("kinds", kinds.INT64, ["rows", 2]),
    ]
    outputs = [
        made.make_tensor_value_info("mean", kinds.FLOAT, ["rows", 2]),
        made.make_tensor_value_info("count", kinds.INT64, ["rows"]),
    ]
    constants = [
        made.make_tensor("one", kinds.INT64, [1], [1]),
        made.make_tensor("small", kinds.FLOAT, [5], [0.5] * 5),
        made.make_tensor("large", kinds.FLOAT, [7], [0.25] * 7),
    ]
    graph = made.make_graph(nodes, "named", inputs, outputs, constants)
    return made.make_model(graph, opset_imports=[made.make_opsetid("", 20)], ir_version=10)


@pytest.fixture
def of_columns(tmp_path, make_source):
    return make_source(tmp_path / "bento")


@pytest.fixture
def of_texts(tmp_path, make_source, rewrite_manifest):
    source = make_source(tmp_path / "bento")
    model = source / "model"
    (model / "model.onnx").write_bytes(named_graph().SerializeToString())
    (model / "signature.json").write_text(json.dumps(NAMED.to_dict()))
    words = {"model": {"type": "WordLevel", "vocab": {"[UNK]": 1, "good": 2}, "unk_token": "[UNK]"}}
    tokenizer = {"version": "1.0", **words, "pre_tokenizer": {"type": "Whitespace"}}
    (model / "tokenizer.json").write_text(json.dumps(tokenizer))
    rewrite_manifest(model)
    return source


@pytest.mark.parametrize(("kind", "most"), [("of_columns", 60), ("of_texts", 30)])
def test_no_request_is_answered_by_what_is_not_documented(request, kind, most, tmp_path, start_server, uvicorn_command):
    source = request.getfixturevalue(kind)
    server = start_server(uvicorn_command, source, tmp_path / "log", {"LEPTON_TOKEN": "the-token"})
    headers = {"authorization": "Bearer the-token"}
    with server.client() as client:
        document = client.get("/docs.json").json()
    schema = schemathesis.openapi.from_dict(document)
    operations = [found.ok() for found in schema.get_all_operations()]
    assert {one.path for one in operations} >= {"/predict", "/v2/models/tiny/infer"}
    # A model that takes no label has no route for one.
    assert ("/feedback" in {one.path for one in operations}) == (kind == "of_columns")
    asked = 0
    for operation in operations:
        takes_a_body = operation.method.upper() == "POST"
        examples = most if takes_a_body else 1
        # What takes nothing cannot be asked wrongly.
        for mode in MODES[: 1 + takes_a_body]:
            cases = operation.as_strategy(generation_mode=mode)

            @settings(
                max_examples=examples,
                deadline=None,
                derandomize=True,
                database=None,
                phases=[Phase.explicit, Phase.generate],
                suppress_health_check=list(HealthCheck),
            )
            @given(case=cases)
            def ask(case):
                nonlocal asked
                asked += 1
                case.call_and_validate(base_url=server.url, headers=headers, checks=CHECKS, timeout=20)

            ask()
    assert asked > 2.5 * most
    text = server.output.read_text()
    assert "Traceback" not in text
