import numpy as np
import pytest

from lepton_nb.models.rl.replay import Replay, Returns, Transitions
from lepton_nb.models.rl.worlds import Stepped

GAMMA = 0.5


def stepped(time, rewards, terminated=(0, 0), truncated=(0, 0), valid=(1, 1)):
    after = np.full((2, 1), float(time + 1))
    arrays = (np.array(one, bool) for one in (terminated, truncated))
    return Stepped(after, np.array(rewards, np.float32), *arrays, after, np.array(valid, bool))


def feed(returns, steps):
    found = []
    for time, step in enumerate(steps):
        made = returns.add(np.full((2, 1), float(time)), np.array([time, time]), step)
        found.append(made)
    return found


def test_a_run_sums_up_discounted_rewards_and_asks_for_the_value_behind_it():
    made = feed(Returns(3, GAMMA), [stepped(0, (1, 2)), stepped(1, (4, 8)), stepped(2, (16, 32))])
    assert made[:2] == [None, None]
    assert made[2].rewards.tolist() == [1 + 2 + 4, 2 + 4 + 8]
    assert made[2].observations.ravel().tolist() == [0, 0]
    assert made[2].after.ravel().tolist() == [3, 3]
    assert made[2].discounts.tolist() == [0.125, 0.125]


def test_a_run_ends_with_its_episode():
    made = feed(Returns(3, GAMMA), [stepped(0, (1, 1)), stepped(1, (4, 4), (1, 0), (0, 1)), stepped(2, (16, 16))])[2]
    assert made.rewards.tolist() == [3, 3]
    assert made.after.ravel().tolist() == [2, 2]
    # What ended for good has no value behind it; what was cut off has.
    assert made.discounts.tolist() == [0, 0.25]


def test_a_step_that_only_began_an_episode_is_learned_from_nowhere():
    steps = [stepped(0, (1, 1), (1, 0)), stepped(1, (0, 1), valid=(0, 1)), stepped(2, (1, 1)), stepped(3, (1, 1))]
    made = feed(Returns(2, GAMMA), steps)
    assert len(made[1]) == 2
    assert made[1].rewards.tolist() == [1, 1.5]
    assert len(made[2]) == 1
    assert made[2].rewards.tolist() == [1.5]


def some(count, first=0, width=2):
    numbers = np.arange(first, first + count)
    seen = np.repeat(numbers[:, None], width, axis=1).astype(np.float32)
    return Transitions(seen, numbers, numbers.astype(np.float32), seen, np.ones(count, np.float32))


def test_the_oldest_are_forgotten():
    replay = Replay(10, np.random.default_rng(0))
    for first in range(0, 24, 4):
        replay.add(some(4, first))
    assert len(replay) == 10
    drawn, weights, places = replay.draw(500)
    assert set(drawn.actions.tolist()) == set(range(14, 24))
    assert (weights == 1).all()
    assert set(places.tolist()) == set(range(10))


def test_zeros_and_ones_are_kept_as_bytes_and_given_back_as_they_were():
    replay = Replay(8, np.random.default_rng(0))
    seen = (np.random.default_rng(1).random((8, 3, 5, 5)) < 0.5).astype(np.float32)
    replay.add(Transitions(seen, np.arange(8), np.zeros(8, np.float32), seen, np.ones(8, np.float32)))
    drawn, _, _ = replay.draw(50)
    assert replay._kept.observations.dtype == np.uint8
    assert (drawn.observations == seen[drawn.actions]).all()


def board(value):
    seen = np.zeros((4, 1, 3, 3), np.float32)
    seen[:, 0, 1, 1] = value
    return seen


@pytest.mark.parametrize("behind", [False, True])
def test_a_board_that_was_empty_at_first_keeps_what_is_put_on_it_later(behind):
    replay = Replay(8, np.random.default_rng(0))
    for value in (0.0, -1.0, 0.5):
        first, last = (board(0.0), board(value)) if behind else (board(value), board(0.0))
        replay.add(Transitions(first, np.arange(4), np.zeros(4, np.float32), last, np.ones(4, np.float32)))
    drawn, _, _ = replay.draw(200)
    assert set((drawn.after if behind else drawn.observations)[:, 0, 1, 1].tolist()) == {-1.0, 0.5}
    assert set(drawn.observations[:, 0, 0, 0].tolist()) == {0.0}


def test_what_was_wrong_is_drawn_more_often_and_weighs_less():
    replay = Replay(100, np.random.default_rng(0), prioritised=True)
    replay.add(some(100))
    errors = np.where(np.arange(100) < 10, 8.0, 0.5)
    replay.judge(np.arange(100), errors)
    _drawn, weights, places = replay.draw(20_000)
    counts = np.bincount(places, minlength=100)
    shares = (errors + 1e-3) ** 0.6
    assert counts / counts.sum() == pytest.approx(shares / shares.sum(), rel=0.3)
    assert weights[places < 10].max() < weights[places >= 10].min() == pytest.approx(1.0)


def test_what_is_new_is_drawn_as_what_was_most_wrong():
    replay = Replay(64, np.random.default_rng(0), prioritised=True)
    replay.add(some(32))
    replay.judge(np.arange(32), np.full(32, 1e-6))
    replay.add(some(32, 32))
    _, _, places = replay.draw(2000)
    assert (places >= 32).mean() > 0.9


def test_nothing_can_be_drawn_from_nothing():
    with pytest.raises(LookupError, match="nothing was added yet"):
        Replay(4, np.random.default_rng(0)).draw(1)
