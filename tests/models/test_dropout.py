import pytest
import torch
from torch import nn

from lepton_nb.models.dropout import Dropout


@pytest.mark.parametrize("p", [0.1, 0.2, 0.5, 0.9])
@pytest.mark.parametrize("shape", [(250, 401), (7,), (3, 5, 7, 11)])
def test_the_share_the_scale_and_the_mean_are_those_of_dropout(p, shape):
    torch.manual_seed(1)
    layer = Dropout(p)
    zeroed, mean, rounds = 0.0, 0.0, 200 if len(shape) == 1 else 20
    for _ in range(rounds):
        given = layer(torch.ones(shape))
        assert given.shape == shape
        kept = given[given != 0]
        torch.testing.assert_close(kept, torch.full_like(kept, 1 / (1 - p)), rtol=2e-4, atol=0)
        zeroed += (given == 0).float().mean().item() / rounds
        mean += given.mean().item() / rounds
    values = torch.ones(shape).numel() * rounds
    spread = (p * (1 - p) / values) ** 0.5
    assert abs(zeroed - p) < 5 * spread
    assert abs(mean - 1) < 5 * spread / (1 - p) + 2e-4


def test_neighbours_are_dropped_independently():
    torch.manual_seed(2)
    dropped = (Dropout(0.5)(torch.ones(4000, 64)) == 0).float()
    for apart in (1, 2, 3, 4, 8):
        both = (dropped[:, :-apart] * dropped[:, apart:]).mean().item()
        assert abs(both - 0.25) < 0.005


def test_the_gradient_is_that_of_what_was_kept():
    values = torch.randn(64, 33, requires_grad=True)
    given = Dropout(0.3)(values)
    given.sum().backward()
    torch.testing.assert_close(values.grad * values.detach(), given.detach())


def test_what_it_draws_is_fixed_by_the_seed_and_new_each_time():
    layer, values = Dropout(0.5), torch.ones(1000)
    torch.manual_seed(3)
    first, second = layer(values), layer(values)
    torch.manual_seed(3)
    assert torch.equal(layer(values), first)
    assert not torch.equal(first, second)


@pytest.mark.parametrize("p", [0.0, 1.0])
def test_the_ends_are_those_of_torch(p):
    assert torch.equal(Dropout(p)(torch.ones(5)), nn.Dropout(p)(torch.ones(5)))


def test_other_types_and_evaluation_are_left_to_torch():
    torch.manual_seed(4)
    expected = nn.Dropout(0.5)(torch.ones(100, dtype=torch.float64))
    torch.manual_seed(4)
    assert torch.equal(Dropout(0.5)(torch.ones(100, dtype=torch.float64)), expected)
    assert torch.equal(Dropout(0.5).eval()(torch.ones(100)), torch.ones(100))
    assert Dropout(0.5)(torch.ones(0, 4)).shape == (0, 4)
