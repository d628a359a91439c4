import json

import numpy as np
import pandas as pd
import pytest

from lepton_nb.errors import DataError, ServingError
from lepton_nb.serving import predict, predict_bento, serve


@pytest.fixture(scope="module")
def served(served_ws, bento):
    return serve(served_ws, bento)


COLUMNS = {"age": [1.0, None, 3.0], "height": [1, 2, 3], "color": ["red", None, "blue"]}


@pytest.mark.parametrize(
    "inputs",
    [
        [dict(zip(COLUMNS, row, strict=True)) for row in zip(*COLUMNS.values(), strict=True)],
        pd.DataFrame(COLUMNS),
        pd.DataFrame(COLUMNS).convert_dtypes(),
        {"age": np.array([1, np.nan, 3]), "height": np.array([1, 2, 3]), "color": np.array(["red", None, "blue"])},
        {"age": np.array([1, np.nan, 3]), "height": np.array([1, 2, 3]), "color": np.array(["red", "", "blue"])},
    ],
    ids=["rows", "frame", "frame with pandas' NA", "arrays", "arrays with empty text"],
)
def test_a_deployment_and_its_bento_answer_the_same_for_every_kind_of_input(
    served_ws, served, bento, inputs, answer_by_hand
):
    asked, here = predict(served_ws, served, inputs), predict_bento(bento, inputs)
    assert asked.probabilities == here.probabilities
    assert asked.labels == here.labels == ("yes", "no", "no")
    assert np.abs(np.array(here.probabilities)[0] - answer_by_hand(1.0, "red")).max() < 1e-6
    assert here.ids == ()
    assert asked.classes == here.classes == ("no", "yes")


def test_more_rows_than_fit_one_request_come_back_in_order(served_ws, served):
    ages = np.linspace(-3, 3, 1203)
    answer = predict(served_ws, served, {"age": ages, "height": ages, "color": ["blue"] * 1203})
    assert len(set(answer.ids)) == 1203
    # Ids are ordered by time, the probability of the first class rises with the age.
    assert sorted(answer.ids) == list(answer.ids)
    assert np.all(np.diff([row[0] for row in answer.probabilities]) > 0)


def test_a_chunk_too_large_for_one_request_is_parted(served_ws, served):
    texts = ["x" * 100_000] * 120
    answer = predict(served_ws, served, {"age": [0.0] * 120, "height": [0.0] * 120, "color": texts})
    assert len(answer.labels) == 120


def test_a_bad_row_is_named_by_its_place_among_all_rows(served_ws, served, bento):
    rows = [{"age": 1.0, "height": 1.0, "color": "red"} for _ in range(700)]
    rows[612]["age"] = "3"
    for ask in (lambda: predict(served_ws, served, rows), lambda: predict_bento(bento, rows)):
        with pytest.raises(DataError, match=r"^row 612, field 'age': expected a number or null, got \"3\"$"):
            ask()


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ([], "no rows to predict"),
        ({"age": [1], "height": [1, 2], "color": ["red"]}, "the inputs differ in length"),
        (7, "the inputs are not rows; expected a list"),
        (pd.DataFrame([[1, 2, "red"]], columns=["age", "age", "color"]), "column 'age' is there twice"),
        ([{"age": 1, "height": 1}], "row 0: field 'color' is missing"),
        ([{"age": 1, "height": 1, "color": "red", "label": 0}], "row 0: unknown field 'label'"),
        ([{"age": float("inf"), "height": 1, "color": "red"}], "row 0, field 'age': expected a finite number"),
        ([{"age": True, "height": 1, "color": "red"}], "row 0, field 'age': expected a number or null, got true"),
    ],
)
def test_inputs_that_are_not_rows_of_the_model_are_refused(bento, inputs, message):
    with pytest.raises(DataError, match=message):
        predict_bento(bento, inputs)


def test_a_finite_number_that_the_model_cannot_hold_is_named_here_and_over_http(served_ws, served, bento):
    rows = [{"age": 1.0, "height": 1.0, "color": "red"} for _ in range(700)]
    rows[612]["age"] = 1e308
    for ask in (lambda: predict(served_ws, served, rows), lambda: predict_bento(bento, rows)):
        with pytest.raises(DataError, match=r"^row 612, field 'age': too far from the numbers of training"):
            ask()


def test_a_value_that_json_cannot_hold_is_refused(served_ws, served):
    with pytest.raises(DataError, match="a row is not JSON"):
        predict(served_ws, served, [{"age": 1j, "height": 1, "color": "red"}])


def test_predictions_become_a_frame_and_json(bento):
    answer = predict_bento(bento, pd.DataFrame(COLUMNS))
    assert list(answer.frame().columns) == ["label", "no", "yes"]
    assert json.loads(json.dumps(answer.to_json()))["predictions"][0]["label"] == "yes"


def test_a_bento_without_its_model_cannot_be_asked(tmp_path, make_tiny_bento):
    bento = make_tiny_bento(tmp_path / "empty", "empty:v1")
    (bento.model / "signature.json").unlink()
    with pytest.raises(ServingError, match=r"empty:v1 cannot be asked.*signature\.json.*missing"):
        predict_bento(bento, pd.DataFrame(COLUMNS))
