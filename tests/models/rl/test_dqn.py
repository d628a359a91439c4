import inspect

import numpy as np
import pytest
import torch

from lepton_nb import models
from lepton_nb.errors import UsageError
from lepton_nb.models import zoo
from lepton_nb.models.rl import experience
from lepton_nb.models.rl.dqn import DQN
from lepton_nb.models.rl.environments import environment
from lepton_nb.models.rl.experience import Experience
from lepton_nb.models.rl.layouts import distances, layouts, planes
from lepton_nb.models.rl.settings import AGENT_OPTIONS, defaults
from lepton_nb.models.rl.values import MLPValues, PlannerValues

MAZE, POLE = environment("maze:4x4"), environment("gym:CartPole-v1")


def built(place=MAZE, **options):
    torch.manual_seed(0)
    return models.build("dqn", place.feature_shape, len(place.actions), environment=place.name, **options)


def test_the_options_told_without_torch_are_those_of_the_signature():
    parameters = inspect.signature(DQN).parameters.values()
    assert tuple(AGENT_OPTIONS) == tuple(one.name for one in parameters if one.kind is one.KEYWORD_ONLY)


@pytest.mark.parametrize("place", [MAZE, POLE])
def test_every_option_has_a_value_that_its_rule_passes(place):
    found = defaults(place.feature_shape, {}, place.actions)
    zoo.check("dqn", place.feature_shape, {name: value for name, value in found.items() if value is not None})
    assert {*found, "environment"} == set(AGENT_OPTIONS)


@pytest.mark.parametrize(
    ("option", "value", "told"),
    [
        ("gamma", 1.5, "a number from 0 to 1"),
        ("n_step", 0, "a whole number from 1 to 100"),
        ("network", "transformer", "one of auto, mlp, planner"),
        ("double", 1, "true or false"),
        ("hidden", "wide", "a list of whole numbers"),
    ],
)
def test_an_option_out_of_reach_is_refused(option, value, told):
    with pytest.raises(UsageError, match=rf"dqn: {option} .* is not allowed; expected {told}"):
        models.specify_agent("dqn", MAZE, {option: value})


def test_one_width_alone_is_a_list_where_a_list_is_meant():
    options = {"hidden": 8, "channels": 2}
    assert models.specify_agent("dqn", MAZE, options).options["channels"] == 2
    assert built(**options).settings | {"hidden": [8], "channels": 2} == built(**options).settings
    assert built(POLE, hidden=8)(torch.zeros(1, *POLE.feature_shape)).shape == (1, 2)
    with pytest.raises(UsageError, match="a planner without a hidden layer; expected one width"):
        models.specify_agent("dqn", MAZE, {"hidden": []})
    assert built(POLE, hidden=[])(torch.zeros(1, *POLE.feature_shape)).shape == (1, 2)


def test_what_does_not_fit_an_environment_is_refused():
    with pytest.raises(UsageError, match=r"mlp does not learn from an environment.*next: lepton train dqn"):
        models.specify_agent("mlp", MAZE, {})
    with pytest.raises(UsageError, match="dqn learns from an environment, and not from rows; next: --data maze:8x8"):
        models.specify("dqn", (30,), 2, {})
    with pytest.raises(UsageError, match=r"a planner takes the planes of a grid.*next: --net network=mlp"):
        models.specify_agent("dqn", POLE, {"network": "planner"})
    with pytest.raises(UsageError, match=r"the environment of dqn is no argument of it; next: --data"):
        models.specify_agent("dqn", MAZE, {"environment": "maze:3x3"})
    with pytest.raises(UsageError, match="dqn has no option 'depth'"):
        models.specify_agent("dqn", MAZE, {"depth": 3})


@pytest.mark.parametrize(("place", "network"), [(MAZE, "planner"), (MAZE, "mlp"), (POLE, "mlp")])
def test_an_observation_becomes_one_value_per_action(place, network):
    agent = built(place, network=network).eval()
    assert agent(torch.rand(5, *place.feature_shape)).shape == (5, len(place.actions))


def test_a_duelling_head_tells_the_value_of_the_state_apart():
    network = MLPValues((4,), 3, [8], duelling=True)
    hidden = network.body(torch.rand(6, 4))
    assert torch.allclose(network.head(hidden).mean(dim=1, keepdim=True), network.head.state(hidden))


def planned(sweeps):
    """A planner that knows what it usually learns: the goal is worth 1, a step costs 0.1, and no wall is passed."""
    network = PlannerValues(3, 1, 6, sweeps)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
        look, worth, costs = network.look[0], network.worth, network.costs
        look.weight[0, 2, 1, 1] = 1
        for side, (row, column) in enumerate(((0, 1), (1, 2), (2, 1), (1, 0))):
            look.weight[1 + side, 0, row, column] = 1
            costs.weight[side, 1 + side] = 50
        worth.weight[0, 0], worth.bias[0] = 10, -9
        # The inverse of softplus, so that what is meant is what is paid.
        costs.bias[:] = float(np.log(np.expm1(0.1)))
    return network


def test_a_planner_can_say_how_far_the_goal_is_in_every_maze():
    mazes = layouts(range(60), 8, 8, 0.1)
    steps = distances(mazes)[np.arange(60), mazes.starts]
    with torch.no_grad():
        values = planned(64)(torch.from_numpy(planes(mazes)))
    assert values.amax(dim=1).numpy() == pytest.approx(1 - 0.1 * steps, abs=1e-4)


def test_learning_and_acting_ask_the_same_planner():
    network, seen = planned(12), torch.from_numpy(planes(layouts(range(20), 5, 5, 0.2)))
    learning = network(seen)
    with torch.no_grad():
        assert torch.allclose(learning, network(seen), atol=1e-5)


def test_the_gradient_of_a_planner_reaches_all_of_its_weights():
    torch.manual_seed(0)
    network = PlannerValues(3, 2, 8, 10)
    network(torch.from_numpy(planes(layouts(range(32), 4, 4, 0.2)))).square().sum().backward()
    assert all(one.grad.abs().sum() > 0 for one in network.parameters())


def batch(agent, discounts, rewards=0.0, count=4):
    seen = torch.rand(count, 4)
    numbers = torch.zeros(count, dtype=torch.int64)
    return (
        seen, numbers, torch.full((count,), rewards), torch.rand(count, 4), torch.full((count,), discounts),
        torch.ones(count), numbers,
    )  # fmt: skip


@pytest.mark.parametrize("double", [True, False])
def test_the_loss_is_against_what_the_target_says_of_what_came_after(double):
    agent = built(POLE, double=double, target_every=10)
    given = batch(agent, 0.9, 0.5)
    agent.training_step(given, 0)
    with torch.no_grad():
        agent.network.head.advantages.weight.mul_(-3)
        told = agent._target[0](given[3])
        best = (agent.network(given[3]) if double else told).argmax(dim=1)
        aims = 0.5 + 0.9 * told[torch.arange(4), best]
        expected = torch.nn.functional.smooth_l1_loss(agent(given[0])[:, 0], aims)
    assert agent.training_step(given, 1).item() == pytest.approx(expected.item())


def test_the_target_becomes_as_the_network_is_after_so_many_steps():
    agent = built(POLE, target_every=3)
    same = []
    for step in range(7):
        agent.training_step(batch(agent, 0.9), step)
        same.append(torch.equal(agent._target[0].head.advantages.bias, agent.network.head.advantages.bias))
        with torch.no_grad():
            agent.network.head.advantages.bias.add_(1.0)
    assert same == [True, False, False, True, False, False, True]
    assert not any(name.startswith("_target") for name in agent.state_dict())


def test_epsilon_falls_in_a_line_to_its_end():
    agent = built(POLE, epsilon_end=0.1, epsilon_steps=100)
    told = []
    for agent.learned in (0, 50, 100, 1000):
        told.append(agent.epsilon)
    assert told == pytest.approx([1.0, 0.55, 0.1, 0.1])


def test_what_an_agent_needs_to_go_on_is_in_its_checkpoint():
    agent, checkpoint = built(POLE), {}
    agent.training_step(batch(agent, 0.9), 0)
    agent.on_save_checkpoint(checkpoint)
    other = built(POLE, duelling=False)
    with torch.no_grad():
        other.network.head.advantages.bias.add_(1.0)
    other.on_load_checkpoint(checkpoint)
    assert other.learned == 1
    assert torch.equal(other._target[0].head.advantages.bias, agent._target[0].head.advantages.bias)


@pytest.mark.parametrize("prioritised", [False, True])
def test_batches_that_are_drawn_ahead_are_those_that_are_drawn_one_by_one(monkeypatch, prioritised):
    def given():
        options = {"envs": 4, "train_every": 1.5, "batch": 8, "warmup": 16, "epsilon_end": 1.0, "n_step": 1}
        loader = Experience(built(POLE, prioritised=prioritised, **options), 11)
        found = [[part.clone() for part in batch] for _ in range(2) for batch in loader]
        loader.close()
        return found

    ahead = given()
    monkeypatch.setattr(experience, "_AT_ONCE", 0)
    alone = given()
    assert len(ahead) == len(alone) == 22
    for mine, theirs in zip(ahead, alone, strict=True):
        assert mine[0].shape == (8, 4)
        assert all(torch.equal(one, other) for one, other in zip(mine, theirs, strict=True))
