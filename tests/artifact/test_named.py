"""Which inputs are rows of embeddings, and when answers agree."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from lepton_nb.artifact.assembly import check_parity
from lepton_nb.artifact.golden import check_answers, golden_of, is_close
from lepton_nb.artifact.named import embeddings
from lepton_nb.errors import PackagingError
from lepton_nb.runtime import Input, Output, RequestError, Signature
from lepton_nb.runtime.rows import checked_array
from lepton_nb.runtime.schemas import example, schema


class Net(nn.Module):
    def __init__(self, forward) -> None:
        super().__init__()
        self.small, self.large, self._forward = nn.Embedding(5, 2, padding_idx=1), nn.Embedding(7, 2), forward

    def forward(self, kinds):
        return self._forward(self, kinds)


@pytest.mark.parametrize(
    ("forward", "rows"),
    [
        (lambda one, kinds: one.small(kinds), 5),
        (lambda one, kinds: one.small(kinds[:, 0]) + one.large(kinds[:, 1]), 7),
        (lambda one, kinds: one.small(kinds) + one.large(kinds), 5),
        (lambda one, kinds: one.large(kinds) + one.small(kinds), 5),
        (lambda one, kinds: one.large(kinds) + one.small(kinds.long()), 5),
        (lambda one, kinds: one.small(kinds[:, 0]) + one.large(kinds).sum(1), 7),
        (lambda one, kinds: one.small(kinds.long()), 5),
        (lambda one, kinds: one.small(kinds[:, 0].long()) + one.large(kinds[:, 1].long()), 7),
        (lambda one, kinds: functional.embedding(kinds, one.large.weight), 7),
        (lambda one, kinds: functional.embedding_bag(kinds, one.large.weight), 7),
        # The other column is a count, that may be any.
        (lambda one, kinds: one.small(kinds[:, 0]) * kinds[:, 1:], None),
        (lambda one, kinds: kinds.float() + one.small(torch.tensor([3, 4, 0])), None),
    ],
)
@pytest.mark.parametrize("dtype", [np.int64, np.int32])
def test_what_is_looked_up_of_an_input_is_seen_in_parts_and_copies(forward, rows, dtype):
    found = embeddings(Net(forward), {"kinds": np.array([[0, 2], [4, 0], [1, 3]], dtype)})
    assert [one.rows for one in found.values()] == ([] if rows is None else [rows])


def test_columns_with_tables_of_their_own_have_ranges_of_their_own():
    net = Net(lambda one, kinds: one.small(kinds[:, 0]) + one.large(kinds[:, 1]))
    (found,) = embeddings(net, {"kinds": np.array([[0, 2], [4, 0], [1, 3]])}).values()
    assert found.places == (5, 7)
    kinds = Input("kinds", "array", (2,), (), 0, 6, "refused", dtype="int64", highs=(4, 6))
    assert Input.from_dict(json.loads(json.dumps(kinds.to_dict()))) == kinds
    assert checked_array(np.array([[4, 6]]), kinds).tolist() == [[4, 6]]
    with pytest.raises(RequestError, match="row 1, field 'kinds': expected whole numbers from 0 to 4, 6"):
        checked_array(np.array([[0, 0], [5, 0]]), kinds)
    assert [one["maximum"] for one in schema(kinds)["prefixItems"]] == [4, 6]
    assert example(kinds) == [3, 3]
    with pytest.raises(ValueError, match="3 largest numbers for shape"):
        Input.from_dict({**kinds.to_dict(), "highs": [1, 2, 3]})


def test_numbers_that_are_looked_up_in_two_tables_are_bounded_by_the_smaller_one():
    (found,) = embeddings(
        Net(lambda one, kinds: one.large(kinds) + one.small(kinds)), {"kinds": np.array([[0, 2], [4, 0]])}
    ).values()
    assert (found.rows, found.padding, found.places) == (5, 1, ())


def test_the_padding_of_an_embedding_is_known():
    (found,) = embeddings(Net(lambda one, kinds: one.small(kinds)), {"kinds": np.zeros((2, 2), np.int64)}).values()
    assert found.padding == 1


def test_whole_numbers_agree_with_the_same_ones_alone():
    ours, theirs = np.array([[50004]]), np.array([[50000]])
    assert not is_close(ours, theirs).any()
    assert is_close(ours.astype(float), theirs.astype(float)).all()
    with pytest.raises(PackagingError, match="expected the same whole numbers"):
        check_parity(ours, theirs, "Net")
    signature = Signature("tensors", (), (Input("x", "array", ()),), (Output("n", "int64"),))
    golden = golden_of(signature, {"x": np.zeros(1, np.float32)}, {"n": theirs[0]}, "train")
    assert (golden["part"], golden["outputs"]) == ("train", {"n": [50000]})
    assert check_answers({"n": theirs[0]}, golden) == 0
    with pytest.raises(PackagingError, match="expected the same whole numbers"):
        check_answers({"n": ours[0]}, golden)


@pytest.mark.parametrize("dtype", ["int32", "int64"])
def test_negative_numbers_are_refused_where_training_had_none(dtype):
    counts = Input("counts", "array", (2,), (), 0, 9, dtype=dtype)
    assert checked_array(np.array([[0, 500]], dtype), counts).tolist() == [[0, 500]]
    with pytest.raises(RequestError, match="row 1, field 'counts': expected whole numbers from 0 on, as in training"):
        checked_array(np.array([[0, 1], [2, -1]], dtype), counts)
    below = Input("counts", "array", (2,), (), -3, 9, dtype=dtype)
    assert checked_array(np.array([[-1, 1]], dtype), below).tolist() == [[-1, 1]]


def test_a_remainder_that_is_equal_by_chance_bounds_nothing():
    """A hashed embedding: what is looked up is computed of the input, and in some batch it is the input."""
    net, few = Net(lambda one, kinds: one.large(kinds) + one.small(kinds % 5)), {"kinds": np.array([0, 2, 4])}
    (found,) = embeddings(net, few, [{"kinds": np.array([1, 6])}]).values()
    assert found.rows == 7
    wide = {"kinds": np.array([[0, 2], [4, 3]])}
    (found,) = embeddings(net, wide, [{"kinds": np.array([[1, 6], [6, 2]])}, {"kinds": np.array([[7]])}]).values()
    assert (found.rows, found.places) == (7, ())
