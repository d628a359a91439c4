"""Thousands of short texts in one body fill no memory and hold up no other request."""

import asyncio
import json
import threading

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace

from lepton_nb.runtime import Input, Output, RequestError, Signature, Tokens, batching, manifest_of
from lepton_nb.runtime import model as models
from lepton_nb.runtime.batching import Batcher
from lepton_nb.runtime.model import Model

MOST = 512
TEXT = Input("text", "text", tokens=Tokens("tokenizer.json", "ids", "int64", MOST, 0))


@pytest.fixture
def model(tmp_path):
    """Gives the sum of a text's token ids, and the ids."""
    made = Tokenizer(WordLevel({"[PAD]": 0, "a": 1, "b": 2}, unk_token="[PAD]"))
    made.pre_tokenizer = Whitespace()
    (tmp_path / "tokenizer.json").write_text(made.to_str())
    nodes = [
        helper.make_node("ReduceSum", ["ids", "one"], ["total"], keepdims=0),
        helper.make_node("Identity", ["ids"], ["same"]),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("ids", TensorProto.INT64, [None, None])],
        [
            helper.make_tensor_value_info("total", TensorProto.INT64, [None]),
            helper.make_tensor_value_info("same", TensorProto.INT64, [None, None]),
        ],
        [helper.make_tensor("one", TensorProto.INT64, [1], [1])],
    )
    whole = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    (tmp_path / "model.onnx").write_bytes(whole.SerializeToString())

    def load(*outputs: Output) -> Model:
        signature = Signature("tensors", (), (TEXT,), outputs)
        (tmp_path / "signature.json").write_text(json.dumps(signature.to_dict()))
        manifest = manifest_of(tmp_path, run="run-1", data="data-1").to_dict()
        (tmp_path / "manifest.json").write_text(json.dumps(manifest))
        return Model.load(tmp_path)

    return load


TOTAL, SAME = Output("total", "int64"), Output("same", "int64", (-1,))


def texts(*values: str) -> dict[str, np.ndarray]:
    return {"text": np.array(values, dtype=object)}


def test_short_texts_beside_a_long_one_are_run_some_at_a_time(model, monkeypatch):
    given, ask = [], Model.ask

    def asked(self, feed):
        given.append(feed["ids"].size)
        return ask(self, feed)

    monkeypatch.setattr(Model, "ask", asked)
    found = model(TOTAL).predict(texts(*["a", "b"] * 1_500, "b " * MOST))
    assert found["total"].tolist() == [1, 2] * 1_500 + [2 * MOST]
    assert len(given) > 3_000 // 256
    assert max(given) <= 16_384


def test_an_answer_as_long_as_the_text_is_as_long_for_all_rows(model):
    found = model(SAME).predict(texts(*["a"] * 300, "b b b"))["same"]
    assert found.shape == (301, 3)
    assert found[[0, 300]].tolist() == [[1, 0, 0], [2, 2, 2]]


def test_answers_that_would_fill_the_memory_are_refused(model, monkeypatch):
    monkeypatch.setattr(models, "_MOST_BYTES", 10 * 2**10)
    loaded = model(SAME)
    assert len(loaded.predict(texts(*["a a"] * 300))["same"]) == 300
    with pytest.raises(RequestError, match="send fewer rows") as refused:
        loaded.predict(texts(*["a a"] * 900))
    assert refused.value.status == 413


@pytest.mark.parametrize(("text", "message"), [(" ", "one token at least"), ("\ud800", "a form in UTF-8")])
def test_a_text_that_cannot_be_read_is_refused_by_its_row_in_the_request(model, text, message):
    with pytest.raises(RequestError, match=f"row 700, field 'text': expected text .*{message}") as refused:
        model(TOTAL).predict(texts(*["a"] * 700, text))
    assert (refused.value.status, refused.value.row) == (422, 700)


def test_what_would_take_long_is_run_in_a_thread_and_what_would_not_is_not(model, monkeypatch):
    monkeypatch.setattr(batching, "_SLOW_S", float("inf"))
    loaded, threads = model(TOTAL), []
    batcher = Batcher(loaded)
    assert batcher.first_s > 0.0 <= batcher.more_s
    # What is measured differs from machine to machine.
    monkeypatch.setattr(batching, "_SLOW_S", 100.0)
    batcher.first_s, batcher.more_s, predict = 1.0, 1.0, loaded.predict

    def predicted(inputs):
        threads.append((len(inputs["text"]), threading.current_thread() is threading.main_thread()))
        return predict(inputs)

    monkeypatch.setattr(loaded, "predict", predicted)

    async def talk():
        return [len((await batcher.predict(texts(*["a"] * rows)))["total"]) for rows in (1, 90, 300, 2)]

    assert asyncio.run(talk()) == [1, 90, 300, 2]
    assert threads == [(1, True), (90, True), (300, False), (2, True)]


def test_a_whole_number_without_a_row_in_a_table_is_the_fault_of_the_request(tmp_path, made_of_a_graph):
    _, write = made_of_a_graph
    graph = helper.make_graph(
        [helper.make_node("Gather", ["table", "user"], ["score"])],
        "tiny",
        [helper.make_tensor_value_info("user", TensorProto.INT64, [None])],
        [helper.make_tensor_value_info("score", TensorProto.FLOAT, [None])],
        [onnx.numpy_helper.from_array(np.arange(3, dtype=np.float32), "table")],
    )
    whole = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    signature = Signature("tensors", (), (Input("user", "array", (), dtype="int64"),), (Output("score"),))
    loaded = Model.load(write(tmp_path / "ids", whole, signature))
    assert loaded.predict({"user": np.array([2, 0])})["score"].tolist() == [2.0, 0.0]
    with pytest.raises(RequestError, match="a whole number of 'user' is beyond") as refused:
        loaded.predict({"user": np.array([0, 3])})
    assert refused.value.status == 422
