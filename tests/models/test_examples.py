"""Which part of a batch is which argument of forward, and what is kept of it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from lepton_nb.errors import FormatError, UsageError
from lepton_nb.models import EXAMPLES, Batch, assigned, read_examples, write_examples

X, Y, T = torch.zeros(3, 2), torch.ones(3, 1), torch.tensor([0, 1, 2])


class One:
    def forward(self, features): ...


class Two:
    def forward(self, left, right): ...


class Masked:
    def forward(self, ids, mask=None): ...


class Loose:
    def forward(self, *values): ...


@pytest.mark.parametrize(
    ("network", "batch", "inputs", "targets"),
    [
        (One(), (X, T), ["features"], ["0"]),
        (One(), [X], ["features"], []),
        (One(), X, ["features"], []),
        (Two(), (X, Y, T), ["left", "right"], ["0"]),
        (Two(), (X, Y, T, T), ["left", "right"], ["0", "1"]),
        (Two(), ((X, Y), T), ["left", "right"], ["0"]),
        (Two(), ({"right": Y, "left": X, "more": X}, T), ["left", "right"], ["0"]),
        (Two(), {"left": X, "right": Y, "label": T}, ["left", "right"], ["label"]),
        (Masked(), (X, T), ["ids"], ["0"]),
        (Masked(), (X, X, T), ["ids", "mask"], ["0"]),
        (One(), (X, {"a": T, "b": Y}), ["features"], ["a", "b"]),
    ],
)
def test_a_batch_is_told_apart_by_the_arguments_of_forward(network, batch, inputs, targets):
    found = assigned(network, batch)
    assert (list(found.inputs), list(found.targets)) == (inputs, targets)
    assert found.rows == 3


@pytest.mark.parametrize(
    ("network", "batch", "why"),
    [
        (Two(), (X, T), "argument 'right' of forward is not in the batch"),
        (Two(), {"left": X}, "argument 'right' of forward is not in the batch"),
        (Loose(), (X, T), "have no names"),
        (One(), (["a", "b", "c"], T), "is no tensor"),
        (Two(), (X, torch.zeros(4, 2), T), "no common number of rows"),
    ],
)
def test_what_cannot_be_told_says_what_to_pass(network, batch, why):
    with pytest.raises(UsageError, match=why):
        assigned(network, batch)


def test_examples_are_read_as_they_were_written(tmp_path):
    batches = [Batch({"a/b": np.arange(6).reshape(3, 2)}, {"0": np.array([1.5, 2.5, 3.5])})]
    write_examples(tmp_path, batches, fault="no")
    found = read_examples(tmp_path)
    assert found.fault == "no"
    assert found.validation == ()
    assert found.held_out[0].inputs["a/b"].tolist() == [[0, 1], [2, 3], [4, 5]]
    assert found.train[0].targets["0"].tolist() == [1.5, 2.5, 3.5]
    assert (tmp_path / EXAMPLES).stat().st_mode & 0o777 == 0o600


def test_a_broken_file_of_examples_is_told_and_none_is_none(tmp_path):
    assert read_examples(tmp_path) is None
    (tmp_path / EXAMPLES).write_bytes(b"PK\x03\x04 torn")
    with pytest.raises(FormatError, match="is not readable"):
        read_examples(tmp_path)
