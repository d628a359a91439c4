"""A Bento says what it is made of, and carries rows with the answers that belong to them."""

from __future__ import annotations

import json
from importlib import metadata

import numpy as np
import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from lepton_nb.artifact.golden import check_answers, check_golden, golden_of
from lepton_nb.artifact.reference import signature_of
from lepton_nb.data import load, read
from lepton_nb.errors import PackagingError
from lepton_nb.runtime import Input, Signature, verify_manifest
from lepton_nb.runtime.rows import arrays_of
from lepton_nb.workspace import Workspace, file_sha256


def bill(bento):
    return json.loads((bento.model / "sbom.json").read_text())


def test_the_bill_of_materials_is_cyclonedx_by_its_own_schema(packaged):
    text = (packaged("breast_cancer").model / "sbom.json").read_text()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None


def test_the_bill_lists_every_pin_with_its_package_url_and_the_model_with_its_hash(packaged):
    bento = packaged("breast_cancer")
    parts = {one["name"]: one for one in bill(bento)["components"]}
    lines = (bento.path / "env" / "python" / "requirements.txt").read_text().splitlines()
    pins = dict(line.split("==") for line in lines)
    assert {name: parts[name]["version"] for name in pins} == pins
    assert parts["onnxruntime"]["purl"] == f"pkg:pypi/onnxruntime@{metadata.version('onnxruntime')}"
    assert parts["model.onnx"]["hashes"] == [{"alg": "SHA-256", "content": file_sha256(bento.model / "model.onnx")}]
    assert parts["model.onnx"]["type"] == "machine-learning-model"
    assert bill(bento)["metadata"]["component"]["bom-ref"] == bento.tag
    assert set(parts) == {*pins, "model.onnx"}


def test_the_bill_knows_the_licences_that_distributions_state(packaged):
    parts = {one["name"]: one for one in bill(packaged("breast_cancer"))["components"]}
    assert parts["starlette"]["licenses"] == [{"expression": "BSD-3-Clause"}] or "license" in str(parts["starlette"])
    known = [name for name, one in parts.items() if one.get("licenses")]
    assert len(known) > len(parts) * 0.9


@pytest.mark.parametrize("name", ["breast_cancer", "digits"])
def test_the_golden_batch_is_of_held_out_rows_and_is_answered_as_the_network_answers(name, trained, packaged):
    one, bento = trained(name), packaged(name)
    assert {"golden.json", "sbom.json"} <= set(verify_manifest(bento.model).files)
    golden = json.loads((bento.model / "golden.json").read_text())
    assert golden["part"] == "validation"
    assert len(golden["rows"]) == len(golden["probabilities"]) == 16
    held_out = read(one.data, "validation")[0]
    asked = arrays_of(golden["rows"], signature_of(one.data))
    for column, values in asked.items():
        np.testing.assert_array_equal(values, held_out[column][:16])
    assert check_golden(bento.model) <= 1e-5


def test_gaps_and_categories_survive_the_way_through_json(tmp_path):
    import pandas as pd

    frame = pd.DataFrame({"n": [1.5, None, 3.0, 4.0] * 10, "c": ["a", "b", None, "a"] * 10, "y": ["u", "v"] * 20})
    data = load(Workspace(tmp_path / ".lepton"), frame, target="y")
    inputs = read(data, "train")[0]
    golden = json.loads(json.dumps(golden_of(signature_of(data), inputs, np.full((len(inputs["n"]), 2), 0.5))))
    asked = arrays_of(golden["rows"], signature_of(data))
    np.testing.assert_array_equal(asked["n"], inputs["n"][:16])
    assert asked["c"].tolist() == ["" if value is None else value for value in inputs["c"][:16]]


def test_rows_that_the_model_refuses_are_passed_over():
    one = Input("c", "category", categories=("a", "b"), unknown="refused")
    signature = Signature("classification", ("x", "y"), (one,))
    column = np.array(["a", "new", "", "b"], dtype=object)
    golden = golden_of(signature, {"c": column}, np.array([[0.1, 0.9], [0.2, 0.8], [0.3, 0.7], [0.4, 0.6]]))
    assert [row["c"] for row in golden["rows"]] == ["a", None, "b"]
    assert [row[0] for row in golden["probabilities"]] == [0.1, 0.3, 0.4]
    assert arrays_of(golden["rows"], signature)["c"].tolist() == ["a", "", "b"]


def test_large_pictures_make_a_small_golden_batch():
    signature = Signature("classification", ("a", "b"), (Input("input", "array", (3, 100, 100)),))
    golden = golden_of(signature, {"input": np.zeros((20, 3, 100, 100), np.float32)}, np.full((20, 2), 0.5))
    assert len(golden["rows"]) == 2


def test_other_answers_are_told_with_how_many_and_how_much():
    golden = {"probabilities": [[0.5, 0.5], [0.25, 0.75]]}
    right = np.array(golden["probabilities"], np.float32)
    assert check_answers(right, golden) == 0.0
    with pytest.raises(PackagingError, match=r"differences up to 0\.0001; got 0\.1 on 1 of 2 rows"):
        check_answers(right + np.array([[0, 0], [0.1, -0.1]], np.float32), golden)
    with pytest.raises(PackagingError, match="1 of 2"):
        check_answers(np.array([[0.5, 0.5], [np.nan, 1]], np.float32), golden)
    for broken in ({}, {"probabilities": []}, {"probabilities": "x"}, {"probabilities": [[0.5]]}):
        with pytest.raises(PackagingError, match="golden batch"):
            check_answers(right, broken)
