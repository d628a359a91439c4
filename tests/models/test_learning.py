"""What the networks of the zoo share: losses by task, class weights, scales of targets, bins of numbers."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from lepton_nb import models
from lepton_nb.errors import UsageError
from lepton_nb.models.embeddings import Piecewise
from lepton_nb.models.objectives import Objective

ROWS = torch.randn(200, 3, generator=torch.Generator().manual_seed(0))


def test_a_regression_answers_in_the_unit_of_its_targets():
    network = models.build("mlp", (3,), 2, "regression", hidden=[])
    targets = torch.stack([ROWS[:, 0] * 1000 + 5000, ROWS[:, 1] / 100], dim=1)
    assert network.needs_rows
    network.learn_from(ROWS, targets)
    answers = network.eval()(ROWS)
    loss = network.objective.loss(network.network(ROWS), targets, training=True)
    scaled = (answers - targets) / targets.std(0, unbiased=False)
    assert loss.item() == pytest.approx(scaled.square().mean().item(), rel=1e-3)
    assert {"objective.mean", "objective.deviation"} <= set(network.state_dict())
    told = Objective.told(network.objective.sums(network.network(ROWS), targets))
    assert told["val_rmse"].item() == pytest.approx((answers - targets).square().mean().sqrt().item(), rel=1e-3)


@pytest.mark.parametrize(("loss", "function"), [("huber", functional.huber_loss), ("mae", functional.l1_loss)])
def test_other_losses_of_numbers_can_be_chosen(loss, function):
    network = models.build("mlp", (3,), 1, "regression", loss=loss)
    scores, targets = ROWS[:, :1], ROWS[:, 1:2]
    assert network.objective.loss(scores, targets, training=True) == function(scores, targets)


def test_balanced_classes_weigh_as_much_as_each_other():
    network = models.build("mlp", (3,), 2, class_weights="balanced")
    targets = (torch.arange(200) < 20).long()
    network.learn_from(ROWS, targets)
    assert network.objective.weights.tolist() == pytest.approx([200 / 360, 5.0])
    given = models.build("mlp", (3,), 2, class_weights=[1, 3])
    scores = ROWS[:, :2]
    expected = functional.cross_entropy(scores, targets, torch.tensor([1.0, 3.0]), reduction="none").mean()
    assert given.objective.loss(scores, targets, training=False).item() == pytest.approx(expected.item())


def test_labels_are_scored_as_scikit_learn_does():
    from sklearn.metrics import f1_score

    network = models.build("mlp", (3,), 3, "multilabel", class_weights="balanced")
    targets = (ROWS.roll(1, 0) > 0.5).float()
    network.learn_from(ROWS, targets)
    held = targets.sum(0)
    assert network.objective.weights.tolist() == pytest.approx(((200 - held) / held).tolist())
    told = Objective.told(network.objective.sums(ROWS, targets))
    assert told["val_f1"].item() == pytest.approx(f1_score(targets.numpy(), ROWS.numpy() > 0, average="micro"))


def test_a_label_that_always_or_never_holds_is_learned_as_well():
    network = models.build("mlp", (3,), 3, "multilabel", class_weights="balanced")
    targets = torch.tensor([[1.0, 0.0, 1.0], [1.0, 0.0, 0.0], [1.0, 0.0, 0.0], [1.0, 0.0, 0.0]])
    network.learn_from(torch.zeros(4, 3), targets)
    assert network.objective.weights.tolist() == [0.25, 4.0, 3.0]
    scores = torch.zeros(4, 3, requires_grad=True)
    network.objective.loss(scores, targets, training=True).backward()
    assert (scores.grad.abs().sum(dim=0) > 0).all()


def test_the_bins_of_a_number_follow_the_rows_and_leave_rare_values_theirs():
    mostly = torch.zeros(1000, 1)
    mostly[:100, 0] = torch.arange(100) + 1.0
    bins = Piecewise(1, 4, 16)
    bins.learn_from(mostly, torch.zeros(1000))
    edges = bins.left[0][bins.scale[0] > 0]
    assert len(edges) >= 12
    assert (edges.diff() > 0).all()
    # What training saw at most is the end of the last bin; beyond it the number still counts.
    far = bins(torch.tensor([[50.0], [100.0], [1000.0]]))
    assert torch.isfinite(far).all()


@pytest.mark.parametrize(
    ("task", "options", "message"),
    [
        (
            "regression",
            {"class_weights": "balanced"},
            "class_weights is not for regression; expected a task of classif",
        ),
        ("classification", {"loss": "huber"}, "loss is not for classification"),
        ("multilabel", {"label_smoothing": 0.1}, "label_smoothing is not for multilabel"),
        ("classification", {"class_weights": [1, 2, 3]}, "3 class weights; expected 2, one for each class"),
        ("classification", {"class_weights": [1, -2]}, "class_weights .* is not allowed; expected balanced, or a list"),
        ("classification", {"embedding": "fourier"}, "'fourier' is not allowed; expected one of none, linear"),
        ("classification", {"embedding": "linear", "categories": [9]}, "categories of 9 values in rows of 3"),
    ],
)
def test_what_a_task_cannot_do_is_told(task, options, message):
    with pytest.raises(UsageError, match=message):
        models.build("mlp", (3,), 2, task, **options)


def test_values_that_are_missing_everywhere_are_no_category():
    network = models.build("tab_transformer", (5,), 2, categories=[2, 1], size=8, heads=2).eval()
    rows = torch.tensor(np.eye(5, dtype=np.float32))
    assert network(rows).shape == (5, 2)
    with pytest.raises(UsageError, match="size 8 is no multiple of heads 3"):
        models.build("tab_transformer", (5,), 2, size=8, heads=3)
