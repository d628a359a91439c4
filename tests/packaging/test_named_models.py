"""Runs on a notebook's own loaders with several inputs and outputs, and numbers, from training to HTTP."""

from __future__ import annotations

import dataclasses
import io
import json
import shutil

import numpy as np
import pyarrow as pa
import pytest
import torch
from served_nets import close

from lepton_nb import artifact, packaging, serving
from lepton_nb.errors import LeptonError, PackagingError, UsageError
from lepton_nb.monitoring import observe
from lepton_nb.runtime import manifest_of, read_signature
from lepton_nb.workspace import Workspace


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


def test_a_model_with_other_outputs_does_not_take_the_place(made, tmp_path):
    one, other = made("TwoByTwo"), made("Price")
    shutil.copytree(one.bento.path, tmp_path / "renamed")
    renamed = dataclasses.replace(one.bento, path=tmp_path / "renamed")
    signature = read_signature(renamed.model)
    outputs = (dataclasses.replace(signature.outputs[0], name="centre"), *signature.outputs[1:])
    (renamed.model / "signature.json").write_text(json.dumps(dataclasses.replace(signature, outputs=outputs).to_dict()))
    (renamed.model / "manifest.json").write_text(
        json.dumps(manifest_of(renamed.model, run=one.run.id, data="data").to_dict())
    )
    for bento, got in ((renamed, "a tensors with centre, scale"), (other.bento, "a regression with value")):
        with pytest.raises(UsageError, match=f"answers otherwise than deployment .*; got {got}"):
            serving.promote(one.ws, one.deployment.name, bento)
    assert one.predict([{"numbers": [0, 0, 0], "kind": 1}]).json()["version"] == one.bento.tag


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


def test_whoever_asks_for_loaded_data_of_such_a_run_is_told_that_it_has_none(made):
    one = made("Price")
    with pytest.raises(PackagingError, match="not kept in the workspace"):
        artifact.data_of(one.ws, one.run)


def test_options_of_loaders_are_refused_for_loaded_data(trained):
    one = trained("breast_cancer")
    with pytest.raises(LeptonError, match="was trained on loaded data, which says what the model takes"):
        packaging.package(one.ws, one.run, one.data, wanted=artifact.Wanted(task="tensors"))


def test_a_package_of_a_regression_answers_its_golden_batch_where_it_is_imported(made, tmp_path):
    one = made("Price")
    packaging.write_archive(one.bento, tmp_path / "model.zip")
    taken = packaging.import_package(Workspace(tmp_path / ".lepton"), tmp_path / "model.zip")
    assert taken.sha256 == one.bento.sha256
