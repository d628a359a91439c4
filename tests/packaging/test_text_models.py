"""Networks over text that were trained on a notebook's own loaders, from training to HTTP."""

from __future__ import annotations

import io

import numpy as np
import pyarrow as pa
import pytest
import tensor_nets
import torch
from served_nets import TEXTS, close, probabilities

from lepton_nb import artifact, packaging, serving
from lepton_nb.errors import PackagingError
from lepton_nb.workspace import Workspace


def test_an_lstm_over_text_answers_over_http_as_it_does_in_torch(made):
    one = made("Lstm")
    expected = torch.softmax(one.told(text=one.ids(TEXTS, tensor_nets.LENGTH)), 1)
    answer = one.predict([{"text": text} for text in TEXTS])
    close(probabilities(answer), expected)
    assert {row["label"] for row in answer.json()["predictions"]} <= {"no", "yes"}
    # What it says depends on the padding behind a text, so that each one is filled up as in training.
    assert one.signature.inputs[0].tokens.fixed


def test_a_transformer_over_text_answers_over_http_as_it_does_in_torch(made):
    one = made("Transformer")
    (text,) = one.signature.inputs
    assert (text.kind, text.tokens.mask, text.tokens.fixed) == ("text", "attention_mask", False)
    ids = one.ids(TEXTS)
    expected = torch.softmax(one.told(text=ids, attention_mask=(ids != 0).long()), 1)
    close(probabilities(one.predict([{"text": text} for text in TEXTS])), expected)
    for place, words in enumerate(TEXTS):
        close(probabilities(one.predict([{"text": words}])), expected[place : place + 1])


def test_a_text_that_is_too_long_is_cut_where_the_signature_says(made):
    one = made("Transformer")
    assert one.signature.inputs[0].tokens.most == tensor_nets.LENGTH
    long = " ".join(["good film"] * 500)
    cut = " ".join(["good film"] * (tensor_nets.LENGTH // 2))
    close(probabilities(one.predict([{"text": long}])), probabilities(one.predict([{"text": cut}])))


@pytest.mark.parametrize(("value", "why"), [(3, "expected text"), (None, "expected text"), ("  ", "one token")])
def test_what_is_no_text_is_refused_by_its_name(made, value, why):
    answer = made("Transformer").predict([{"text": "good"}, {"text": value}])
    assert answer.status_code == 422
    assert answer.json()["error"]["row"] == 1
    assert "row 1, field 'text'" in answer.json()["error"]["message"]
    assert why in answer.json()["error"]["message"]


def test_texts_are_answered_in_every_form(made):
    one = made("Transformer")
    expected = probabilities(one.predict([{"text": text} for text in TEXTS]))
    body = {"inputs": [{"name": "text", "shape": [3], "datatype": "BYTES", "data": TEXTS}]}
    found = one.post("/v2/models/transformer/infer", json=body)
    assert found.status_code == 200, found.text
    told = {output["name"]: output for output in found.json()["outputs"]}
    assert told["probabilities"]["shape"] == [3, 2]
    close(np.reshape(told["probabilities"]["data"], (3, 2)), expected)
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, pa.schema([("text", pa.string())])) as writer:
        writer.write_table(pa.table({"text": TEXTS}))
    arrow = one.post(
        "/predict", content=sink.getvalue(), headers={"content-type": "application/vnd.apache.arrow.stream"}
    )
    assert arrow.status_code == 200, arrow.text
    close(pa.ipc.open_stream(arrow.content).read_all()["probabilities"].to_pylist(), expected)
    assert one.post("/predict", content=b"x", headers={"content-type": "application/x-npy"}).status_code == 415
    assert serving.predict_bento(one.bento, [{"text": text} for text in TEXTS]).classes == ("no", "yes")
    close(serving.predict(one.ws, one.deployment, {"text": TEXTS}).probabilities, expected)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"{", "is not a tokenizer"),
        (b"[1, 2]", "is not a tokenizer"),
        (b"\xff\xfe", "is not a tokenizer"),
        (
            b'{"version": "1.0", "model": {"type": "WordLevel", "vocab": {"a": -1}, "unk_token": "a"}}',
            "is not a tokenizer",
        ),
        (b" " * (64 * 2**20 + 1), "67,108,864 at most"),
    ],
    ids=["torn", "a list", "no text", "a negative id", "too large"],
)
def test_a_file_that_is_no_tokenizer_is_refused(made, content, why, tmp_path):
    one = made("Lstm")
    (tmp_path / "tokenizer.json").write_bytes(content)
    with pytest.raises(PackagingError, match="cannot be packaged") as refused:
        packaging.package(
            one.ws,
            one.run,
            artifact.examples_of(one.run),
            wanted=artifact.Wanted(tokenizer=tmp_path / "tokenizer.json"),
        )
    assert why in str(refused.value)


def test_a_tokenizer_of_another_vocabulary_is_refused(made, tmp_path):
    one, path = made("Lstm"), tmp_path / "tokenizer.json"
    tensor_nets.tokenizer(path, words=[*tensor_nets.WORDS, "cinema"])
    with pytest.raises(PackagingError, match=r"gives ids that the network does not take; expected ids up to"):
        packaging.package(one.ws, one.run, artifact.examples_of(one.run), wanted=artifact.Wanted(tokenizer=path))
    tensor_nets.tokenizer(path, words=tensor_nets.WORDS[:3])
    with pytest.raises(PackagingError, match="the tokenizer is not that of the training"):
        packaging.package(one.ws, one.run, artifact.examples_of(one.run), wanted=artifact.Wanted(tokenizer=path))


def test_a_package_of_text_travels_as_a_file(made, tmp_path):
    one = made("Transformer")
    packaging.write_archive(one.bento, tmp_path / "model.zip")
    taken = packaging.import_package(Workspace(tmp_path / ".lepton"), tmp_path / "model.zip")
    rows = [{"text": text} for text in TEXTS]
    close(serving.predict_bento(taken, rows).probabilities, serving.predict_bento(one.bento, rows).probabilities)


def test_only_the_bento_of_a_text_model_needs_a_tokenizer(made):
    text, plain = (
        (made(name).bento.path / "env" / "python" / "requirements.txt").read_text() for name in ("Lstm", "Price")
    )
    assert "tokenizers==" in text
    assert "tokenizers" not in plain
    assert "torch" not in text


def test_the_bento_of_a_text_model_serves_where_nothing_of_ours_is_installed(made, serve_bento, blocked_env, tmp_path):
    one = made("Transformer")
    expected = serving.predict_bento(one.bento, [{"text": text} for text in TEXTS]).probabilities
    with serve_bento(one.bento, tmp_path, extra=blocked_env) as client:
        answer = client.post("/predict", json={"rows": [{"text": text} for text in TEXTS]})
        close(probabilities(answer), expected)
    requirements = (one.bento.path / "env" / "python" / "requirements.txt").read_text()
    assert not [line for line in requirements.splitlines() if line.split("==")[0] in ("torch", "lepton_nb", "mlflow")]


def test_a_package_whose_tokenizer_is_broken_is_not_imported(made, repack, tmp_path):
    def breaks(files):
        files["tokenizer.json"] = b'{"version": "1.0"}'

    repack(made("Transformer").bento, tmp_path / "broken.zip", breaks)
    ws = Workspace(tmp_path / ".lepton")
    with pytest.raises(PackagingError, match="is not a tokenizer"):
        packaging.import_package(ws, tmp_path / "broken.zip")
    assert not packaging.bentos(ws)
