import math

import numpy as np
import pytest
import torch
from sklearn.metrics import confusion_matrix, f1_score, log_loss, roc_auc_score, top_k_accuracy_score
from torchmetrics.functional.classification import multiclass_calibration_error

from lepton_nb.scores import calibration_error, classification_scores, confusion


def draw(rows, classes, seed):
    rng = np.random.default_rng(seed)
    probabilities = rng.dirichlet(np.full(classes, 0.7), rows)
    guided = rng.random(rows) < 0.6
    targets = np.where(guided, probabilities.argmax(axis=1), rng.integers(0, classes, rows))
    return probabilities, targets


@pytest.mark.parametrize("classes", [2, 3, 10])
@pytest.mark.parametrize("seed", [0, 1])
def test_scores_equal_those_of_the_reference_libraries(classes, seed):
    p, y = draw(400, classes, seed)
    scores = classification_scores(p, y)
    guess = p.argmax(axis=1)
    curve = roc_auc_score(y, p[:, 1]) if classes == 2 else roc_auc_score(y, p, multi_class="ovr")
    error = multiclass_calibration_error(torch.tensor(p), torch.tensor(y), classes, n_bins=15, norm="l1")
    assert scores == pytest.approx(
        {
            "accuracy": (guess == y).mean(),
            "f1": f1_score(y, guess, average="macro"),
            "roc_auc": curve,
            "log_loss": log_loss(y, p, labels=list(range(classes))),
            "calibration_error": float(error),
        },
        abs=1e-6,
    )
    assert confusion(guess, y, classes).tolist() == confusion_matrix(y, guess, labels=range(classes)).tolist()
    assert confusion(p, y, classes).tolist() == confusion(guess, y, classes).tolist()


def test_of_many_classes_it_is_told_how_often_the_right_one_is_among_the_first_ten():
    p, y = draw(400, 30, 3)
    scores = classification_scores(p, y)
    assert scores["recall_at_10"] == pytest.approx(top_k_accuracy_score(y, p, k=10, labels=list(range(30))))
    assert scores["recall_at_10"] > scores["accuracy"]
    # Equal ones are taken from the front, and no class is among the first because all are.
    assert classification_scores(np.full((12, 12), 1 / 12), np.arange(12))["recall_at_10"] == pytest.approx(10 / 12)


def test_a_class_without_rows_is_left_out_of_the_area_under_the_curve():
    p, y = draw(300, 3, 2)
    kept = y != 2
    expected = np.mean([roc_auc_score(y[kept] == c, p[kept, c]) for c in (0, 1)])
    assert classification_scores(p[kept], y[kept])["roc_auc"] == pytest.approx(expected)


def test_one_class_alone_has_no_area_under_the_curve():
    scores = classification_scores([[0.9, 0.1], [0.8, 0.2]], [0, 0])
    assert math.isnan(scores["roc_auc"])
    assert scores["accuracy"] == 1.0


def test_a_probability_of_zero_for_the_true_class_costs_a_finite_loss():
    assert 30 < classification_scores(np.float32([[1, 0], [0, 1]]), [1, 1])["log_loss"] * 2 < 40


def test_a_perfect_model_scores_perfectly():
    scores = classification_scores(np.eye(4), np.arange(4))
    assert scores == pytest.approx(
        {"accuracy": 1, "f1": 1, "roc_auc": 1, "log_loss": 0, "calibration_error": 0}, abs=1e-12
    )


def test_overconfidence_is_a_calibration_error():
    assert calibration_error([[0.9, 0.1]] * 10, [0] * 5 + [1] * 5) == pytest.approx(0.4)


@pytest.mark.parametrize(
    ("p", "y"), [([[0.5, 0.5]], [0, 1]), ([[0.5, 0.5]], [2]), (np.empty((0, 2)), []), ([0.5], [0])]
)
def test_shapes_that_do_not_fit_are_refused(p, y):
    with pytest.raises(ValueError, match=r"targets|probabilities"):
        classification_scores(p, y)
