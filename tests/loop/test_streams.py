"""Streams whose concept changes, against live deployments, as bench_loop.py has them; the long ones nightly.

That nothing is decided without a change, that poisoned labels are stopped and that a bad promotion is rolled back is
held at each run by `test_rounds.py`, on a tiny model that is served for real.
"""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

import bench_loop
from loop_streams import NAMES, SkippedError

LONG = pytest.mark.nightly


@pytest.fixture
def folder(ws, tmp_path, monkeypatch):
    (tmp_path / "pyproject.toml").touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def cases(*found) -> dict[str, float]:
    return {one["case"].partition("_")[0]: one["ours"] for one in found}


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("name", NAMES)
def test_a_changed_concept_is_found_and_learnt_and_no_request_fails(folder, name):
    _holds(folder, name, 20_000)


@LONG
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", NAMES)
def test_it_is_in_a_stream_ten_times_as_long(folder, name):
    _holds(folder, name, 200_000)


def _holds(folder, name, requests):
    try:
        found = cases(*bench_loop.drifting(name, requests, folder))
    except SkippedError as skipped:
        pytest.skip(str(skipped))
    assert found["lost"] >= 0.1
    assert found["found"] <= 5000
    assert found["recovered"] >= 0.9
    assert found["failed"] == 0


@LONG
@pytest.mark.timeout(1800)
def test_without_a_change_nothing_is_decided(folder):
    assert cases(bench_loop.idle("adult", 20_000, folder)) == {"idle": 0}


@LONG
@pytest.mark.timeout(1800)
def test_poisoned_labels_are_stopped_by_the_gate(folder):
    assert cases(bench_loop.poisoned("adult", 20_000, folder)) == {"poisoned": 0}


@LONG
@pytest.mark.timeout(1800)
def test_a_bad_promotion_is_rolled_back_within_a_minute(folder):
    assert cases(bench_loop.rollback("adult", 20_000, folder))["rollback"] <= 60
