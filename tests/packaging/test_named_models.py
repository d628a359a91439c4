"""Runs on a notebook's own loaders: texts, several inputs and outputs, and numbers, from training to HTTP."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pyarrow as pa
import pytest
import tensor_nets
import torch

from lepton_nb import artifact, packaging, serving, training
from lepton_nb.errors import InexpressibleError, LeptonError, PackagingError, UsageError
from lepton_nb.models import load_trained
from lepton_nb.monitoring import observe
from lepton_nb.processes import free_port
from lepton_nb.records import Bento, Run
from lepton_nb.runtime.model import Model
from lepton_nb.training import Fit
from lepton_nb.workspace import Workspace

TEXTS = ["The film was GOOD", "dull", "a very bad story of very poor actors and it was not a very good plot at all, no"]


@dataclass(frozen=True)
class Made:
    """A run that was packaged and is served."""

    ws: Workspace
    run: Run
    bento: Bento
    deployment: Any
    folder: Path

    @property
    def signature(self) -> Any:
        return Model.load(self.bento.model).signature

    def post(self, path: str, **given: Any) -> httpx.Response:
        token = self.deployment.token_file.read_text().strip()
        headers = {"authorization": f"Bearer {token}", **given.pop("headers", {})}
        return httpx.post(self.deployment.url + path, headers=headers, trust_env=False, timeout=60, **given)

    def predict(self, rows: list[dict[str, Any]]) -> httpx.Response:
        return self.post("/predict", json={"rows": rows})

    def told(self, **inputs: torch.Tensor) -> Any:
        with torch.no_grad():
            return load_trained(self.run.path)(**inputs)

    def ids(self, texts: list[str], width: int | None = None) -> torch.Tensor:
        """The texts as the training had them."""
        made = tensor_nets.tokenizer(self.folder / "again.json")
        made.enable_truncation(tensor_nets.LENGTH)
        made.enable_padding(pad_id=0, pad_token="[PAD]", length=width)
        return torch.tensor([one.ids for one in made.encode_batch(texts)])


@pytest.fixture(scope="module")
def made(tmp_path_factory, monkeypatch_module):
    """Trains, packages and serves a network by its name, once each."""
    started: list[Made] = []

    @cache
    def make(name: str) -> Made:
        folder = tmp_path_factory.mktemp(name)
        ws = Workspace(folder / ".lepton")
        run = training.train(ws, getattr(tensor_nets, name), tensor_nets.loaders(name, folder), Fit(3, 4, 0, 0))
        text = name in ("Lstm", "Transformer")
        wanted = artifact.Wanted(
            classes=("no", "yes") if text else (), tokenizer=folder / "tokenizer.json" if text else None
        )
        bento = packaging.package(ws, run, artifact.examples_of(run), name=name.lower(), wanted=wanted)
        deployment = serving.serve(ws, bento, port=free_port())
        started.append(Made(ws, run, bento, deployment, folder))
        return started[-1]

    yield make
    for one in started:
        serving.stop(one.ws, one.deployment.name)


@pytest.fixture(scope="module")
def monkeypatch_module():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
        yield patch


def close(found: Any, expected: Any) -> None:
    theirs = np.asarray(expected, np.float64)
    assert (np.abs(np.asarray(found, np.float64) - theirs) <= 1e-4 * np.maximum(1, np.abs(theirs))).all()


def probabilities(answer: httpx.Response) -> list[list[float]]:
    assert answer.status_code == 200, answer.text
    return [one["probabilities"] for one in answer.json()["predictions"]]


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


def test_two_inputs_and_two_outputs_are_answered_as_in_torch(made):
    one = made("TwoByTwo")
    assert one.signature.task == "tensors"
    assert [(put.name, put.dtype, put.shape) for put in one.signature.inputs] == [
        ("numbers", "float32", (3,)),
        ("kind", "int64", ()),
    ]
    numbers, kinds = torch.randn(5, 3), torch.tensor([0, 1, 2, 3, 1])
    expected = one.told(numbers=numbers, kind=kinds)
    rows = [{"kind": int(kind), "numbers": row.tolist()} for row, kind in zip(numbers, kinds, strict=True)]
    answer = one.predict(rows)
    assert answer.status_code == 200, answer.text
    outputs = [row["outputs"] for row in answer.json()["predictions"]]
    close([row["mean"] for row in outputs], expected["mean"])
    close([row["scale"] for row in outputs], expected["scale"])
    body = {
        "inputs": [
            {"name": "numbers", "shape": [5, 3], "datatype": "FP32", "data": numbers.flatten().tolist()},
            {"name": "kind", "shape": [5], "datatype": "INT64", "data": kinds.tolist()},
        ],
        "outputs": [{"name": "scale"}],
    }
    (told,) = one.post("/v2/models/twobytwo/infer", json=body).json()["outputs"]
    assert (told["name"], told["shape"]) == ("scale", [5])
    close(told["data"], expected["scale"])


def test_named_outputs_are_in_the_log_and_watched(made):
    one = made("TwoByTwo")
    assert one.predict([{"numbers": [0, 0, 0], "kind": 1}]).status_code == 200
    lines = [json.loads(line) for path in one.deployment.path.glob("log-*") for line in path.read_text().splitlines()]
    answered = [line for line in lines if "outputs" in line]
    assert answered
    assert all(set(line["outputs"]) == {"mean", "scale"} for line in answered)
    observed = observe(one.ws, one.deployment.name)
    assert observed.broken == 0
    assert observed.since(None).rows >= len(answered)


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ({"numbers": [1, 2], "kind": 0}, "field 'numbers': expected nested lists of shape [3]"),
        ({"numbers": [1, 2, "3"], "kind": 0}, "field 'numbers': expected nested lists of shape [3] of numbers"),
        ({"numbers": [1, 2, 3], "kind": 1.5}, "field 'kind': expected whole numbers, got 1.5"),
        ({"numbers": [1, 2, 3], "kind": True}, "field 'kind': expected whole numbers, got true"),
        ({"numbers": [1, 2, 3], "kind": 4}, "field 'kind': expected whole numbers from 0 to 3"),
        ({"numbers": [1, 2, 3]}, "field 'kind' is missing"),
        ({"numbers": [1, 2, 3], "kind": 2**70}, "field 'kind'"),
    ],
)
def test_a_field_of_the_wrong_kind_is_refused_by_its_name(made, row, why):
    answer = made("TwoByTwo").predict([row])
    assert answer.status_code == 422, answer.text
    assert why in answer.json()["error"]["message"]


def test_a_label_of_tensors_is_refused_and_a_number_is_one_of_a_regression(made):
    tensors, price = made("TwoByTwo"), made("Price")
    row = tensors.predict([{"numbers": [0, 0, 0], "kind": 1}]).json()["predictions"][0]
    refused = tensors.post("/feedback", json={"id": row["id"], "label": 1.0})
    assert refused.status_code == 422
    assert "tensors" in refused.json()["error"]["message"]
    row = price.predict([{"features": [0, 0, 0]}]).json()["predictions"][0]
    assert price.post("/feedback", json={"id": row["id"], "label": 1.5}).status_code == 202
    wrong = price.post("/feedback", json={"id": row["id"], "label": "much"})
    assert wrong.status_code == 422
    assert "a finite number" in wrong.json()["error"]["message"]


def test_a_regression_is_answered_in_every_form(made):
    one = made("Price")
    assert (one.signature.task, [put.shape for put in one.signature.outputs]) == ("regression", [()])
    rows = torch.randn(6, 3)
    expected = one.told(features=rows)[:, 0]
    found = one.predict([{"features": row.tolist()} for row in rows])
    close([row["outputs"]["value"] for row in found.json()["predictions"]], expected)
    sink = io.BytesIO()
    np.save(sink, rows.numpy())
    bulk = one.post("/predict", content=sink.getvalue(), headers={"content-type": "application/x-npy"})
    assert bulk.status_code == 200, bulk.text
    close(np.load(io.BytesIO(bulk.content)), expected)
    answers = serving.predict(one.ws, one.deployment, {"features": rows.numpy()})
    close([row["value"] for row in answers.outputs], expected)
    assert list(answers.frame().columns) == ["id", "value"]
    assert "value" in str(answers.table())
    docs = one.post("/predict", json={"rows": []})
    assert docs.status_code == 422
    assert observe(one.ws, one.deployment.name).since(None).models[one.bento.tag].answers.sum() >= 12


def test_files_of_rows_are_answered_with_a_column_for_each_output(made, tmp_path):
    one = made("TwoByTwo")
    table = pa.table({"numbers": [[0.0, 1.0, 2.0], [1.0, 1.0, 1.0]], "kind": [0, 3]})
    import pyarrow.parquet as pq

    pq.write_table(table, tmp_path / "in.parquet")
    serving.score(one.bento, tmp_path / "in.parquet", tmp_path / "out.parquet")
    found = pq.read_table(tmp_path / "out.parquet")
    expected = one.told(numbers=torch.tensor(table["numbers"].to_pylist()), kind=torch.tensor([0, 3]))
    close(found["mean"].to_pylist(), expected["mean"])
    close(found["scale"].to_pylist(), expected["scale"])


def test_what_says_what_a_model_is_must_fit(made):
    one, text = made("TwoByTwo"), made("Lstm")
    examples = artifact.examples_of(one.run)
    with pytest.raises(PackagingError, match=r"does not answer as a classification; expected one output"):
        packaging.package(one.ws, one.run, examples, wanted=artifact.Wanted(task="classification"))
    with pytest.raises(UsageError, match=r"--task 'magic' is not known; expected one of classification"):
        artifact.Wanted(task="magic")
    with pytest.raises(PackagingError, match=r"tells 2 classes apart; expected a name for each; got 3"):
        packaging.package(
            text.ws, text.run, artifact.examples_of(text.run), wanted=artifact.Wanted(classes=("a", "b", "c"))
        )


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


def test_evaluate_and_export_say_why_they_need_loaded_data(made):
    one = made("Price")
    with pytest.raises(PackagingError, match="not kept in the workspace"):
        artifact.data_of(one.ws, one.run)


def test_a_network_that_onnx_cannot_express_is_refused_with_its_line(tmp_path):
    ws = Workspace(tmp_path / ".lepton")
    run = training.train(ws, tensor_nets.Choosy, tensor_nets.loaders("Price", tmp_path), Fit(1, 16, 0, 0))
    with pytest.raises(InexpressibleError, match="another path for other values") as refused:
        packaging.package(ws, run, artifact.examples_of(run))
    assert "--allow-code" not in str(refused.value)
    with pytest.raises(InexpressibleError, match="the source of a network on loaders of its own is not packaged"):
        packaging.package(ws, run, artifact.examples_of(run), allow_code=True)


def test_options_of_loaders_are_refused_for_loaded_data(trained):
    one = trained("breast_cancer")
    with pytest.raises(LeptonError, match="was trained on loaded data, which says what the model takes"):
        packaging.package(one.ws, one.run, one.data, wanted=artifact.Wanted(task="tensors"))


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
