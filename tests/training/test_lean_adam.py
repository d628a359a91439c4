"""A step of Adam is the one that torch does, whoever does it, and whatever happens to the optimizer on the way."""

import collections
import copy

import pytest
import torch
from torch.optim import optimizer as hooks

from lepton_nb.training.trainer.lean_adam import LeanAdam


class Torch:
    """Does the steps as torch does them."""

    def __init__(self, optimizer):
        self._optimizer = optimizer

    def step(self, closure):
        self._optimizer.step(closure=closure)


def network():
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU(), torch.nn.Linear(4, 2))


def trained(way, make, between=None, steps=8):
    """Weights, the optimizer's state and how often torch has done a step itself."""
    layers, done = network(), []
    optimizer = make(layers)
    original = type(optimizer).step
    doing = way(optimizer)
    generator = torch.Generator().manual_seed(1)

    def closure():
        optimizer.zero_grad()
        loss = layers(torch.randn(5, 3, generator=generator)).square().sum()
        loss.backward()
        return loss

    def counted(self, *args, **kwargs):
        done.append(1)
        return original(self, *args, **kwargs)

    type(optimizer).step = counted
    try:
        for step in range(steps):
            if between:
                optimizer = between(step, optimizer, layers) or optimizer
            doing.step(closure)
    finally:
        type(optimizer).step = original
    state = [optimizer.state.get(one) for group in optimizer.param_groups for one in group["params"]]
    return layers.state_dict(), copy.deepcopy(state), len(done)


def adam(layers, kind=torch.optim.AdamW, **options):
    return kind(layers.parameters(), **{"lr": 0.05, "fused": True, **options})


def same(make, between=None):
    """How often torch has done a step of ours itself; what came of it is the same."""
    weights, state, count = trained(LeanAdam, make, between)
    expected, expected_state, all_steps = trained(Torch, make, between)
    assert all_steps == 8
    torch.testing.assert_close(weights, expected, rtol=0, atol=0)
    torch.testing.assert_close(state, expected_state, rtol=0, atol=0)
    return count


@pytest.mark.parametrize("kind", [torch.optim.Adam, torch.optim.AdamW])
@pytest.mark.parametrize("options", [{}, {"weight_decay": 0.2, "betas": (0.7, 0.9), "eps": 1e-3}])
def test_all_steps_but_the_first_are_done_here(kind, options):
    assert same(lambda layers: adam(layers, kind, **options)) == 1


@pytest.mark.parametrize(
    "options",
    [{"fused": False}, {"amsgrad": True}, {"maximize": True}, {"lr": torch.tensor(0.05)}],
    ids=lambda options: next(iter(options)),
)
def test_what_is_not_known_here_torch_does_itself(options):
    assert same(lambda layers: adam(layers, **options)) == 8


def test_another_optimizer_does_its_steps_itself():
    class Own(torch.optim.AdamW):
        pass

    assert same(lambda layers: adam(layers, Own)) == 8
    assert same(lambda layers: torch.optim.SGD(layers.parameters(), lr=0.01, momentum=0.9)) == 8


def test_a_rate_that_changes_counts_at_once():
    def change(step, optimizer, layers):
        optimizer.param_groups[0]["lr"] = 0.1 / (1 + step)

    assert same(adam, change) == 1


def load(optimizer):
    state = optimizer.state_dict()
    for one in state["state"].values():
        one["exp_avg"] = torch.full_like(one["exp_avg"], 3.0)
    optimizer.load_state_dict(state)


def replace_weight(optimizer):
    group = optimizer.param_groups[0]
    group["params"][0] = torch.nn.Parameter(group["params"][0].detach().clone())
    group["params"][0].grad = torch.ones_like(group["params"][0])


def first_state(optimizer):
    return optimizer.state[optimizer.param_groups[0]["params"][0]]


CHANGES = {
    "loaded": load,
    "another state": lambda optimizer: setattr(optimizer, "state", collections.defaultdict(dict)),
    "cleared": lambda optimizer: optimizer.state.clear(),
    "of one weight": lambda optimizer: first_state(optimizer).clear(),
    "one average": lambda optimizer: first_state(optimizer).update(exp_avg=torch.ones(4, 3)),
    "its steps": lambda optimizer: first_state(optimizer).update(step=torch.tensor(50.0)),
    "another group": lambda optimizer: optimizer.param_groups.__setitem__(0, {**optimizer.param_groups[0], "lr": 0.5}),
    "another weight": replace_weight,
    "more weights": lambda optimizer: optimizer.param_groups[0]["params"].append(torch.nn.Parameter(torch.ones(2))),
    "fewer weights": lambda optimizer: optimizer.param_groups[0]["params"].pop(),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_state_or_a_weight_that_is_replaced_is_gone_on_from(change):
    def between(step, optimizer, layers):
        if step == 4:
            CHANGES[change](optimizer)

    assert same(adam, between) == 2


@pytest.mark.parametrize("option", [{"maximize": True}, {"fused": False}, {"lr": torch.tensor(0.2)}])
def test_another_way_of_learning_is_torchs_from_then_on(option):
    def change(step, optimizer, layers):
        if step == 4:
            optimizer.param_groups[0].update(option)

    assert same(adam, change) == 5


def test_weights_that_are_added_left_out_and_taken_back_in_are_noticed():
    def add(step, optimizer, layers):
        layers[0].requires_grad_(step not in (2, 3))
        if step == 5:
            optimizer.add_param_group({"params": [layers[2].weight], "lr": 0.3})

    def make(layers):
        return adam(torch.nn.ModuleList([layers[0]]))

    # The first one, two when the layer is left out and taken back in, and one for the new group.
    assert same(make, add) == 4


@pytest.mark.parametrize("when", ["pre", "post"])
@pytest.mark.parametrize("whose", ["its own", "global"])
def test_a_hook_of_the_step_is_called(when, whose, request):
    seen = []

    def hook(optimizer, *_):
        seen.append(optimizer)

    def register(step, optimizer, layers):
        if step == 3 and whose == "its own":
            getattr(optimizer, f"register_step_{when}_hook")(hook)
        elif step == 3:
            register_all = getattr(hooks, f"register_optimizer_step_{when}_hook")
            request.addfinalizer(register_all(hook).remove)

    assert trained(LeanAdam, adam, register)[2] == 6
    assert len(seen) == 5


def test_whoever_replaces_the_step_is_asked():
    seen = []

    def replace(step, optimizer, layers):
        if step == 3:
            before = optimizer.step
            optimizer.step = lambda *args, **kwargs: (seen.append(step), before(*args, **kwargs))

    assert same(adam, replace) == 6
    assert len(seen) == 10


def test_a_schedule_around_the_step_is_known_and_told(recwarn):
    schedules = {}

    def schedule(step, optimizer, layers):
        if step == 3:
            schedules[id(optimizer)] = torch.optim.lr_scheduler.StepLR(optimizer, 1, 0.8)
        elif step > 3:
            schedules[id(optimizer)].step()

    # The steps before the schedule are not its own: it warns when it is stepped and knows of none.
    assert same(adam, schedule) == 1
    assert not [one for one in recwarn if "lr_scheduler.step" in str(one.message)]


def test_a_profiler_sees_every_step():
    layers = network()
    optimizer = adam(layers)
    doing = LeanAdam(optimizer)

    def closure():
        layers(torch.rand(5, 3)).sum().backward()

    for _ in range(3):
        doing.step(closure)
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profiler:
        for _ in range(3):
            doing.step(closure)
    assert [one.count for one in profiler.key_averages() if one.key == "Optimizer.step#AdamW.step"] == [3]


def test_without_any_gradient_nothing_happens():
    layers = network()
    optimizer, before = adam(layers), copy.deepcopy(layers.state_dict())
    doing = LeanAdam(optimizer)
    for _ in range(3):
        doing.step(lambda: None)
    torch.testing.assert_close(layers.state_dict(), before, rtol=0, atol=0)
    assert not optimizer.state
