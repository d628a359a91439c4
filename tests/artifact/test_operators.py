"""Torch's table of ONNX operators is made once, and each export has a copy of its own."""

import numpy as np
import pytest
import torch
from onnxruntime import InferenceSession
from torch.onnx._internal.exporter._registration import ONNXRegistry

from lepton_nb.artifact import operators
from lepton_nb.artifact.network import OPSET, exported
from lepton_nb.artifact.trained import Form

ROWS = np.random.default_rng(0).normal(size=(3, 5)).astype(np.float32)


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(5, 4), torch.nn.ReLU(), torch.nn.Linear(4, 3)).eval()


def graph(network):
    return exported(network, ROWS, Form("softmax"))[0]


def test_the_second_export_reads_no_sources_and_gives_the_same_graph(network, monkeypatch):
    first = graph(network)

    def again(*_, **__):
        raise AssertionError("the table is made again")

    from onnxscript._internal import ast_utils

    monkeypatch.setattr(ast_utils, "get_src_and_ast", again)
    second = graph(network)
    assert [(one.op_type, one.input, one.output) for one in second.graph.node] == [
        (one.op_type, one.input, one.output) for one in first.graph.node
    ]
    answers = [InferenceSession(one.SerializeToString()).run(None, {"features": ROWS})[0] for one in (first, second)]
    assert (answers[0] == answers[1]).all()
    assert np.allclose(answers[0], torch.softmax(network(torch.from_numpy(ROWS)), 1).detach().numpy(), atol=1e-6)


def test_a_table_is_that_of_torch_and_what_is_added_to_one_is_not_in_the_next():
    own = ONNXRegistry.from_torchlib(opset_version=OPSET)
    with operators.known_operators():
        taken = ONNXRegistry.from_torchlib(opset_version=OPSET)
        taken.register_op(torch.ops.aten.relu.default, lambda x: x)
        following = ONNXRegistry.from_torchlib(opset_version=OPSET)
    assert (following.opset_version, list(following.functions)) == (own.opset_version, list(own.functions))
    for name, found in own.functions.items():
        assert [one.onnx_function for one in following.functions[name]] == [one.onnx_function for one in found]
    assert len(taken.functions["aten::relu"]) == len(following.functions["aten::relu"]) + 1


def test_elsewhere_torch_makes_its_own_table_whatever_happened_in_the_block():
    before = vars(ONNXRegistry)["from_torchlib"]
    with pytest.raises(ZeroDivisionError), operators.known_operators():
        raise ZeroDivisionError
    assert vars(ONNXRegistry)["from_torchlib"] is before
