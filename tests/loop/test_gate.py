"""What the gate lets through, and what its file may say."""

import json
import math

import numpy as np
import pytest
from onnx import TensorProto, helper
from tiny import DOWN, UP, bento
from tokenizers import Tokenizer
from tokenizers.models import WordLevel

from lepton_nb.errors import DataError, FormatError, NotFoundError, RuleError
from lepton_nb.loop.gate import Gate
from lepton_nb.loop.measuring import Rows, compare, right_answers, slower
from lepton_nb.runtime import Input, Signature, manifest_of
from lepton_nb.runtime.formats import Tokens

QUALITY = {"accuracy": 0.9, "calibration_error": 0.02, "worst_segment": 0.85, "latency_p50_ms": 0.1}
BETTER = {"accuracy": 0.95, "calibration_error": 0.03, "worst_segment": 0.9, "latency_p50_ms": 0.15}


def facts(**changed) -> dict[str, float]:
    known = {f"champion.{name}": value for name, value in QUALITY.items()}
    known |= {f"challenger.{name}": value for name, value in BETTER.items()}
    known |= {"champion.model_bytes": 1e5, "challenger.model_bytes": 1e5, "rows": 600, "p_value": 0.001}
    return known | {name.replace("__", "."): value for name, value in changed.items()}


def test_what_is_better_in_all_passes_the_gate_that_is_built_in():
    assert Gate.read().judge(facts()) == type(Gate.read().judge(facts()))(True, ())


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"challenger__accuracy": 0.9}, "quality: "),
        ({"p_value": 0.2}, "p_value 0.2"),
        ({"challenger__accuracy": math.nan}, "quality: "),
        ({"p_value": math.nan}, "quality: "),
        ({"challenger__calibration_error": 0.2}, "calibration: "),
        ({"challenger__latency_p50_ms": 9.0}, "latency: "),
        ({"challenger__model_bytes": 1e8}, "size: "),
        ({"challenger__worst_segment": 0.5}, "worst segment: "),
        ({"rows": 99}, "99 gate rows are too few, expected at least 100"),
        ({"trusted__rows": 50, "trusted__champion__accuracy": 0.9}, "trusted quality cannot be decided"),
        (
            {"trusted__champion__accuracy": 0.9, "trusted__challenger__accuracy": 0.8},
            "trusted quality: trusted.challenger.accuracy >= trusted.champion.accuracy - 0.02 does not hold",
        ),
    ],
)
def test_what_is_worse_in_one_does_not_pass_and_the_reason_is_told(changed, told):
    verdict = Gate.read().judge(facts(**changed))
    assert not verdict.passed
    assert told in "; ".join(verdict.reasons)


@pytest.mark.parametrize(
    ("text", "fault", "told"),
    [
        ("[1, 2]", FormatError, "is no gate"),
        ("conditions: {}", FormatError, "is no gate"),
        ("conditions: {a: true}", RuleError, "condition 'a'"),
        ("conditions: {a: 'x >'}", RuleError, "condition 'a'"),
        ("conditions: {a: x > 1}\nrequire: 3", FormatError, "unknown key 'require'"),
        ("conditions: {a: x > 1}\nrows: many", FormatError, "has no number of rows"),
        ("conditions: {a: x > 1}\nformat: 9", FormatError, "has format 9"),
        ("conditions: {a: [", FormatError, "is not YAML"),
    ],
)
def test_a_file_that_is_no_gate_is_refused(tmp_path, text, fault, told):
    path = tmp_path / "gate.yml"
    path.write_text(text)
    with pytest.raises(fault, match=told):
        Gate.read(path)


def test_a_gate_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(NotFoundError, match=r"gate\.yml does not exist"):
        Gate.read(tmp_path / "gate.yml")


def test_a_rule_that_is_no_truth_never_passes():
    verdict = Gate(1, {"quality": "challenger.accuracy"}, {}).judge(facts())
    assert verdict.reasons == ("quality cannot be decided: challenger.accuracy is neither true nor false",)


@pytest.mark.parametrize(
    "rule", ["not (challenger.roc_auc < champion.roc_auc)", "challenger.roc_auc != 0", "challenger.roc_auc == 0 or no"]
)
def test_a_number_that_could_not_be_computed_never_passes_whichever_way_it_is_asked(rule):
    known = facts(challenger__roc_auc=math.nan, champion__roc_auc=math.nan, no=False)
    verdict = Gate(1, {"auc": rule}, {}).judge(known)
    assert not verdict.passed
    assert "cannot be decided (challenger.roc_auc nan" in verdict.reasons[0]
    # What does not hang on it is decided.
    assert Gate(1, {"quality": "p_value < 0.05 or challenger.roc_auc > 0.9"}, {}).judge(known).passed


def test_a_gate_that_says_nothing_of_the_trusted_rows_asks_what_the_one_that_is_built_in_asks():
    own = Gate(1, {"quality": "p_value < 0.05"}, {})
    worse = facts(trusted__champion__accuracy=0.9, trusted__challenger__accuracy=0.6)
    assert (
        "trusted.challenger.accuracy >= trusted.champion.accuracy - 0.02 does not hold" in own.judge(worse).reasons[0]
    )
    assert own.judge(facts(trusted__champion__accuracy=0.9, trusted__challenger__accuracy=0.9)).passed
    assert own.judge(facts()).passed


def rows(count: int = 400) -> Rows:
    x = np.random.default_rng(0).normal(0, 1, count)
    color = np.array(["red", "blue"], dtype=object)[(np.arange(count) % 2)]
    return Rows({"x": x, "color": color}, np.array(["yes" if one > 0 else "no" for one in x], dtype=object))


def test_both_models_are_measured_on_the_same_rows(ws):
    known = rows()
    wrong, right = bento(ws, "wrong:v1", DOWN).model, bento(ws, "right:v1", UP).model
    found = compare(wrong, right, known)
    assert (found["champion.accuracy"], found["challenger.accuracy"]) == (0.0, 1.0)
    assert (found["difference"], found["rows"], found["segment_loss"]) == (1.0, 400, -1.0)
    assert found["p_value"] < 1e-50
    assert found["challenger.worst_segment"] == 1.0
    assert found["champion.model_bytes"] == (wrong / "model.onnx").stat().st_size
    assert 0 < found["champion.latency_p50_ms"] <= found["champion.latency_p95_ms"]
    # No worse than itself, and no better either.
    same = compare(right, right, known, prefix="trusted.")
    assert (same["trusted.p_value"], same["trusted.difference"]) == (1.0, 0.0)
    assert not [name for name in same if not name.startswith("trusted.")]
    assert right_answers(right, known).all()
    with pytest.raises(DataError, match="no rows to judge by"):
        compare(right, right, Rows({}, np.array([], dtype=object)))


def test_a_model_of_texts_is_timed_and_each_text_is_no_segment_of_its_own(tmp_path):
    model = tmp_path / "model"
    model.mkdir()
    tokens = Tokens("tokenizer.json", "ids", "int64", 4, 0)
    nodes = [
        helper.make_node("Cast", ["ids"], ["numbers"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["numbers", "axes"], ["yes"], keepdims=1),
        helper.make_node("Sub", ["yes", "yes"], ["no"]),
        helper.make_node("Concat", ["no", "yes"], ["logits"], axis=1),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
    ]
    given = helper.make_tensor_value_info("ids", TensorProto.INT64, [None, None])
    told = helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [None, 2])
    made = helper.make_graph(nodes, "texts", [given], [told], [helper.make_tensor("axes", TensorProto.INT64, [1], [1])])
    network = helper.make_model(made, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    (model / "model.onnx").write_bytes(network.SerializeToString())
    Tokenizer(WordLevel({"good": 0, "film": 1}, unk_token="good")).save(str(model / "tokenizer.json"))
    signature = Signature("classification", ("no", "yes"), (Input("said", "text", tokens=tokens),))
    (model / "signature.json").write_text(json.dumps(signature.to_dict()))
    (model / "manifest.json").write_text(json.dumps(manifest_of(model, run="run-1", data="data-1").to_dict()))
    assert slower(model, model) == ""
    said = np.array([f"film {number}" for number in range(300)], dtype=object)
    found = compare(model, model, Rows({"said": said}, np.array(["yes"] * 300, dtype=object)))
    assert found["champion.worst_segment"] == found["champion.accuracy"]


def test_the_worst_segment_is_the_one_that_a_mean_hides(ws):
    known = rows(1000)
    # In one color the truth is the other way round: half of all rows are right, none of these.
    truth = np.where(known.inputs["color"] == "red", known.truth, np.where(known.truth == "yes", "no", "yes"))
    found = compare(*(2 * [bento(ws, "right:v1", UP).model]), Rows(known.inputs, truth.astype(object)))
    assert (found["champion.accuracy"], found["champion.worst_segment"]) == (0.5, 0.0)
