import pytest
import pytorch_lightning as pl
import torch
from torch.nn import functional

from lepton_nb import models
from lepton_nb.models.rl.environments import environment
from lepton_nb.models.rl.values import MLPValues
from lepton_nb.models.rl.written import Written

POLE = environment("gym:CartPole-v1")
SMALL = {"hidden": [16, 8], "envs": 4, "train_every": 2, "batch": 8, "warmup": 32, "epoch_steps": 40, "n_step": 2}


@pytest.mark.parametrize("hidden", [[], [7], [40, 33]])
@pytest.mark.parametrize("is_weighted", [False, True])
def test_loss_errors_and_gradients_are_those_of_autograd(hidden, is_weighted):
    torch.manual_seed(1)
    network = MLPValues((2, 3), 4, hidden, duelling=False)
    seen, actions, weights = torch.randn(9, 2, 3), torch.randint(4, (9,)), torch.rand(9)
    # Some errors are beyond one, where the loss becomes a line.
    aims = torch.linspace(-4, 4, 9)
    values = network(seen).gather(1, actions.unsqueeze(1)).squeeze(1)
    losses = functional.smooth_l1_loss(values, aims, reduction="none")
    expected = ((weights if is_weighted else 1) * losses).mean()
    expected.backward()

    written = Written(network)
    with torch.no_grad():
        torch.testing.assert_close(written.values(seen), network(seen))
        loss, errors, gradients = written.learned(seen, actions, aims, weights if is_weighted else None)
    torch.testing.assert_close(loss, expected.detach())
    torch.testing.assert_close(errors, (values - aims).detach())
    assert errors.abs().max() > 1 > errors.abs().min()
    theirs = [one.grad for one in network.parameters()]
    assert all(one.abs().sum() > 0 for one in theirs)
    torch.testing.assert_close(gradients, theirs)


def test_a_weight_that_is_not_learned_takes_no_gradient():
    network = MLPValues((3,), 2, [5], duelling=False)
    network.body[1].weight.requires_grad_(False)
    written = Written(network)
    with torch.no_grad():
        learned = written.learned(torch.rand(4, 3), torch.zeros(4, dtype=torch.int64), torch.ones(4), None)
    written.give(learned.gradients)
    assert network.body[1].weight.grad is None
    assert all(one.grad is not None for one in (network.body[1].bias, *network.head.parameters()))


def test_what_is_no_chain_of_linear_layers_or_is_looked_into_is_left_to_autograd():
    assert Written.of(MLPValues((3,), 2, [5], duelling=False))
    assert not Written.of(MLPValues((3,), 2, [5], duelling=True))
    assert not Written.of(models.build("dqn", (3, 9, 9), 4, environment="maze:4x4").network)
    other = MLPValues((3,), 2, [5], duelling=False)
    other.body[2] = torch.nn.Tanh()
    assert not Written.of(other)
    watched = MLPValues((3,), 2, [5], duelling=False)
    watched.body[1].register_forward_hook(lambda *_: None)
    assert not Written.of(watched)


def trained(**options):
    torch.manual_seed(3)
    trainer_options = {name: options.pop(name) for name in ("accumulate_grad_batches", "precision") if name in options}
    is_written_out = options.pop("is_written_out", True)
    agent = models.build("dqn", POLE.feature_shape, 2, environment=POLE.name, **{**SMALL, **options})
    if not is_written_out:
        agent._is_written_out = lambda: False
    calls = []
    forward = agent.network.forward
    agent.network.forward = lambda seen: (calls.append(torch.is_grad_enabled()), forward(seen))[1]
    trainer = pl.Trainer(
        max_epochs=2, accelerator="cpu", logger=False, enable_progress_bar=False, enable_model_summary=False,
        enable_checkpointing=False, limit_val_batches=0, **trainer_options,
    )  # fmt: skip
    trainer.fit(agent)
    assert agent.learned == 80
    return agent, any(calls)


@pytest.mark.parametrize("options", [{}, {"double": False}, {"prioritised": True}])
def test_an_agent_learns_the_same_with_gradients_that_are_written_out(options):
    mine, has_asked = trained(**options)
    theirs, they_have = trained(is_written_out=False, **options)
    assert (has_asked, they_have) == (False, True)
    torch.testing.assert_close(mine.state_dict(), theirs.state_dict(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("options", [{"accumulate_grad_batches": 2}, {"precision": "bf16-mixed"}, {"duelling": True}])
def test_what_is_not_written_out_is_learned_by_autograd(options):
    assert trained(**options)[1]
