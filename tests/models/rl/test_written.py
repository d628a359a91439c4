import pytest
import pytorch_lightning as pl
import torch
from torch.nn import functional

from lepton_nb import models
from lepton_nb.models.rl.dqn import DQN
from lepton_nb.models.rl.environments import environment
from lepton_nb.models.rl.values import MLPValues
from lepton_nb.models.rl.written import Written
from lepton_nb.training.trainer.finite import first_non_finite
from lepton_nb.training.trainer.lean import make_lean

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

    written = Written(network, network)
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
    written = Written(network, network)
    with torch.no_grad():
        learned = written.learned(torch.rand(4, 3), torch.zeros(4, dtype=torch.int64), torch.ones(4), None)
    written.give(learned.gradients)
    assert network.body[1].weight.grad is None
    assert all(one.grad is not None for one in (network.body[1].bias, *network.head.parameters()))


def of(network):
    return Written.of(network, network)


def test_what_is_no_chain_of_linear_layers_is_left_to_autograd():
    assert of(MLPValues((3,), 2, [5], duelling=False))
    assert not of(MLPValues((3,), 2, [5], duelling=True))
    assert not of(models.build("dqn", (3, 9, 9), 4, environment="maze:4x4").network)
    other = MLPValues((3,), 2, [5], duelling=False)
    other.body[2] = torch.nn.Tanh()
    assert not of(other)
    own = MLPValues((3,), 2, [5], duelling=False)
    own.body[1].forward = own.body[1].forward
    assert not of(own)


HOOKS = {
    "of a layer": lambda agent: agent.network.body[1].register_forward_hook(count),
    "before a layer": lambda agent: agent.network.body[1].register_forward_pre_hook(count),
    "behind a layer": lambda agent: agent.network.body[1].register_full_backward_hook(count),
    "before a layer on the way back": lambda agent: agent.network.body[1].register_full_backward_pre_hook(count),
    "of the agent": lambda agent: agent.register_forward_hook(count),
    "of all": lambda agent: torch.nn.modules.module.register_module_forward_hook(count),
    "of a weight": lambda agent: agent.network.body[1].weight.register_hook(count),
    "behind a weight": lambda agent: agent.network.body[1].weight.register_post_accumulate_grad_hook(count),
}
COUNTED = []


def count(*_):
    COUNTED.append(torch.is_grad_enabled())


@pytest.mark.parametrize("where", HOOKS)
def test_a_hook_is_called_from_the_step_on_in_which_it_is_there(where, request):
    COUNTED.clear()

    def start(agent, batch_idx):
        if agent.learned == 10:
            request.addfinalizer(HOOKS[where](agent).remove)

    _, written = trained(at_each=start)
    assert written == 10
    assert len(COUNTED) >= 70


class Own(DQN):
    def forward(self, observation):
        return 2 * super().forward(observation)


def trained(kind=None, is_lean=False, at_each=None, is_written_out=True, **options):
    """An agent that has learned for 80 steps, and of how many of them the gradients were written out."""
    torch.manual_seed(3)
    names = ("accumulate_grad_batches", "precision", "gradient_clip_val", "strategy")
    trainer_options = {name: options.pop(name) for name in names if name in options}
    how = {"environment": POLE.name, **SMALL, **options}
    agent = (kind or DQN)(POLE.feature_shape, 2, **how)
    if not is_written_out:
        agent._is_written_out = lambda _: False
    if at_each:
        agent.on_train_batch_start = lambda batch, batch_idx: at_each(agent, batch_idx)
    counted = []
    with pytest.MonkeyPatch.context() as patch:
        learned = Written.learned
        patch.setattr(Written, "learned", lambda *args: (counted.append(1), learned(*args))[1])
        trainer = pl.Trainer(
            max_epochs=2, accelerator="cpu", logger=False, enable_progress_bar=False, enable_model_summary=False,
            enable_checkpointing=False, limit_val_batches=0, **trainer_options,
        )  # fmt: skip
        if is_lean:
            make_lean(pl, agent, trainer)
        trainer.fit(agent)
    assert agent.learned == 80
    return agent, len(counted)


@pytest.mark.parametrize(
    "options", [{}, {"double": False}, {"prioritised": True}, {"gradient_clip_val": 0.05}, {"is_lean": True}]
)
def test_an_agent_learns_the_same_with_gradients_that_are_written_out(options):
    mine, written = trained(**options)
    theirs, none = trained(**options, is_written_out=False)
    assert (written, none) == (80, 0)
    torch.testing.assert_close(mine.state_dict(), theirs.state_dict(), rtol=1e-4, atol=1e-5)


def test_a_layer_that_is_thawed_on_the_way_learns_from_then_on():
    def freeze(agent, batch_idx):
        agent.network.body[1].requires_grad_(agent.learned >= 40)

    mine, written = trained(at_each=freeze)
    theirs, _ = trained(at_each=freeze, is_written_out=False)
    assert written == 80
    torch.testing.assert_close(mine.state_dict(), theirs.state_dict(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "options",
    [
        {"accumulate_grad_batches": 2},
        {"precision": "bf16-mixed"},
        {"duelling": True},
        {"strategy": "ddp"},
        {"kind": Own},
    ],
    ids=lambda options: next(iter(options)),
)
def test_what_is_not_written_out_is_learned_by_autograd(options):
    assert trained(**options)[1] == 0


def test_a_value_that_is_not_finite_is_found_in_its_layer():
    spoilt = []

    def spoil(agent, batch_idx):
        if batch_idx == 5 and not spoilt:
            with torch.no_grad():
                agent.network.body[3].weight[0, 0] = float("nan")
            batch = next(iter(agent._experience))
            spoilt.append(first_non_finite(agent, batch, 0))

    trained(at_each=spoil)
    assert "network.body.3" in spoilt[0]
