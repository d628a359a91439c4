"""A kill at any moment, and readers at any moment, neither lose nor double a row."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time

import numpy as np
import pytest
from gone import NOON, begin, leave, rows_of

from lepton_nb.monitoring import observe, sealed, store
from lepton_nb.runtime.predlog import PredictionLog
from lepton_nb.workspace import Workspace


def _observe_for_ever(home, name):
    while True:
        observe(Workspace(home), name)


def _killed_while_it_observes(one, after: float) -> None:
    process = multiprocessing.get_context("fork").Process(target=_observe_for_ever, args=(one.ws.home, one.name))
    process.start()
    time.sleep(after)
    os.kill(process.pid, signal.SIGKILL)
    process.join()


def _kill_at_random_moments(one, rounds: int) -> None:
    rng = np.random.default_rng(0)
    rows = requests = 0
    for number in range(rounds):
        begin(one, number)
        for _ in range(int(rng.integers(1, 5))):
            one.answer(one.rows(20, seed=number), at=NOON + number * 600, ms=float(requests))
            rows, requests = rows + 20, requests + 1
        leave(one)
        _killed_while_it_observes(one, float(rng.uniform(0, 0.06)))
        found = rows_of(one)
        assert len(found) == len({row["id"] for row in found}) == rows
    counts = observe(one.ws, one.name).since(None)
    assert (counts.rows, counts.requests, int(counts.latency.sum())) == (rows, requests, requests)
    assert one.segments == []
    assert not list((one.folder / "sealed").glob(".making*"))
    assert len(rows_of(one)) == rows


def test_a_kill_at_any_moment_loses_and_doubles_nothing(logged):
    _kill_at_random_moments(logged(), 12)


@pytest.mark.nightly
@pytest.mark.timeout(1200)
def test_many_kills_lose_and_double_nothing(logged):
    _kill_at_random_moments(logged(), 300)


def test_a_kill_between_every_two_steps_loses_and_doubles_nothing(logged, monkeypatch):
    """Each step that changes the disk fails once."""
    one, number = logged(), 0
    steps = [(store, "write_atomic"), (sealed, "_convert"), (sealed, "_remove"), (sealed._Written, "close")]
    for place, name in steps:
        for at_the_end in (False, True):
            number += 1
            begin(one, number)
            one.answer(one.rows(6, seed=number), at=NOON + 60 * number, ms=float(number))
            leave(one)
            plain = getattr(place, name)

            def killed(*given, plain=plain, at_the_end=at_the_end):
                if at_the_end:
                    plain(*given)
                raise KeyboardInterrupt

            with monkeypatch.context() as patch:
                patch.setattr(place, name, killed)
                with pytest.raises(KeyboardInterrupt):
                    observe(one.ws, one.name)
            assert len(rows_of(one)) == 6 * number
            assert observe(one.ws, one.name).since(None).rows == 6 * number
            assert (one.segments, len(rows_of(one))) == ([], 6 * number)


def _observe_until(home, name, expected):
    ws, deadline = Workspace(home), time.monotonic() + 60
    seen = 0
    while seen < expected and time.monotonic() < deadline:
        rows = observe(ws, name).since(None).rows
        assert rows >= seen, f"{rows} rows after {seen}"
        seen = rows
    assert seen == expected


def test_readers_of_a_log_that_is_sealed_meanwhile_never_see_fewer_or_more_rows(logged):
    one = logged()
    one.log.close()
    one.log = PredictionLog(one.folder, segment=4000)
    context = multiprocessing.get_context("fork")
    readers = [context.Process(target=_observe_until, args=(one.ws.home, one.name, 400)) for _ in range(3)]
    for reader in readers:
        reader.start()
    for i in range(80):
        one.answer(one.rows(5, seed=i), ms=float(i))
        time.sleep(0.004)
    for reader in readers:
        reader.join()
        assert reader.exitcode == 0
    assert len(rows_of(one)) == 400
