"""What events tell of a training: progress, time left, the best epoch, and a training that goes on."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lepton_nb.records import Curve, Epoch, Failed, Finished, Note, Progress, Resumed, Started, Usage
from lepton_nb.widgets.state import MOST_SERIES, Training


def told(*events) -> Training:
    training = Training("r1", "mlp")
    for event in events:
        training.take(event)
    return training


def steady(begin=0.0, done=0, rate=100, seconds=10, total=10_000):
    """A training at so many batches a second, told ten times a second."""
    return [Progress(begin + i / 10, done + i * rate // 10, total) for i in range(10 * seconds + 1)]


def test_nothing_is_known_before_the_first_event() -> None:
    facts = told().facts
    assert (facts.phase, facts.left, facts.seconds, facts.best) == ("waiting", None, 0.0, None)


def test_time_left_follows_the_speed() -> None:
    facts = told(Started(0.0, "mlp", 10_000, "r1", 10), *steady()).facts
    assert facts.left == pytest.approx(90, rel=0.02)
    assert facts.seconds == pytest.approx(10)
    slower = told(Started(0.0, "mlp", 10_000, "r1", 10), *steady(), *steady(10.0, 1000, 10, 60)).facts
    assert slower.left == pytest.approx((10_000 - 1600) / 10, rel=0.05)


def test_time_left_is_not_told_before_it_can_be_known() -> None:
    assert told(Started(0.0, "mlp", 100, "r1"), Progress(0.1, 1, 100)).facts.left is None
    assert told(Started(0.0, "mlp", 100, "r1"), *steady(total=0)[:5]).facts.left is None
    assert told(Started(0.0, "mlp", 0, "r1"), *steady(total=0)).facts.left is None
    ended = told(Started(0.0, "mlp", 10_000, "r1"), *steady(), Finished(11.0))
    assert ended.facts.left is None


def test_batches_that_take_minutes_have_a_time_left_too() -> None:
    events = [Progress(100.0 * i, i, 10) for i in range(4)]
    assert told(Started(0.0, "mlp", 10, "r1"), *events).facts.left == pytest.approx(700)


@given(st.lists(st.tuples(st.floats(-5, 100), st.integers(-3, 200)), max_size=60), st.integers(0, 150))
def test_time_left_is_never_negative_nor_wild(moves, total) -> None:
    training, now, done = told(Started(0.0, "mlp", total, "r1")), 0.0, 0
    for seconds, batches in moves:
        now, done = now + seconds, done + batches
        training.take(Progress(now, max(0, done), total))
        left = training.facts.left
        assert left is None or (left >= 0 and math.isfinite(left))
        assert len(training.facts.samples) <= 64


def test_a_resumed_training_goes_on_with_its_curves_and_times() -> None:
    first = [Started(0.0, "mlp", 10_000, "r1", 10), *steady(), Usage(5.0, 10, 1.0, 500), Curve(9.0, 900, {"loss": 2.0})]
    training = told(*first, Curve(10.0, 1000, {"loss": 1.0}))
    # A day later, from a checkpoint, five times as slow.
    training.take(Started(86_400.0, "mlp", 10_000, "r1", 10))
    assert training.facts.left is None
    for event in steady(86_400.0, 950, 20, 10):
        training.take(event)
    training.take(Curve(86_405.0, 960, {"loss": 1.5}))
    assert training.facts.seconds == pytest.approx(20)
    assert training.facts.left == pytest.approx((10_000 - 1150) / 20, rel=0.02)
    assert training.facts.peak == 500
    (line,) = training.lines()
    assert (line.steps, line.values) == ((900, 960), (2.0, 1.5))


def test_a_run_that_had_ended_and_goes_on_is_running() -> None:
    training = told(Started(0.0, "mlp", 10, "r1"), Finished(1.0, "stopped", "kept"), Resumed(2.0))
    assert (training.facts.phase, training.facts.text) == ("running", "")


def test_the_best_epoch_is_the_last_that_was_called_best() -> None:
    events = [Epoch(float(i), i, 10 * i, {"val_loss": 1.0 - i}, best=i in (0, 2)) for i in range(4)]
    training = told(Started(0.0, "mlp", 40, "r1", 4), *events)
    facts = training.facts
    assert (facts.epoch, facts.best, facts.best_step, dict(facts.best_metrics)) == (4, 3, 20, {"val_loss": -1.0})
    assert training.lines()[0].steps == (0, 10, 20, 30)


def test_use_of_the_machine_is_the_newest_and_the_most_memory() -> None:
    facts = told(Usage(0.0, 10.0, 1.0, 900), Usage(1.0, 20.0, 0.5, 700, 0.4, 300)).facts
    assert (facts.rate, facts.cpu, facts.memory, facts.peak) == (20.0, 0.5, 700, 900)
    assert (facts.gpu, facts.gpu_memory) == (0.4, 300)


@pytest.mark.parametrize(
    ("end", "phase", "text"),
    [
        (Finished(2.0), "finished", ""),
        (Finished(2.0, "stopped", "asked"), "stopped", "asked"),
        (Failed(2.0, "ValueError", "bad"), "failed", "ValueError: bad"),
    ],
)
def test_how_it_ended_is_known(end, phase, text) -> None:
    facts = told(Started(0.0, "mlp", 10, "r1"), end).facts
    assert (facts.phase, facts.text, facts.over) == (phase, text, True)


def test_notes_and_names_are_bounded() -> None:
    events = [Note(0.0, f"note {i}") for i in range(100)]
    events += [Curve(0.0, 1, {f"m{i}": 1.0}) for i in range(5000)]
    training = told(*events)
    assert training.facts.notes[-1] == "note 99"
    assert len(training.facts.notes) == 20
    assert len(training.series) == MOST_SERIES
    assert "m32" in training.unseen
    assert len(training.unseen) <= 10 * MOST_SERIES
