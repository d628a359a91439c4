import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lepton_nb.runtime import Input, RequestError, Signature
from lepton_nb.runtime.rows import arrays_of, decode_rows
from lepton_nb.runtime.texts import plain_text

TABLE = Signature("classification", ("a", "b"), (Input("x", "number"), Input("c", "category")))
IMAGE = Signature("classification", ("a", "b"), (Input("input", "array", (1, 2, 2)),))


def read(text: str, signature: Signature = TABLE) -> dict[str, np.ndarray]:
    return arrays_of(decode_rows(text.encode()), signature)


def refusal(text: str, signature: Signature = TABLE) -> RequestError:
    with pytest.raises(RequestError) as caught:
        read(text, signature)
    return caught.value


def test_null_is_a_missing_value_and_an_unseen_category_is_let_through():
    arrays = read('{"rows": [{"x": 1, "c": null}, {"x": null, "c": "never seen"}]}')
    assert arrays["x"].dtype == np.float64
    assert arrays["x"][0] == 1
    assert np.isnan(arrays["x"][1])
    assert arrays["c"].tolist() == ["", "never seen"]


def test_nested_lists_become_a_float32_array():
    arrays = read('{"rows": [{"input": [[[1, 2], [3, 4.5]]]}, {"input": [[[0, 0], [0, 0]]]}]}', IMAGE)
    assert arrays["input"].dtype == np.float32
    assert arrays["input"].shape == (2, 1, 2, 2)
    assert arrays["input"][0, 0, 1, 1] == 4.5


def test_the_text_of_a_category_is_read_as_at_loading_unless_the_model_knows_it_as_it_stands():
    rows = '{"rows": [{"x": 1, "c": " red "}, {"x": 1, "c": "N/A"}, {"x": 1, "c": "TRUE"}, {"x": 1, "c": "true"}]}'
    assert read(rows)["c"].tolist() == ["red", "", "True", "True"]
    known = Signature("classification", ("a", "b"), (Input("x", "number"), Input("c", "category", (), ("true", "N/A"))))
    assert read(rows, known)["c"].tolist() == ["red", "N/A", "True", "true"]


def test_a_truth_value_is_a_category_of_a_column_of_truth_values_alone():
    def signature(*categories: str) -> Signature:
        return Signature("classification", ("a", "b"), (Input("c", "category", (), categories),))

    rows = '{"rows": [{"c": true}, {"c": false}, {"c": null}, {"c": "true"}]}'
    assert read(rows, signature("False", "True"))["c"].tolist() == ["True", "False", "", "True"]
    assert read(rows, signature("True"))["c"].tolist() == ["True", "False", "", "True"]
    message = "row 0, field 'c': expected text, true, false or null, got 1"
    assert refusal('{"rows": [{"c": 1}]}', signature("True")).message == message
    for other in (signature(), signature("True", "maybe")):
        assert refusal(rows, other).message == "row 0, field 'c': expected text or null, got true"


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ('{"x": "3", "c": "a"}', "row 1, field 'x': expected a number or null, got \"3\""),
        ('{"x": true, "c": "a"}', "row 1, field 'x': expected a number or null, got true"),
        ('{"x": [1], "c": "a"}', "row 1, field 'x': expected a number or null, got a list of 1"),
        ('{"x": {}, "c": "a"}', "row 1, field 'x': expected a number or null, got an object"),
        ('{"x": 1, "c": 3}', "row 1, field 'c': expected text or null, got 3"),
        ('{"x": 1}', "row 1: field 'c' is missing, expected c, x"),
        ('{"x": 1, "c": "a", "y": 1}', "row 1: unknown field 'y', expected c, x"),
        ("3", "row 1: expected an object, got 3"),
    ],
)
def test_a_bad_row_is_refused_by_number_and_field(row, message):
    fault = refusal(f'{{"rows": [{{"x": 1, "c": "a"}}, {row}]}}')
    assert (fault.status, fault.code, fault.row) == (422, "invalid_row", 1)
    assert fault.message == message


@pytest.mark.parametrize(
    ("number", "shown"),
    [("NaN", "NaN"), ("-Infinity", "-Infinity"), ("1e999", "Infinity"), ("1" + "0" * 400, "Infinity")],
)
def test_a_number_that_is_none_is_refused_by_number_and_field(number, shown):
    fault = refusal(f'{{"rows": [{{"x": 1, "c": "a"}}, {{"x": {number}, "c": "a"}}]}}')
    assert (fault.status, fault.code, fault.row) == (400, "not_finite", 1)
    assert fault.message == f"row 1, field 'x': expected a finite number or null, got {shown}"


def test_a_category_that_is_not_known_is_refused_where_the_signature_says_so():
    closed = Signature("classification", ("a", "b"), (Input("c", "category", (), ("a", "True"), unknown="refused"),))
    assert arrays_of([{"c": "a"}, {"c": None}, {"c": "true"}], closed)["c"].tolist() == ["a", "", "True"]
    fault = refusal('{"rows": [{"c": "a"}, {"c": "z"}]}', closed)
    assert (fault.status, fault.row) == (422, 1)
    assert fault.message == "row 1, field 'c': expected one of a, True, got \"z\""


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("[[1, 2], [3, 4]]", "expected nested lists of shape [1, 2, 2], got a list of 2"),
        ("[[[1, 2], [3]]]", "expected nested lists of shape [1, 2, 2], got a list of 1"),
        ("[[[1, 2], 3]]", "expected nested lists of shape [1, 2, 2], got 3"),
        ("null", "expected nested lists of shape [1, 2, 2], got null"),
        ('[[[1, "2"], [3, 4]]]', 'expected nested lists of shape [1, 2, 2] of numbers, got "2"'),
        ("[[[1, true], [3, 4]]]", "expected nested lists of shape [1, 2, 2] of numbers, got true"),
        ("[[[1, null], [3, 4]]]", "expected nested lists of shape [1, 2, 2] of numbers, got null"),
        ("[[[1, NaN], [3, 4]]]", "expected finite float32 numbers"),
        ("[[[1, 1e300], [3, 4]]]", "expected finite float32 numbers"),
    ],
)
def test_a_bad_array_is_refused_by_row_and_field(value, message):
    fault = refusal(f'{{"rows": [{{"input": [[[0, 0], [0, 0]]]}}, {{"input": {value}}}]}}', IMAGE)
    assert fault.row == 1
    assert fault.message == f"row 1, field 'input': {message}"


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ("", 400, "invalid_json"),
        ("{", 400, "invalid_json"),
        ("[" * 100_000, 400, "invalid_json"),
        ('{"rows": [{"c": "NaN', 400, "invalid_json"),
        ('{"rows": [{"x": 1, "c": "\\ud800 NaN"}]}', 400, "invalid_json"),
        ("[]", 422, "invalid_body"),
        ('{"rows": {}}', 422, "invalid_body"),
        ('{"rows": []}', 422, "invalid_body"),
        ('{"rows": NaN}', 422, "invalid_body"),
        ('{"rows": 1e999, "rows": [{"c": "\\ud800"}]}', 400, "invalid_json"),
        ('{"rows": [{"x": 1, "c": "a"}], "more": 1}', 422, "invalid_body"),
        ('{"rows": [' + "[" * 900 + "]" * 900 + "]}", 422, "invalid_row"),
    ],
)
def test_a_body_that_is_no_list_of_rows_is_refused(body, status, code):
    fault = refusal(body)
    assert (fault.status, fault.code) == (status, code)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(st.fixed_dictionaries({"x": JSON, "c": JSON}))
def test_any_row_gives_arrays_of_the_right_types_or_a_refusal_of_that_row(row):
    body = json.dumps({"rows": [{"x": 0, "c": ""}, row]}).encode()
    try:
        arrays = arrays_of(decode_rows(body), TABLE)
    except RequestError as caught:
        fault = caught
    else:
        assert row["x"] is None or float(row["x"]) == arrays["x"][1]
        assert plain_text(row["c"] or "") == arrays["c"][1]
        return
    assert fault.status in (400, 422)
    assert fault.row in (1, None)
