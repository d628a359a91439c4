"""What is computed for a batch is known before the first one, and the network is as it was."""

import torch

from lepton_nb import models
from lepton_nb.models.layers import large_products


def test_the_large_layers_of_a_convolutional_network_are_counted_for_a_batch() -> None:
    network = models.build("cnn", (1, 8, 8), 10)
    # Three of the four convolutions; the image has been halved before the last two. The first and the head are small.
    per_row = 32 * 32 * 9 * 64 + 32 * 64 * 9 * 16 + 64 * 64 * 9 * 16
    assert large_products(network, (1, 8, 8), 64) == 64 * per_row
    assert large_products(network, (1, 8, 8), 1) == 0


def test_layers_of_a_table_are_small_and_those_over_tokens_count_each_step() -> None:
    assert large_products(models.build("mlp", (30,), 2), (30,), 256) == 0
    reader = models.build("transformer", (60,), 2, vocabulary=500)
    short, long = (large_products(reader, (steps,), 64, reads_tokens=True) for steps in (30, 60))
    assert long > 1.5 * short > 0


def test_counting_leaves_a_network_as_it_was() -> None:
    network = models.build("cnn", (1, 8, 8), 10).train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    state = torch.get_rng_state()
    large_products(network, (1, 8, 8), 64)
    assert network.training
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
