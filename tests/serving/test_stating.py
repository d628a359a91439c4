"""A signature says more than what training saw."""

import json

import pytest

from lepton_nb.artifact.golden import check_golden
from lepton_nb.errors import UsageError
from lepton_nb.packaging.stating import stated
from lepton_nb.runtime import RequestError, manifest_of, read_object, read_signature, verify_manifest
from lepton_nb.runtime.rows import arrays_of

# What the tiny model answers: the softmax of [age, 2 where the color is red].
RED, OTHER = [0.2689414, 0.7310586], [0.7310586, 0.2689414]


def test_closed_columns_refuse_what_training_did_not_see_and_units_are_told(make_tiny_bento, tmp_path):
    model = make_tiny_bento(tmp_path / "bento", "tiny:v1").model
    rows = [{"age": 1.0, "height": 2.0, "color": color} for color in ("red", "green", None)]
    golden = {
        "format": 1,
        "rows": rows,
        "probabilities": [RED, OTHER, OTHER],
    }
    (model / "golden.json").write_text(json.dumps(golden))
    (model / "manifest.json").unlink()
    (model / "manifest.json").write_text(json.dumps(manifest_of(model, run="r", data="d").to_dict()))
    before = {path.name: path.read_bytes() for path in model.iterdir()}
    folder = stated(model, tmp_path / "stated", ["color"], {"age": "years"})
    assert {path.name: path.read_bytes() for path in model.iterdir()} == before
    verify_manifest(folder)
    signature = read_signature(folder)
    assert [(one.name, one.unknown, one.unit) for one in signature.inputs] == [
        ("age", "answered", "years"),
        ("height", "answered", ""),
        ("color", "refused", ""),
    ]
    with pytest.raises(RequestError, match="row 0, field 'color': expected one of blue, red, got \"green\""):
        arrays_of([rows[1]], signature)
    assert [row["color"] for row in read_object(folder / "golden.json")["rows"]] == ["red", None]
    assert check_golden(folder) < 1e-5


def test_the_answers_of_rows_that_are_refused_go_with_them_whatever_their_names(make_tiny_bento, tmp_path):
    model = make_tiny_bento(tmp_path / "bento", "tiny:v1").model
    rows = [{"age": 1.0, "height": 2.0, "color": color} for color in ("red", "green", None)]
    golden = {"format": 1, "rows": rows, "outputs": {"value": [1.0, 2.0, 3.0], "quantiles": [[1, 2], [3, 4], [5, 6]]}}
    (model / "golden.json").write_text(json.dumps(golden))
    (model / "manifest.json").unlink()
    (model / "manifest.json").write_text(json.dumps(manifest_of(model, run="r", data="d").to_dict()))
    kept = read_object(stated(model, tmp_path / "stated", ["color"], {}) / "golden.json")
    assert [row["color"] for row in kept["rows"]] == ["red", None]
    assert kept["outputs"] == {"value": [1.0, 3.0], "quantiles": [[1, 2], [5, 6]]}


@pytest.mark.parametrize(
    ("closed", "units"), [(["colour"], {}), (["age"], {}), ([], {"color": "nm"}), ([], {"x": "y"})]
)
def test_a_column_that_is_not_there_or_of_another_kind_is_refused(make_tiny_bento, tmp_path, closed, units):
    model = make_tiny_bento(tmp_path / "bento", "tiny:v1").model
    with pytest.raises(UsageError, match="column of the model"):
        stated(model, tmp_path / "stated", closed, units)
    assert not (tmp_path / "stated").exists()
