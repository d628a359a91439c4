"""Which inputs are rows of embeddings, and when answers agree."""

from __future__ import annotations

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
