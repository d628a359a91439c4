"""A linear network over runs of tokens."""

from itertools import pairwise

import pytest
import torch

from lepton_nb import models
from lepton_nb.errors import UsageError


def network(**options):
    """With a weight of its own for each bucket, so that texts of other runs have other answers."""
    torch.manual_seed(0)
    built = models.build("ngrams", (8,), 3, **{"vocabulary": 300, **options}).eval()
    torch.nn.init.normal_(built.network.weights.weight)
    return built


def answers(built, *rows, length=8):
    ids = torch.tensor([[*row, *[0] * (length - len(row))] for row in rows])
    return built(ids)


@pytest.mark.parametrize("longest", [1, 3, 5])
def test_an_answer_is_the_weights_of_the_different_runs_over_the_root_of_how_many_there_are(longest):
    built, text = network(longest=longest), (5, 7, 5, 7, 9)
    runs = {text[place : place + size] for size in range(1, longest + 1) for place in range(len(text) - size + 1)}
    weights = torch.stack([built.network.weights.weight[bucket(run, 2**18)] for run in runs])
    expected = weights.sum(dim=0) / len(runs) ** 0.5
    torch.testing.assert_close(answers(built, text)[0], expected)


def bucket(run, buckets):
    hashed = 0
    for token in run:
        hashed = (hashed * 1_000_000_007 + token) % (2**31 - 1)
    return hashed % buckets


def test_the_order_of_tokens_counts_where_runs_are_longer_than_one():
    for longest, is_same in ((1, True), (2, False)):
        one, other = answers(network(longest=longest), (4, 5, 6), (6, 5, 4))
        assert torch.allclose(one, other) == is_same


def test_neither_padding_nor_other_rows_change_an_answer():
    built, rows = network(), [(1,), (2, 3, 4, 5, 6, 7), (8, 8)]
    together = answers(built, *rows)
    for row, answer in zip(rows, together, strict=True):
        torch.testing.assert_close(answers(built, row, length=len(row))[0], answer)


def test_a_row_without_a_token_is_answered_by_the_bias():
    built = network()
    torch.nn.init.normal_(built.network.bias)
    torch.testing.assert_close(answers(built, ())[0], built.network.bias)


@pytest.mark.parametrize("buckets", [1009, 1_000_003, 2**20])
def test_the_order_of_tokens_counts_with_any_number_of_buckets(buckets):
    built = network(longest=2, buckets=buckets)
    one = answers(built, *((5, 9, token) for token in range(20, 40)))
    other = answers(built, *((5, token, 9) for token in range(20, 40)))
    assert ((one - other).abs().amax(dim=1) > 1e-3).all()


def test_few_buckets_are_shared():
    assert answers(network(buckets=1), (1,), (2,)).diff(dim=0).abs().max() == 0


def test_it_learns_at_the_rate_that_its_steps_are_made_for():
    torch.manual_seed(0)
    built = models.build("ngrams", (8,), 2, vocabulary=300)
    optimizer = built.make_optimizer()
    ids, targets = torch.randint(1, 300, (64, 8)), torch.arange(64) % 2
    ids[:, 3] = 10 + targets
    losses = []
    for _ in range(30):
        losses.append(built.training_step((ids, targets), 0))
        optimizer.zero_grad()
        losses[-1].backward()
        optimizer.step()
    assert all(after <= before for before, after in pairwise(losses[:5]))
    assert losses[-1] < 0.01 < losses[0]


def test_a_run_of_one_text_learns_less_from_a_batch_than_one_of_half_of_them():
    built = models.build("ngrams", (2,), 2, vocabulary=300, longest=1)
    ids = torch.tensor([[5 + row % 2, 100 + row] for row in range(64)])
    built.training_step((ids, torch.arange(64) % 2), 0).backward()
    built.make_optimizer().step()
    frequent, rare = (built.network.weights.weight[bucket([token], 2**18), 0].item() for token in (5, 100))
    assert frequent == pytest.approx(32 * rare)
    assert rare > 0


def test_what_it_cannot_do_is_refused():
    with pytest.raises(UsageError, match="ngrams does not know its vocabulary; next: load the texts with lepton data"):
        models.specify("ngrams", (30,), 2, {}, task="classification")
    with pytest.raises(UsageError, match="ngrams: a vocabulary is one of texts; got rows of numbers; next: leave"):
        models.specify("ngrams", (30,), 2, {"vocabulary": 300}, task="classification", about={"texts": False})
    with pytest.raises(UsageError, match="ngrams cannot do regression; expected data for classification or multilabel"):
        models.specify("ngrams", (30,), 2, {}, task="regression", about={"vocabulary": 300})
    with pytest.raises(UsageError, match="ngrams: vocabulary 0 is not allowed; expected a whole number from 1"):
        models.specify("ngrams", (30,), 2, {"vocabulary": 0}, task="classification", about={"vocabulary": 300})
    with pytest.raises(UsageError, match="ngrams: longest 17 is not allowed; expected a whole number from 1 to 16"):
        models.specify("ngrams", (30,), 2, {"longest": 17}, task="classification", about={"vocabulary": 300})


def test_an_exported_network_takes_any_number_of_rows_of_any_length():
    built = network()
    ids = torch.tensor([[3, 4, 5, 0], [6, 0, 0, 0], [7, 8, 7, 8]])
    shapes = ({0: torch.export.Dim("rows", min=1), 1: torch.export.Dim.AUTO},)
    program = torch.export.export(built.network, (ids,), dynamic_shapes=shapes)
    for rows in (ids, ids[:1], torch.randint(1, 300, (7, 9))):
        torch.testing.assert_close(program.module()(rows), built(rows))
