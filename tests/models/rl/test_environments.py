import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

from lepton_nb.errors import MissingError, UsageError
from lepton_nb.models.rl.environments import PARTS, environment, is_environment, seeds_of
from lepton_nb.models.rl.episodes import Episodes
from lepton_nb.models.rl.maze import Maze
from lepton_nb.models.rl.mazes import _SEEDS


class Corridor(gymnasium.Env):
    """Five places in a row; the right end is the goal."""

    actions = ("back", "on")

    def __init__(self, seen=None, acts=None):
        self.observation_space = spaces.Discrete(5) if seen is None else seen
        self.action_space = spaces.Discrete(2) if acts is None else acts
        self.place = 0

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.place = 0
        return self.place, {}

    def step(self, action):
        self.place = max(0, self.place + (1 if action else -1))
        return self.place, float(self.place == 4), self.place == 4, False, {}


def test_a_name_of_gymnasium_tells_shape_actions_and_what_is_enough():
    found = environment("gym:CartPole-v1")
    assert (found.feature_shape, found.actions, found.threshold) == ((4,), ("0", "1"), 475.0)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("gym:CartPol-v1", "no environment 'CartPol-v1'.*did you mean 'CartPole-v1'"),
        ("gym:Nowhere/Thing-v3", "no environment 'Nowhere/Thing-v3'"),
        ("gym:Pendulum-v1", r"the actions of gym:Pendulum-v1 are not.*expected Discrete.*got Box"),
        ("cartpole", "'cartpole' is no environment; expected maze:HEIGHTxWIDTH"),
        ("gym:", "'gym:' is no environment"),
        (3, "a int is no environment"),
    ],
)
def test_what_is_no_environment_is_refused_with_what_would_be(name, told):
    with pytest.raises(UsageError, match=told):
        environment(name)


def test_what_an_environment_needs_and_is_not_installed_is_named(monkeypatch):
    def fail(name):
        raise gymnasium.error.DependencyNotInstalled("box2d is not installed")

    monkeypatch.setattr(gymnasium, "make", fail)
    with pytest.raises(MissingError, match=r"gym:CartPole-v1 cannot be made; got box2d is not installed"):
        environment("gym:CartPole-v1")


def test_a_function_of_a_notebook_makes_an_environment_with_named_actions():
    found = environment(Corridor)
    assert (found.feature_shape, found.actions) == ((5,), ("back", "on"))
    worlds = found.worlds(2, 0)
    assert worlds.reset().tolist() == [[1, 0, 0, 0, 0]] * 2
    assert worlds.step(np.array([1, 0])).observations.tolist() == [[0, 1, 0, 0, 0], [1, 0, 0, 0, 0]]
    assert environment(lambda: Maze(3)).actions == ("up", "right", "down", "left")


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: 3, "makes no environment; expected a gymnasium.Env; got a int"),
        (lambda: 1 / 0, "makes no environment; got ZeroDivisionError"),
        (lambda: Corridor(spaces.Text(3)), "observations of <lambda> are not.*expected Box or Discrete"),
        (lambda: Corridor(acts=spaces.MultiBinary(2)), "actions of <lambda> are not"),
    ],
)
def test_a_function_that_makes_something_else_is_refused(make, told):
    with pytest.raises(UsageError, match=told):
        environment(make)


def test_bytes_are_seen_as_shares():
    made = environment(lambda: Corridor(spaces.Box(0, 255, (1,), np.uint8))).worlds(2, 0)
    made._worlds.reset = lambda seed: (np.array([[0], [255]], np.uint8), {})
    assert made.reset().tolist() == [[0.0], [1.0]]


@pytest.mark.parametrize("name", ["gym:CartPole-v1", "gym:MountainCar-v0"])
def test_the_step_that_only_begins_an_episode_anew_is_told_apart(name):
    worlds = environment(name).worlds(2, 0)
    worlds.reset()
    ended = np.zeros(2, bool)
    for _ in range(210):
        stepped = worlds.step(np.array([1, 0]))
        assert (stepped.valid == ~ended).all()
        ended = stepped.terminated | stepped.truncated
        assert not (stepped.terminated & stepped.truncated).any()
    worlds.close()


def test_an_episode_is_played_to_its_end_and_not_beyond():
    episodes = Episodes(environment(Corridor), "test", 3).played(lambda seen: np.ones(len(seen), np.int64))
    assert episodes.lengths.tolist() == [4, 4, 4]
    assert episodes.returns.tolist() == [1, 1, 1]
    # Nobody says from which return on this one is solved.
    assert episodes.solved is None
    assert "solved" not in episodes.metrics()


def test_in_a_maze_it_is_told_how_far_above_the_shortest_way_an_episode_was():
    place = environment("maze:2x2:1.0")

    def circle(seen):
        """Round and round: no room is more than three steps away."""
        row, column = np.nonzero(seen[:, 1])[1:]
        return np.array([{(1, 1): 1, (1, 3): 2, (3, 3): 3, (3, 1): 0}[one] for one in zip(row, column, strict=True)])

    episodes = Episodes(place, "validation", 50).played(circle)
    found = episodes.metrics()
    assert found["solved"] == 1
    assert found["steps_above_shortest"] == (episodes.lengths - episodes.shortest).mean() > 0
    assert found["solved_within_twice"] == (episodes.lengths <= 2 * episodes.shortest).mean() < 1


def test_the_seeds_of_the_parts_do_not_meet():
    parts = [set(seeds_of(part, 10_000)) for part in PARTS if part != "train"]
    assert not set.intersection(*parts)
    # Training draws from below 2^31; environments that step together have the numbers behind that.
    assert min(map(min, parts)) >= 2**31 + 1_000_000
    assert _SEEDS <= 2**31


class Older(Corridor):
    """Draws with NumPy's older generator, which takes no seed from 2^32 on; sees a single number."""

    def __init__(self):
        super().__init__(spaces.Box(0, 4, (), np.float32))

    def reset(self, *, seed=None, options=None):
        np.random.RandomState(seed)
        return np.float32(super().reset(seed=seed)[0]), {}

    def step(self, action):
        seen, *rest = super().step(action)
        return np.float32(seen), *rest


@pytest.mark.parametrize("part", PARTS)
def test_an_environment_that_is_seeded_as_numpy_once_was_is_played_in_each_part(part):
    episodes = Episodes(environment(Older), part, 3)
    seen = [one.tolist() for one in episodes.play(lambda seen: np.ones(len(seen), np.int64))]
    assert episodes.lengths.tolist() == [4, 4, 4]
    # An observation of a single number has a dimension for it, as it was said of it.
    assert environment(Older).feature_shape == (1,)
    assert seen == [[[float(place)]] * 3 for place in range(4)]


def test_a_text_with_another_prefix_is_a_data_set():
    assert not is_environment("mazes.csv")
    assert not is_environment(None)
